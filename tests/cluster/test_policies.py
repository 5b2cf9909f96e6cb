"""Check what the admission policies allow in a team's namespace, and what they say of the rest."""

import copy

import pytest
from support.two_teams import RELEASE, apply, call_api, live_service, pod, slot_deployment

NAMESPACE = "ring-prod"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
CRONJOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/cronjobs"
SERVICES = f"/api/v1/namespaces/{NAMESPACE}/services"
DIGEST = "sha256:" + "0" * 64
ALLOWED = f"docker.io/library/python@{DIGEST}"
TAGGED = "docker.io/library/python:3.11-slim"
OTHER_REGISTRY = f"elsewhere.example.com/python@{DIGEST}"
MADE, REFUSED = 201, 422
SERVES = {"titlebout.io/part": "serving", "titlebout.io/slot": "blue"}
ACCEPTED = {"titlebout.io/release": RELEASE, "titlebout.io/verdict": "accept"}
OVERRIDDEN = ACCEPTED | {"titlebout.io/verdict": "override"}
NAMED = {
    "titlebout.io/override-by": "ada@example.com",
    "titlebout.io/override-reason": "the champion is broken",
}


def one_container_pod(image: str) -> dict:
    """Return a pod with the image."""
    return pod("one", image, ["sleep", "1"])


def init_container_pod(image: str) -> dict:
    """Return a pod whose init container has the image."""
    found = one_container_pod(ALLOWED)
    found["spec"]["initContainers"] = [
        copy.deepcopy(found["spec"]["containers"][0]) | {"name": "first", "image": image}
    ]
    return found


def nightly(image: str) -> dict:
    """Return a CronJob with the image."""
    template = {"spec": one_container_pod(image)["spec"] | {"restartPolicy": "Never"}}
    job = {"spec": {"template": template}}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "one"},
        "spec": {"schedule": "0 3 * * *", "jobTemplate": job},
    }


def serving(annotations: dict) -> dict:
    """Return a slot's Deployment with the annotations."""
    return slot_deployment("other-blue", ALLOWED, labels=SERVES, annotations=annotations)


def serving_pod(annotations: dict) -> dict:
    """Return a bare pod that would get a slot's traffic."""
    found = pod("one", ALLOWED, ["sleep", "1"], **SERVES)
    found["metadata"]["annotations"] = annotations
    return found


