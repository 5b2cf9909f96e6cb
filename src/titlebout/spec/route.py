"""A model's HTTPRoute: what the API calls it, and the rules by which all of its requests go to the live Service."""

from typing import Any

from titlebout.spec.kubernetes import SERVICE_PORT

GROUP, VERSION, ROUTES, GATEWAYS = "gateway.networking.k8s.io", "v1", "httproutes", "gateways"
Rule = dict[str, Any]


def rules_to_live(model: str) -> list[Rule]:
    return [{"backendRefs": [{"name": model, "port": SERVICE_PORT}]}]


def is_divided(rules: list[Rule], model: str) -> bool:
    """Whether any request goes elsewhere than to the live Service alone."""
    return not holds(rules_to_live(model), rules) or bool(rules[0].get("filters"))


def holds(written: Any, found: Any) -> bool:
    """Whether all that was written is there; the API server adds defaults, but no elements to a list."""
    if isinstance(written, dict):
        return isinstance(found, dict) and all(holds(value, found.get(name)) for name, value in written.items())
    if isinstance(written, list):
        return isinstance(found, list) and len(found) == len(written) and all(map(holds, written, found))
    return bool(written == found)
