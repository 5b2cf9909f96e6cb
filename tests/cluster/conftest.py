"""Share what cluster tests need: a fork, its images, two teams and the policies.

The two teams' namespaces have the product's own roles, NetworkPolicies, quota and policies. All of
it is deleted afterwards.
"""

import os
import time
from pathlib import Path

import pytest
import yaml
from support.company_fork import MODEL, Fork
from support.static_volumes import provided_volumes
from support.two_teams import TEAMS, Teams, call_api, kubectl, pod

from titlebout.cluster import Api
from titlebout.images import noted_images
from titlebout.spec import ENVIRONMENTS

REPOSITORY = Path(__file__).parents[2]
TIMEOUT_SECONDS = 1800
TEAM = os.environ.get("TITLEBOUT_TEST_FORK", "loop")  # several runs at once need a team each
TEST_TEAMS_ONLY = {"key": "titlebout.io/team", "operator": "In", "values": list(TEAMS)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip every test here without a cluster, and give each a long timeout.

    The first test that needs images, namespaces or releases waits while they are made.
    """
    for item in items:
        if Path(__file__).parent in item.path.parents:
            if "KUBECONFIG" not in os.environ:
                item.add_marker(pytest.mark.skip(reason="needs a cluster: set KUBECONFIG"))
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(TIMEOUT_SECONDS))


@pytest.fixture(scope="session")
def fork(tmp_path_factory) -> Fork:
    """Make a company's fork, and build and push its images."""
    made = Fork(tmp_path_factory.mktemp("fork"), team=TEAM).make()
    made.build_images()
    return made


@pytest.fixture(scope="session")
def images(fork) -> dict[str, str]:
    """Return the fork's images by digest, by their names."""
    return noted_images(fork.project)


@pytest.fixture(scope="session", autouse=True)
def platform_base():
    """Apply k8s/base: the cluster's roles, and the priorities that pods name.

    It is removed again if it was not there before.
    """
    was_there = kubectl("get", "clusterrole", "titlebout-reader", "--ignore-not-found").strip()
    kubectl(
        "apply",
        "--server-side",
        "--force-conflicts",
        "--kustomize",
        str(REPOSITORY / "k8s" / "base"),
    )
    yield
    if not was_there:
        kubectl("delete", "--ignore-not-found", "--kustomize", str(REPOSITORY / "k8s" / "base"))


@pytest.fixture(scope="module")
def policies(teams, api):
    """Put k8s/admission in force for the tests' teams, under names of the tests' own.

    The cluster's own policies are not touched.
    """
    manifests = narrow_policies(
        kubectl("kustomize", str(REPOSITORY / "k8s" / "admission")),
        registry=teams.image.partition("/")[0] + "/",
    )
    kubectl("apply", "--server-side", "--force-conflicts", "--filename", "-", stdin=manifests)
    try:
        wait_until_in_force(api)
        yield
    finally:
        kubectl("delete", "--ignore-not-found", "--filename", "-", stdin=manifests)


def wait_until_in_force(api: Api) -> None:
    """Wait until the API server refuses by the new policies; it takes a few seconds."""
    tagged = pod("tagged", "docker.io/library/python:3.11-slim", ["sleep", "1"])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        status, _ = call_api(api, "POST", "/api/v1/namespaces/ring-prod/pods", body=tagged)
        if status == 422:
            return
        time.sleep(0.5)
    raise AssertionError("the admission policies let an image by tag through after 60 s")


def narrow_policies(manifests: str, *, registry: str) -> str:
    """Return the policies under other names, bound to the tests' teams and their registry."""
    found = list(yaml.safe_load_all(manifests))
    for one in found:
        if one["kind"] == "ValidatingAdmissionPolicyBinding":
            one["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"] = [
                TEST_TEAMS_ONLY
            ]
            one["spec"]["policyName"] += "-test"
        elif one["metadata"]["name"] == "titlebout-images":
            one["spec"]["variables"][0]["expression"] = f"['docker.io/library/', '{registry}']"
        one["metadata"]["name"] += "-test"
    return yaml.safe_dump_all(found)


@pytest.fixture(scope="session")
def teams(platform_base, images, tmp_path_factory):
    """Install teams `ring` and `bell`, as `titlebout team apply` does, but without MLflow.

    Each has its three namespaces.
    """
    made = Teams(tmp_path_factory.mktemp("teams"), image=images["platform"])
    try:
        made.install_all()
        yield made
    finally:
        made.delete_namespaces()


@pytest.fixture(scope="session")
def installed_fork(platform_base, fork):
    """Install the fork's team with all that `titlebout team apply` installs."""
    namespaces = [fork.namespace(name) for name in ENVIRONMENTS]
    with provided_volumes(*namespaces) as storage_class:
        classes = {"storageClass": storage_class}
        fork.write_values("mlflow", {"database": classes, "storage": classes})
        try:
            fork.run("team", "apply", fork.team)
            yield fork
        finally:
            kubectl("delete", "namespace", "--ignore-not-found", *namespaces)


@pytest.fixture(scope="session")
def released_twice(installed_fork):
    """Release two models to prod as CI does; the second is live.

    The fork has the releaser's rights, which end at its namespace.
    """
    releaser = installed_fork.as_account("releaser", "prod")
    releaser.run("train", MODEL, "--env", "prod")
    releaser.run("release", MODEL, "--env", "prod")
    releaser.retune()
    releaser.run("train", MODEL, "--env", "prod")
    releaser.run("release", MODEL, "--env", "prod", "--override", "the second must only differ")
    return releaser


@pytest.fixture
def embedded_fork(tmp_path):
    """Make the same fork on this machine, and start its MLflow server of prod."""
    fork = Fork(tmp_path, team=TEAM).make().embed()
    fork.run("up", "prod")
    yield fork
    fork.run("down")


@pytest.fixture(scope="session")
def api() -> Api:
    """Return a client of the cluster's API server."""
    return Api(None)