# What is created: path, body, a part of the refusal; None: it is admitted.
CREATED = {
    "a pod by digest": (PODS, one_container_pod(ALLOWED), None),
    "a pod by tag": (PODS, one_container_pod(TAGGED), "expected images by digest"),
    "a pod from another registry": (
        PODS,
        one_container_pod(OTHER_REGISTRY),
        "titlebout-images lists what is allowed",
    ),
    "an init container by tag": (PODS, init_container_pod(TAGGED), "expected images by digest"),
    "a Deployment by tag": (
        DEPLOYMENTS,
        slot_deployment("one", TAGGED),
        "expected images by digest",
    ),
    "a CronJob by digest": (CRONJOBS, nightly(ALLOWED), None),
    "a CronJob by tag": (CRONJOBS, nightly(TAGGED), "expected images by digest"),
    "a slot that was accepted": (DEPLOYMENTS, serving(ACCEPTED), None),
    "a slot without a release": (
        DEPLOYMENTS,
        serving({"titlebout.io/verdict": "accept"}),
        "titlebout.io/release with a release id",
    ),
    "a slot of half a release": (
        DEPLOYMENTS,
        serving(ACCEPTED | {"titlebout.io/release": "a" * 12}),
        "found " + "a" * 12,
    ),
    "a slot without a verdict": (
        DEPLOYMENTS,
        serving({"titlebout.io/release": RELEASE}),
        "accept or override",
    ),
    "a slot that was rejected": (
        DEPLOYMENTS,
        serving(ACCEPTED | {"titlebout.io/verdict": "reject"}),
        "found reject",
    ),
    "an override without a name": (DEPLOYMENTS, serving(OVERRIDDEN), "who decided it and why"),
    "an override without a reason": (
        DEPLOYMENTS,
        serving(OVERRIDDEN | NAMED | {"titlebout.io/override-reason": " "}),
        "who decided it and why",
    ),
    "an override by a person": (DEPLOYMENTS, serving(OVERRIDDEN | NAMED), None),
    "a bare pod that would get traffic": (
        PODS,
        serving_pod({}),
        "titlebout.io/release with a release id",
    ),
    "a bare pod with its release": (PODS, serving_pod(ACCEPTED), None),
    "a live Service": (SERVICES, live_service("other"), None),
    "a live Service for a slot under test": (
        SERVICES,
        live_service("other", slot="green", switchable="blue"),
        "found green",
    ),
    "a live Service that no slot may answer": (
        SERVICES,
        live_service("other", switchable=""),
        "(none)",
    ),
}
TO_GREEN = {"spec": {"selector": {"titlebout.io/slot": "green"}}}
NOT_LIVE = {"metadata": {"labels": {"titlebout.io/live": None}}}
OTHER_MODEL = {"spec": {"selector": {"titlebout.io/model": "other"}}}
# What is changed: group, Service, patch, a part of the refusal; None: it is admitted.
CHANGED = {
    "on-call switches": ("ring:on-call", "wages", TO_GREEN, None),
    "on-call by the company's name switches": ("ring-first-line", "wages", TO_GREEN, None),
    "on-call switches to a slot under test": ("ring:on-call", "untested", TO_GREEN, "found green"),
    "on-call allows a slot": (
        "ring:on-call",
        "untested",
        TO_GREEN | {"metadata": {"annotations": {"titlebout.io/switchable": "blue,green"}}},
        "the slot alone",
    ),
    # two policies refuse this one
    "on-call sends traffic to anything": ("ring:on-call", "wages", OTHER_MODEL, "expected"),
    "on-call opens another port": (
        "ring:on-call",
        "wages",
        {"spec": {"ports": [{"name": "http", "port": 22}]}},
        "the slot alone",
    ),
    "on-call takes an outside address": (
        "ring:on-call",
        "wages",
        {"spec": {"externalIPs": ["192.0.2.1"]}},
        "the slot alone",
    ),
    "on-call sets session affinity": (
        "ring:on-call",
        "wages",
        {"spec": {"sessionAffinity": "ClientIP"}},
        "the slot alone",
    ),
    "on-call labels": (
        "ring:on-call",
        "wages",
        {"metadata": {"labels": {"a": "b"}}},
        "the slot alone",
    ),
    "on-call changes another Service": (
        "ring:on-call",
        "plain",
        TO_GREEN,
        "expected on-call to switch a live Service",
    ),
    "the releaser switches": ("ring:releaser", "wages", TO_GREEN, None),
    "the releaser allows a slot": (
        "ring:releaser",
        "untested",
        TO_GREEN | {"metadata": {"annotations": {"titlebout.io/switchable": "blue,green"}}},
        None,
    ),
    "the releaser removes the live label": (
        "ring:releaser",
        "wages",
        NOT_LIVE,
        "keep the label titlebout.io/live",
    ),
    "the releaser gives it another model": (
        "ring:releaser",
        "wages",
        OTHER_MODEL,
        "the model it was made for",
    ),
    "the platform switches to a slot under test": (
        "titlebout:platform",
        "untested",
        TO_GREEN,
        "found green",
    ),
}


LIVE, SLOT = {"name": "wages", "port": 80}, {"name": "wages-green", "port": 80}
ROUTE = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "HTTPRoute",
    "metadata": {"name": "wages"},
    "spec": {"hostnames": ["wages.example.com"], "rules": [{"backendRefs": [LIVE, SLOT]}]},
}
ROUTE_PATH = f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes/wages"
# What is changed: group, rules, whether it is admitted.
ROUTED = {
    "on-call takes a route back": ("ring:on-call", [{"backendRefs": [LIVE]}], True),
    "on-call routes to a slot": ("ring:on-call", [{"backendRefs": [SLOT]}], False),
    "on-call divides it": ("ring:on-call", [{"backendRefs": [LIVE, SLOT]}], False),
    "on-call mirrors it": (
        "ring:on-call",
        [
            {
                "backendRefs": [LIVE],
                "filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": SLOT}}],
            }
        ],
        False,
    ),
    "on-call routes to another namespace": (
        "ring:on-call",
        [{"backendRefs": [LIVE | {"namespace": "bell-prod"}]}],
        False,
    ),
    "on-call writes the defaults out": (
        "ring:on-call",
        [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                "backendRefs": [LIVE | {"group": "", "kind": "Service", "weight": 1}],
            }
        ],
        True,
    ),
    "on-call sets weight 0": (
        "ring:on-call",
        [{"backendRefs": [LIVE | {"weight": 0}]}],
        False,
    ),
    "on-call routes one path only": (
        "ring:on-call",
        [{"matches": [{"path": {"value": "/predict"}}], "backendRefs": [LIVE]}],
        False,
    ),
    "on-call routes one client only": (
        "ring:on-call",
        [{"matches": [{"headers": [{"name": "a", "value": "b"}]}], "backendRefs": [LIVE]}],
        False,
    ),
    "on-call sets a short timeout": (
        "ring:on-call",
        [{"backendRefs": [LIVE], "timeouts": {"request": "1ms"}}],
        False,
    ),
    "on-call takes another port": (
        "ring:on-call",
        [{"backendRefs": [LIVE | {"port": 8080}]}],
        False,
    ),
    "the releaser divides it": ("ring:releaser", [{"backendRefs": [LIVE, SLOT]}], True),
}
TUNNELS = [
    ("ring:data-scientist", "ring-staging", "mlflow-5f", True),
    ("ring:data-scientist", "ring-staging", "database-0", False),
    ("ring:data-scientist", "ring-staging", "storage-0", False),
    ("ring:data-scientist", "ring-dev", "storage-0", True),  # may run anything there
    ("ring:ml-engineer", "ring-staging", "database-0", True),
    ("ring:releaser", "ring-prod", "database-0", True),
]
LET_THROUGH = {400, 404}


