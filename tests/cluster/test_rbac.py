"""Check by real calls what every role may do in every environment."""

import pytest
from support.two_teams import apply, call_api, live_service, pod, slot_deployment, wait_until_ready

TEAM, ENVIRONMENTS = "ring", ("dev", "staging", "prod")
NOTHING = "nothing"
READS = "reads"
EDITS = "edits"
RELEASES = "releases"
SWITCHES = "switches"
OWNS = "owns"
# The level of each role in dev, staging and prod.
LEVELS = {
    "ring:owners": (READS, READS, READS),
    "ring:data-scientist": (EDITS, READS, NOTHING),
    "ring:ml-engineer": (EDITS, EDITS, NOTHING),
    "ring:releaser": (READS, RELEASES, RELEASES),
    "ring:on-call": (NOTHING, NOTHING, SWITCHES),
    # A company's own group, which the team's file maps to on-call.
    "ring-first-line": (NOTHING, NOTHING, SWITCHES),
    "titlebout:platform": (OWNS, OWNS, OWNS),
    "bell:releaser": (NOTHING, NOTHING, NOTHING),
}
ANYONE_HERE = {READS, EDITS, RELEASES, SWITCHES, OWNS}
WORKERS = {EDITS, RELEASES, OWNS}
# Name: verb, path below the namespace, body, the levels that may do it.
OPERATIONS = {
    "list pods": ("GET", "api/v1/{ns}/pods", None, ANYONE_HERE),
    "list deployments": ("GET", "apis/apps/v1/{ns}/deployments", None, ANYONE_HERE),
    "read a log": ("GET", "api/v1/{ns}/pods/speaker/log", None, ANYONE_HERE),
    "list configmaps": ("GET", "api/v1/{ns}/configmaps", None, ANYONE_HERE - {SWITCHES}),
    "ask the registrar": (
        "GET",
        "api/v1/{ns}/services/registrar:8080/proxy/status",
        None,
        ANYONE_HERE,
    ),
    "read a Service by proxy": ("GET", "api/v1/{ns}/services/wages:80/proxy/metrics", None, {OWNS}),
    "switch a Service": (
        "PATCH",
        "api/v1/{ns}/services/wages",
        {"spec": {"selector": {"titlebout.io/slot": "green"}}},
        WORKERS | {SWITCHES},
    ),
    "take a route back": (
        "PATCH",
        "apis/gateway.networking.k8s.io/v1/{ns}/httproutes/wages",
        {"spec": {}},
        WORKERS | {SWITCHES},
    ),
    "delete a Service": ("DELETE", "api/v1/{ns}/services/wages", None, WORKERS),
    "change a Deployment": (
        "PATCH",
        "apis/apps/v1/{ns}/deployments/wages-blue",
        {"metadata": {"labels": {"a": "b"}}},
        WORKERS,
    ),
    "make a ConfigMap": ("POST", "api/v1/{ns}/configmaps", {"metadata": {"name": "made"}}, WORKERS),
    "read the store's credentials": (
        "GET",
        "api/v1/{ns}/secrets/credentials",
        None,
        {RELEASES, OWNS},
    ),
    "list Secrets": ("GET", "api/v1/{ns}/secrets", None, {RELEASES, OWNS}),
    "create a Lease": (
        "POST",
        "apis/coordination.k8s.io/v1/{ns}/leases",
        {"metadata": {"name": "release-wages"}},
        {RELEASES, OWNS},
    ),
    "bind a role": (
        "POST",
        "apis/rbac.authorization.k8s.io/v1/{ns}/rolebindings",
        {
            "metadata": {"name": "made"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "titlebout-reader",
            },
        },
        {OWNS},
    ),
    "raise the quota": (
        "PATCH",
        "api/v1/{ns}/resourcequotas/team",
        {"spec": {"hard": {"pods": "900"}}},
        {OWNS},
    ),
    "change a NetworkPolicy": (
        "PATCH",
        "apis/networking.k8s.io/v1/{ns}/networkpolicies/default-deny",
        {"metadata": {"labels": {"a": "b"}}},
        {RELEASES, OWNS},
    ),
    "change an account": (
        "PATCH",
        "api/v1/{ns}/serviceaccounts/training",
        {"metadata": {"labels": {"a": "b"}}},
        {OWNS},
    ),
}
FORBIDDEN = 403
DONE = {200, 201, 202}
NO_BACKEND = {404, 503}  # it was allowed, and found no Service, pod or route


