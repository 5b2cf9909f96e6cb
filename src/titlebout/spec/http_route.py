"""A model's HTTPRoute: what the API calls it, and the rules by which all of its requests go to the live Service."""

from typing import Any

from titlebout.spec.object_names import SERVICE_PORT

GROUP, VERSION, ROUTES, GATEWAYS = "gateway.networking.k8s.io", "v1", "httproutes", "gateways"
Rule = dict[str, Any]
EVERY_REQUEST = [
    {"path": {"type": "PathPrefix", "value": "/"}}
]  # with the next, what the API server fills in where a rule says nothing
BACKEND = {"group": "", "kind": "Service", "weight": 1}


def rules_to_live(model: str) -> list[Rule]:
    return [{"backendRefs": [{"name": model, "port": SERVICE_PORT}]}]


def is_divided(rules: list[Rule], model: str) -> bool:
    """Whether any request may fare otherwise than by `rules_to_live`: a field that is not known here counts, the API's defaults do not."""
    return [_in_full(rule) for rule in rules] != [_in_full(rule) for rule in rules_to_live(model)]


def holds(written: Any, found: Any) -> bool:
    """Whether all that was written is there; the API server adds defaults, but no elements to a list."""
    if isinstance(written, dict):
        return isinstance(found, dict) and all(
            holds(value, found.get(name)) for name, value in written.items()
        )
    if isinstance(written, list):
        return (
            isinstance(found, list)
            and len(found) == len(written)
            and all(map(holds, written, found))
        )
    return bool(written == found)


def _in_full(rule: Rule) -> Rule:
    return (
        {"matches": EVERY_REQUEST}
        | rule
        | {"backendRefs": [BACKEND | to for to in rule.get("backendRefs", ())]}
    )
