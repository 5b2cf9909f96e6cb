"""Check that `titlebout doctor` names what is missing, and what to do about it."""

import json

import pytest
import yaml
from cluster.conftest import REPOSITORY
from support.two_teams import kubectl

from titlebout.cli.teams import EXIT_DIFFERS

POLICY = "titlebout-images"


def findings(fork, environment: str) -> dict[str, dict]:
    """Run doctor, check its exit code, and return its findings by part."""
    done = fork.attempt("doctor", fork.team, "--env", environment, "--json")
    found = {found["part"]: found for found in json.loads(done.stdout)}
    assert done.returncode == (
        EXIT_DIFFERS if any(one["state"] == "missing" for one in found.values()) else 0
    )
    return found


@pytest.fixture(scope="module")
def first_findings(installed_fork) -> dict[str, dict]:
    """Return what doctor finds before the tests change anything."""
    return findings(installed_fork, "prod")


def test_nothing_is_missing_but_what_the_cluster_lacks(first_findings):
    """Only optional parts and the cluster's own policies are missing."""
    assert {
        found["state"] for part, found in first_findings.items() if not part.startswith("policy")
    } == {
        "ok",
        "optional",
    }
    assert {part for part, found in first_findings.items() if found["state"] == "optional"} == {
        "Kubeflow Pipelines",
        "image serving-sklearn",
    }


@pytest.mark.parametrize(
    ("kind", "name", "part"),
    [
        ("configmap", "kfp-launcher", "ConfigMap kfp-launcher"),
        ("secret", "mlflow-server", "Secret mlflow-server"),
        ("limitrange", "team", "LimitRange"),
        ("networkpolicy", "storage", "NetworkPolicy"),
        ("rolebinding", "account-training", "RoleBinding"),
    ],
)
def test_what_is_taken_away_is_found_and_comes_back(
    installed_fork, first_findings, kind, name, part
):
    """A deleted object is one more finding, and the command that it names brings it back."""
    kubectl("delete", kind, name, "--namespace", installed_fork.namespace("prod"))
    after = findings(installed_fork, "prod")
    assert {part for part in after if after[part] != first_findings[part]} == {part}
    assert (after[part]["state"], after[part]["next_step"]) == (
        "missing",
        f"titlebout team apply {installed_fork.team}",
    )
    assert name in part + after[part]["found"]
    installed_fork.run("team", "apply", installed_fork.team)
    assert findings(installed_fork, "prod") == first_findings


def test_apply_says_what_does_not_hold_and_refuses_nothing(installed_fork, first_findings):
    """`team apply` warns of every admission policy that the cluster lacks."""
    message = installed_fork.run("team", "apply", installed_fork.team).stderr
    lacks = [
        part.removeprefix("policy ")
        for part, found in first_findings.items()
        if part.startswith("policy ") and found["state"] == "missing"
    ]
    assert ("WARNING: nothing in the cluster" in message) == bool(lacks)
    assert all(f"({policy})" in message for policy in lacks)


@pytest.fixture
def no_metrics():
    """Stop metrics-server's pods while its API stays registered, and start them afterwards."""
    server = ("deployment/metrics-server", "--namespace", "kube-system")
    if not kubectl("get", *server, "--ignore-not-found"):
        pytest.skip("metrics-server is not a Deployment of kube-system here")
    kubectl("scale", *server, "--replicas=0")
    kubectl(
        "wait",
        "--for=delete",
        "pod",
        "--selector=k8s-app=metrics-server",
        "--namespace=kube-system",
        "--timeout=60s",
    )
    yield
    kubectl("scale", *server, "--replicas=1")
    kubectl("rollout", "status", *server, "--timeout=120s")


def test_metrics_without_endpoints(installed_fork, no_metrics):
    """Report metrics as missing where the API server lists the group and answers 503."""
    found = findings(installed_fork, "prod")["metrics for autoscaling"]
    assert (found["state"], found["found"]) == (
        "missing",
        "no answer from /apis/metrics.k8s.io/v1beta1",
    )


def test_a_team_that_the_fork_does_not_know(installed_fork):
    """Refuse an unknown team, and name the teams that exist."""
    assert (
        f"teams here: {installed_fork.team}"
        in installed_fork.run("doctor", "nobody", "--env", "dev", fails=True).stderr
    )


def test_a_registry_that_the_policy_does_not_allow(installed_fork, images_policy):
    """Report a registry that the policy will refuse, and the list that must name it."""
    found = next(
        found
        for part, found in findings(installed_fork, "prod").items()
        if part.startswith("registry ")
    )
    assert (found["state"], found["found"]) == (
        "missing",
        "allowed are docker.io/library/, nowhere.example.com/",
    )
    assert "environments/k8s" in found["next_step"]


@pytest.fixture
def images_policy():
    """Apply the policy under its own name but without a binding, so that it refuses nothing."""
    if kubectl("get", "validatingadmissionpolicy", POLICY, "--ignore-not-found"):
        pytest.skip("the cluster has the policy, which is its own")
    shipped = kubectl("kustomize", str(REPOSITORY / "k8s" / "admission"))
    found = [
        one
        for one in yaml.safe_load_all(shipped)
        if (one["kind"], one["metadata"]["name"]) == ("ValidatingAdmissionPolicy", POLICY)
    ]
    found[0]["spec"]["variables"][0]["expression"] = (
        "['docker.io/library/', 'nowhere.example.com/']"
    )
    kubectl("apply", "--filename", "-", stdin=yaml.safe_dump_all(found))
    yield
    kubectl("delete", "validatingadmissionpolicy", POLICY)