@pytest.fixture(scope="module")
def teams_with_objects(teams):
    """Create the objects in team ring's namespaces that the calls read and change."""
    for environment in ENVIRONMENTS:
        apply(
            f"{TEAM}-{environment}",
            pod("speaker", teams.image, ["sleep", "3600"]),
            live_service("wages"),
            slot_deployment("wages-blue", teams.image),
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "credentials"}},
        )
        wait_until_ready(f"{TEAM}-{environment}", "speaker")
    return teams


def matrix() -> list[tuple[str, str, str, bool]]:
    """Return (group, environment, operation, whether it is allowed) for each cell of the table."""
    return [
        (
            group,
            environment,
            operation,
            levels[ENVIRONMENTS.index(environment)] in OPERATIONS[operation][3],
        )
        for group, levels in LEVELS.items()
        for environment in ENVIRONMENTS
        for operation in OPERATIONS
    ]


def allowed(api, *, group: str, environment: str, operation: str) -> bool:
    """Return whether the API server allows the operation to the group."""
    verb, path, body, _ = OPERATIONS[operation]
    status, message = call_api(
        api, verb, "/" + path.format(ns=f"namespaces/{TEAM}-{environment}"), group=group, body=body
    )
    if status in DONE or (status in NO_BACKEND and ("proxy" in path or "httproutes" in path)):
        return True
    assert status == FORBIDDEN, f"{group} in {environment}: {operation}: {status} {message}"
    return False


def test_every_role_may_do_what_its_place_in_the_team_asks_and_nothing_else(
    teams_with_objects, api
):
    """For every role, call and environment the API server answers as the table says."""
    cells = matrix()
    wrong = [
        f"{group} in {environment}: {operation}: expected {'allowed' if expected else 'refused'}"
        for group, environment, operation, expected in cells
        if allowed(api, group=group, environment=environment, operation=operation) != expected
    ]
    assert len(cells) >= 40
    assert not wrong, f"{len(wrong)} of {len(cells)} cells: {wrong}"


def test_the_matrix_notices_a_right_too_many(teams_with_objects, api):
    """With one more binding, the cells of that role differ from the table."""
    team_namespace = next(
        team_namespace
        for team_namespace in teams_with_objects.namespaces()
        if team_namespace.namespace == "ring-prod"
    )
    extra = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "too-much"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "titlebout-editor",
        },
        "subjects": [
            {
                "kind": "Group",
                "apiGroup": "rbac.authorization.k8s.io",
                "name": "ring:data-scientist",
            }
        ],
    }
    apply(team_namespace.namespace, extra)
    try:
        assert allowed(
            api, group="ring:data-scientist", environment="prod", operation="switch a Service"
        )
    finally:
        team_namespace.api.rbac.delete_namespaced_role_binding("too-much", team_namespace.namespace)
    assert not allowed(
        api, group="ring:data-scientist", environment="prod", operation="switch a Service"
    )


def test_on_call_switches_for_real(teams_with_objects, api):
    """On-call moves the selector and moves it back, without a dry run."""
    path = "/api/v1/namespaces/ring-prod/services/wages"
    for slot in ("green", "blue"):
        status, message = call_api(
            api,
            "PATCH",
            path,
            group="ring:on-call",
            body={"spec": {"selector": {"titlebout.io/slot": slot}}},
            dry_run=False,
        )
        assert status == 200, message
        service = api.core.read_namespaced_service("wages", "ring-prod")
        assert service.spec.selector["titlebout.io/slot"] == slot


def test_only_a_run_s_pods_and_the_two_that_ask_get_a_token(teams_with_objects, api):
    """Of all accounts, only `training` mounts a token by default."""
    found = {
        account: api.core.read_namespaced_service_account(account, "ring-prod")
        for account in ("training", "serving", "releaser", "registrar", "mlflow")
    }
    assert {name for name, account in found.items() if account.automount_service_account_token} == {
        "training"
    }
