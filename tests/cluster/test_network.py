"""Who reaches whom: every part of a team's namespaces against every other, another team's, the API server, the node: real connections."""

import json
from itertools import product

import pytest
from support.two_teams import RELEASE, apply, kubectl, pod, wait_until_ready

LISTENS = {"mlflow": 5000, "storage": 8333, "database": 5432, "serving": 8080, "registrar": 8080}
RECORDS, API = {"mlflow", "storage"}, {"API server"}
REACHES = {  # part: what it reaches in its own namespace; `run` is a pod of a pipeline's, `stranger` has no part at all
    "mlflow": RECORDS | {"database"},
    "registrar": RECORDS | {"database"} | API,
    "training": RECORDS,
    "batch": RECORDS,
    "monitor": RECORDS,
    "release": RECORDS | {"serving"},
    "serving": {"storage"},
    "run": RECORDS | API,
    "storage": set(),
    "database": set(),
    "unlabelled": set(),
}
READ_PROD = {"training", "batch", "monitor", "run"}  # in dev
CALL_OUT = READ_PROD | {"serving"}  # to where the team's `egress` says
WITH_EGRESS = "bell"
OPENED = f"{WITH_EGRESS}-prod"  # whose platform team names the node as a resolver, and lets MLflow be called from outside
NAMESPACES = ("ring-dev", "ring-staging", "ring-prod", "bell-dev", "bell-prod")
OUTSIDE = "titlebout-test-outside"  # a namespace of nobody's, without walls
CLIENT = "titlebout-test-client"  # another, whose applications may call the models of WITH_EGRESS
PORT_OF_KUBELET = 10250  # stands for a resolver's
LISTEN_SCRIPT = "import http.server; http.server.ThreadingHTTPServer(('', {port}), http.server.BaseHTTPRequestHandler).serve_forever()"
CONNECT_SCRIPT = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def connects(target):
    try:
        socket.create_connection((target[1], target[2]), timeout=2).close()
        return True
    except OSError:
        return False
targets = json.loads(sys.argv[1])
with ThreadPoolExecutor(len(targets)) as pool:
    print(json.dumps({name: found for (name, *_), found in zip(targets, pool.map(connects, targets))}))
"""


def part_pod(name: str, image: str) -> dict:
    labels = (
        {"workflows.argoproj.io/workflow": "one"}
        if name == "run"
        else {}
        if name == "unlabelled"
        else {"titlebout.io/part": name}
    )
    made = pod(
        name, image, ["python", "-c", LISTEN_SCRIPT.format(port=LISTENS.get(name, 9000))], **labels
    )
    made["metadata"]["annotations"] = {
        "titlebout.io/release": RELEASE,
        "titlebout.io/verdict": "accept",
    }
    return made


@pytest.fixture(scope="module")
def targets(teams, api):
    """(name, address, port) of all that could be reached; one of the two outside is in a team's `egress`."""
    prod_storage = teams.project / "environments" / "prod" / "team-values.yaml"
    kubectl("create", "namespace", OUTSIDE)
    kubectl("create", "namespace", CLIENT)
    try:
        apply(OUTSIDE, part_pod("unlabelled", teams.image), part_pod("warehouse", teams.image))
        apply(CLIENT, part_pod("unlabelled", teams.image))
        wait_until_ready(OUTSIDE, "unlabelled", "warehouse")
        wait_until_ready(CLIENT, "unlabelled")
        warehouse = pod_address(api, OUTSIDE, "warehouse")
        node = api.core.list_node().items[0].status.addresses[0].pod_address
        prod_storage.write_text(
            json.dumps(
                {
                    "dns": {"cidrs": [f"{node}/32"], "ports": [53, PORT_OF_KUBELET]},
                    "mlflowNamespaces": [OUTSIDE],
                }
            )
        )
        teams.install_team(
            WITH_EGRESS, egress=[{"cidr": f"{warehouse}/32", "ports": [9000]}], clients=[CLIENT]
        )
        for namespace in NAMESPACES:
            apply(namespace, *(part_pod(name, teams.image) for name in REACHES))
        for namespace in NAMESPACES:
            wait_until_ready(namespace, *REACHES)
        yield [
            *(
                (f"{name} of {namespace}", pod_address(api, namespace, name), port)
                for namespace, (name, port) in product(NAMESPACES, LISTENS.items())
            ),
            ("API server", "kubernetes.default.svc", 443),
            ("the node", node, PORT_OF_KUBELET),
            ("outside", pod_address(api, OUTSIDE, "unlabelled"), 9000),
            ("the warehouse", warehouse, 9000),
        ]
    finally:
        kubectl("delete", "namespace", OUTSIDE, CLIENT)
        for namespace in NAMESPACES:
            kubectl("delete", "pods", "--ignore-not-found", "--namespace", namespace, *REACHES)
        prod_storage.unlink(missing_ok=True)
        teams.install_team(WITH_EGRESS)


def pod_address(api, namespace: str, name: str) -> str:
    return api.core.read_namespaced_pod(name, namespace).status.pod_ip


def reached(targets: list, *, namespace: str, caller: str) -> set[str]:
    answer = kubectl(
        "exec",
        "--namespace",
        namespace,
        caller,
        "--",
        "python",
        "-c",
        CONNECT_SCRIPT,
        json.dumps(targets),
    )
    return {name for name, found in json.loads(answer).items() if found}


def expected(namespace: str, caller: str) -> set[str]:
    """In dev nothing is released, and the team's own data of prod is read; a team may have an egress, a cluster its own resolver.

    A pod always reaches itself; and of an address that is opened, no more than the ports: the API server is on the node, too.
    """
    team, environment = namespace.split("-")
    reachable = REACHES[caller]
    if environment == "dev":
        reachable = reachable - {"serving"} - (API if caller == "registrar" else set())
    prod_storage = (
        {f"storage of {team}-prod"} if environment == "dev" and caller in READ_PROD else set()
    )
    egress_targets = {"the warehouse"} if team == WITH_EGRESS and caller in CALL_OUT else set()
    resolver = {"the node"} if namespace == OPENED else set()
    own_port = {caller} & set(LISTENS)
    return (
        {name if name in API else f"{name} of {namespace}" for name in reachable | own_port}
        | prod_storage
        | egress_targets
        | resolver
    )


def test_a_pod_without_walls_reaches_what_has_none(targets):
    """What the cells below refuse is there, and answers: the API server, the node and the outside."""
    mlflow = f"mlflow of {OPENED}"  # beside it, what the platform team let it call
    assert reached(targets, namespace=OUTSIDE, caller="unlabelled") == {
        "API server",
        "the node",
        "outside",
        "the warehouse",
        mlflow,
    }


def test_a_client_calls_the_models_and_nothing_else(targets):
    """Of the team that names its namespace, where that team serves."""
    of_teams = [target for target in targets if target[0].endswith(NAMESPACES)]
    assert reached(of_teams, namespace=CLIENT, caller="unlabelled") == {f"serving of {OPENED}"}


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_each_part_reaches_what_it_needs_and_nothing_else(targets, namespace):
    """Parts × targets: team to team, environment to environment, pod to API server, pod to outside."""
    found = {caller: reached(targets, namespace=namespace, caller=caller) for caller in REACHES}
    assert found == {caller: expected(namespace, caller) for caller in REACHES}


def test_every_name_can_be_asked_for(targets):
    """Who may connect to nothing can still tell that a name exists."""
    lookup = "import socket; socket.getaddrinfo('kubernetes.default.svc', 443)"
    kubectl("exec", "--namespace", "ring-prod", "unlabelled", "--", "python", "-c", lookup)
