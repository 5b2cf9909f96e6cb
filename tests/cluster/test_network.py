"""Check by real connections which part of a namespace reaches what.

Targets are the parts of every namespace, another team's, the API server and the node.
"""

import json
from itertools import product

import pytest
from support.two_teams import RELEASE, apply, kubectl, pod, wait_until_ready

LISTENS = {"mlflow": 5000, "storage": 8333, "database": 5432, "serving": 8080, "registrar": 8080}
RECORDS, API = {"mlflow", "storage"}, {"API server"}
# What each part reaches in its own namespace. `run` is a pod of a pipeline, `unlabelled` no part.
REACHES = {
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
CALL_OUT = READ_PROD | {"serving"}  # they reach what the team's `egress` names
WITH_EGRESS = "bell"
# Its platform team names the node as a resolver, and allows calls of MLflow from outside.
OPENED = f"{WITH_EGRESS}-prod"
NAMESPACES = ("ring-dev", "ring-staging", "ring-prod", "bell-dev", "bell-prod")
OUTSIDE = "titlebout-test-outside"  # a namespace of no team, without NetworkPolicies
CLIENT = "titlebout-test-client"  # its applications may call the models of WITH_EGRESS
PORT_OF_KUBELET = 10250  # stands for a resolver's port
LISTEN_SCRIPT = """
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
ThreadingHTTPServer(('', {port}), BaseHTTPRequestHandler).serve_forever()
"""
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
    found = pool.map(connects, targets)
    print(json.dumps({name: connected for (name, *_), connected in zip(targets, found)}))
"""


def part_pod(name: str, image: str) -> dict:
    """Return the pod of a part, which listens on the part's port."""
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
    """Yield (name, address, port) of everything that could be reached.

    Of the two targets outside, one is in a team's `egress`.
    """
    prod_storage = teams.project / "environments" / "prod" / "team-values.yaml"
    kubectl("create", "namespace", OUTSIDE)
    kubectl("create", "namespace", CLIENT)
    try:
        apply(OUTSIDE, part_pod("unlabelled", teams.image), part_pod("warehouse", teams.image))
        apply(CLIENT, part_pod("unlabelled", teams.image))
        wait_until_ready(OUTSIDE, "unlabelled", "warehouse")
        wait_until_ready(CLIENT, "unlabelled")
        warehouse = pod_address(api, OUTSIDE, "warehouse")
        node = api.core.list_node().items[0].status.addresses[0].address
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
    """Return a pod's IP address."""
    return api.core.read_namespaced_pod(name, namespace).status.pod_ip


def reached(targets: list, *, namespace: str, caller: str) -> set[str]:
    """Return the names of the targets to which the caller's pod can connect."""
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
    """Return what the caller should reach from this namespace.

    In dev nothing is released, and the team reads its own data of prod. A team may have an egress,
    a cluster its own resolver. A pod always reaches itself. Of an opened address only the named
    ports are open: the API server is on the node, too.
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


def test_a_pod_without_policies_reaches_every_open_target(targets):
    """A pod without NetworkPolicies reaches all targets that have none, so they answer."""
    mlflow = f"mlflow of {OPENED}"  # the platform team allows this call
    assert reached(targets, namespace=OUTSIDE, caller="unlabelled") == {
        "API server",
        "the node",
        "outside",
        "the warehouse",
        mlflow,
    }


def test_a_client_calls_the_models_and_nothing_else(targets):
    """An application of the named namespace reaches the team's models, and nothing else."""
    of_teams = [target for target in targets if target[0].endswith(NAMESPACES)]
    assert reached(of_teams, namespace=CLIENT, caller="unlabelled") == {f"serving of {OPENED}"}


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_each_part_reaches_what_it_needs_and_nothing_else(targets, namespace):
    """Each part connects to the targets that the table lists, and to no other."""
    found = {caller: reached(targets, namespace=namespace, caller=caller) for caller in REACHES}
    assert found == {caller: expected(namespace, caller) for caller in REACHES}


def test_every_name_can_be_asked_for(targets):
    """A pod that may connect to nothing can still resolve names."""
    lookup = "import socket; socket.getaddrinfo('kubernetes.default.svc', 443)"
    kubectl("exec", "--namespace", "ring-prod", "unlabelled", "--", "python", "-c", lookup)
