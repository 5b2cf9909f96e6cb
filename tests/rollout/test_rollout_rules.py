"""Tell which rules of a model's route divide its requests."""

import pytest

from titlebout.spec.http_route import is_divided, rules_to_live

LIVE, SLOT = {"name": "tiny", "port": 80}, {"name": "tiny-green", "port": 80}
MIRROR = [{"type": "RequestMirror", "requestMirror": {"backendRef": SLOT}}]
AS_THE_API_KEEPS_IT = {
    "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
    "backendRefs": [LIVE | {"group": "", "kind": "Service", "weight": 1}],
}
DIVIDED = {
    "no rule": [],
    "a canary": [{"backendRefs": [LIVE | {"weight": 90}, SLOT | {"weight": 10}]}],
    "all to a slot": [{"backendRefs": [SLOT]}],
    "an A/B by header": [
        {"matches": [{"headers": [{"name": "group", "value": "b"}]}], "backendRefs": [SLOT]},
        {"backendRefs": [LIVE]},
    ],
    "a shadow": [{"filters": MIRROR, "backendRefs": [LIVE]}],
    "a shadow beside the backend": [{"backendRefs": [LIVE | {"filters": MIRROR}]}],
    "no backend": [{"matches": AS_THE_API_KEEPS_IT["matches"]}],
    "no weight": [{"backendRefs": [LIVE | {"weight": 0}]}],
    "one path": [
        {"matches": [{"path": {"type": "PathPrefix", "value": "/predict"}}], "backendRefs": [LIVE]}
    ],
    "one header": [
        AS_THE_API_KEEPS_IT
        | {
            "matches": [
                AS_THE_API_KEEPS_IT["matches"][0] | {"headers": [{"name": "a", "value": "b"}]}
            ]
        }
    ],
    "a timeout": [{"backendRefs": [LIVE], "timeouts": {"request": "1ms"}}],
    "a retry": [{"backendRefs": [LIVE], "retry": {"attempts": 9}}],
    "clients that stick": [
        {"backendRefs": [LIVE], "sessionPersistence": {"sessionName": "ab", "type": "Cookie"}}
    ],
    "another port": [{"backendRefs": [LIVE | {"port": 8080}]}],
    "another namespace": [{"backendRefs": [LIVE | {"namespace": "bell-prod"}]}],
    "another kind": [
        {"backendRefs": [LIVE | {"kind": "ServiceImport", "group": "multicluster.x-k8s.io"}]}
    ],
}


@pytest.mark.parametrize(
    "rules",
    [rules_to_live("tiny"), [AS_THE_API_KEEPS_IT]],
    ids=["as written", "as the API keeps it"],
)
def test_all_to_the_live_service_is_not_divided(rules):
    """Rules to the live Service are not divided, with the API server's defaults or without."""
    assert not is_divided(rules, "tiny")


@pytest.mark.parametrize("what", DIVIDED)
def test_anything_else_is_divided(what):
    """Any other rule divides, also one that only takes requests from the live Service."""
    assert is_divided(DIVIDED[what], "tiny")