@pytest.fixture(scope="module", autouse=True)
def services(policies):
    """Apply three Services: two live ones and a plain one."""
    plain = live_service("plain")
    del plain["metadata"]["labels"]
    apply(NAMESPACE, live_service("wages"), live_service("untested", switchable="blue"), plain)


@pytest.mark.parametrize("what", CREATED)
def test_what_may_be_created(api, what):
    """The API server admits or refuses each object as the table says.

    The cluster's administrator asks, whom RBAC refuses nothing, so only a policy can refuse.
    """
    path, body, expected_words = CREATED[what]
    status, message = call_api(api, "POST", path, body=body)
    assert status == (MADE if expected_words is None else REFUSED), message
    assert (expected_words or "") in message


@pytest.mark.parametrize("what", CHANGED)
def test_what_may_be_changed_of_a_live_service(api, what):
    """The API server allows or refuses each change of a live Service as the table says."""
    group, service, patch, expected_words = CHANGED[what]
    status, message = call_api(api, "PATCH", f"{SERVICES}/{service}", group=group, body=patch)
    assert status == (200 if expected_words is None else REFUSED), message
    assert (expected_words or "") in message


@pytest.mark.parametrize("what", ROUTED)
def test_what_may_be_changed_of_a_route(api, what):
    """The API server allows or refuses each change of a route as the table says.

    Half of the route's requests go to a slot, as a killed canary leaves it.
    """
    if not api.serves("gateway.networking.k8s.io"):
        pytest.skip("the cluster has no Gateway API")
    group, rules, is_allowed = ROUTED[what]
    apply(NAMESPACE, ROUTE)
    status, message = call_api(
        api, "PATCH", ROUTE_PATH, group=group, body={"spec": {"rules": rules}}
    )
    assert status == (200 if is_allowed else REFUSED), message
    assert is_allowed or "all of a model's requests to its live Service" in message


def test_on_call_may_not_change_a_route_s_names_and_parents(api):
    """Refuse on-call to change a route's hostnames and parents.

    Without them no client reaches the model, whatever the rules say.
    """
    if not api.serves("gateway.networking.k8s.io"):
        pytest.skip("the cluster has no Gateway API")
    apply(NAMESPACE, ROUTE)
    for changed in (
        {"hostnames": None},
        {"hostnames": ["other.example.com"]},
        {"parentRefs": [{"name": "other"}]},
    ):
        status, message = call_api(
            api,
            "PATCH",
            ROUTE_PATH,
            group="ring:on-call",
            body={"spec": {"rules": [{"backendRefs": [LIVE]}]} | changed},
        )
        assert status == REFUSED, message


@pytest.mark.parametrize(("group", "namespace", "to", "is_allowed"), TUNNELS)
def test_who_tunnels_to_what(api, group, namespace, to, is_allowed):
    """The API server allows or refuses each tunnel as the table says.

    A tunnel ends behind every NetworkPolicy. If it is allowed, the API server looks for the pod, or
    for the tunnel's protocol.
    """
    status, message = call_api(
        api,
        "POST",
        f"/api/v1/namespaces/{namespace}/pods/{to}/portforward",
        group=group,
        dry_run=False,
    )
    assert (status in LET_THROUGH) == is_allowed, (status, message)
    assert is_allowed or "expected a tunnel to a pod of MLflow" in message


def test_a_namespace_without_a_team_is_not_under_the_policies(api):
    """Admit a pod by tag in a namespace without a team."""
    status, message = call_api(
        api, "POST", "/api/v1/namespaces/default/pods", body=one_container_pod(TAGGED)
    )
    assert status == MADE, message


def test_a_namespace_under_the_policies_can_be_deleted(api, teams):
    """The policies allow a live Service to be deleted.

    On-call's policy once stopped the namespace controller itself.
    """
    team_namespace = teams.namespaces()[0]
    apply(team_namespace.namespace, live_service("wages"))
    status, message = call_api(
        api,
        "DELETE",
        f"/api/v1/namespaces/{team_namespace.namespace}/services/wages",
        dry_run=False,
    )
    assert status == 200, message
