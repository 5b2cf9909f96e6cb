"""Write and compare the rules of a model's HTTPRoute (Gateway API v1)."""

from typing import Any

from titlebout.spec.object_names import SERVICE_PORT

GROUP = "gateway.networking.k8s.io"
VERSION = "v1"
ROUTES = "httproutes"
GATEWAYS = "gateways"
Rule = dict[str, Any]
# What the API server fills in if a rule does not say it: the matches, and a backend's fields.
EVERY_REQUEST = [{"path": {"type": "PathPrefix", "value": "/"}}]
BACKEND = {"group": "", "kind": "Service", "weight": 1}


def rules_to_live(model: str) -> list[Rule]:
    """Return the rules that send every request to the live Service."""
    return [{"backendRefs": [{"name": model, "port": SERVICE_PORT}]}]


def is_divided(rules: list[Rule], model: str) -> bool:
    """Return whether the rules differ from `rules_to_live` for any request.

    An unknown field counts as a difference, the API's defaults do not.
    """
    return [_in_full(rule) for rule in rules] != [_in_full(rule) for rule in rules_to_live(model)]


def holds(written: Any, found: Any) -> bool:
    """Return whether `found` has everything that was written.

    The API server adds defaults to an object, but no elements to a list.
    """
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
