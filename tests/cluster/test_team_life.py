"""A team's namespaces over time: nothing changes without cause, and what is given up keeps its data until its name is said twice."""

import json

from cluster.fork import MODEL, Fork
from cluster.teams_house import kubectl

from titlebout.spec import ENVIRONMENTS


def trained_version(fork: Fork) -> int:
    return int(fork.result("train", MODEL, "--env", "dev")["version"])


def claims(fork: Fork) -> set[str]:
    found = kubectl("get", "pvc", "--namespace", fork.namespace("dev"), "-o", "jsonpath={.items[*].spec.volumeName}")
    return set(found.split())


def setup_job(fork: Fork) -> dict:
    found = json.loads(
        kubectl("get", "jobs", "--namespace", fork.namespace("dev"), "--selector", "app.kubernetes.io/name=mlflow", "-o", "json")
    )
    (job,) = found["items"]
    return job


def fail_setup(fork: Fork) -> str:
    """The same Job, out of time before it could do anything, as after an address or a password that was wrong; its uid."""
    job, dev = setup_job(fork), fork.namespace("dev")
    name = job["metadata"]["name"]
    labels = {
        key: value for key, value in job["spec"]["template"]["metadata"]["labels"].items() if "job-name" not in key and "uid" not in key
    }
    kubectl("delete", "job", name, "--namespace", dev)
    again = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {key: job["metadata"][key] for key in ("name", "labels", "annotations")},
        "spec": {
            "backoffLimit": job["spec"]["backoffLimit"],
            "activeDeadlineSeconds": 1,
            "template": {"metadata": {"labels": labels}, "spec": job["spec"]["template"]["spec"]},
        },
    }
    kubectl("create", "--namespace", dev, "--filename", "-", given=json.dumps(again))
    kubectl("wait", "--for=condition=Failed", "--timeout=60s", "--namespace", dev, f"job/{name}")
    return setup_job(fork)["metadata"]["uid"]


def test_nothing_would_change(installed_fork):
    """What is installed is what the team's file says: `plan` finds no difference, `status` finds all ready."""
    assert "nothing would change" in installed_fork.run("team", "plan", installed_fork.team).stdout
    found = installed_fork.run("team", "status", installed_fork.team).stdout
    assert "registrar 1/1" in found
    assert "mlflow 0/" not in found


def test_a_larger_quota_is_shown_then_brought(installed_fork):
    """`plan` shows the one line that differs and says so by its exit code."""
    path = installed_fork.project / "environments" / "teams" / f"{installed_fork.team}.yaml"
    before = path.read_text()
    path.write_text(before.replace("cpu: 4", "cpu: 5"))
    try:
        shown = installed_fork.run("team", "plan", installed_fork.team, fails=True).stdout
        assert {line.strip() for line in shown.splitlines() if line.startswith("+ ")} == {"+    requests.cpu: '5'"}
    finally:
        path.write_text(before)


def test_setup_that_failed_is_tried_again(installed_fork):
    """Its Job has the name of the same values, and Kubernetes keeps it as failed as it is; `apply` makes it anew, and it succeeds."""
    failed = fail_setup(installed_fork)
    installed_fork.run("team", "apply", installed_fork.team)
    job = setup_job(installed_fork)
    assert (job["metadata"]["uid"] != failed, job["status"].get("succeeded")) == (True, 1)


def test_given_up_and_taken_back_with_its_models(installed_fork):
    """The servers end and the volumes stay; applied again, the registry goes on counting where it stood."""
    fork, dev = installed_fork, installed_fork.namespace("dev")
    before, volumes = trained_version(fork), claims(fork)
    fork.run("team", "remove", fork.team)
    assert not kubectl("get", "deployments,statefulsets", "--namespace", dev, "--output", "name")
    assert claims(fork) == volumes
    assert "removed" in fork.run("team", "status", fork.team).stdout
    fork.run("team", "apply", fork.team)
    assert trained_version(fork) == before + 1


def test_data_goes_only_with_the_team_s_own_name(installed_fork):
    """Another name is refused before anything is touched."""
    said = installed_fork.run("team", "remove", installed_fork.team, "--delete-data", "other", fails=True).stderr
    assert "nothing" in said or "same name once more" in said
    for environment in ENVIRONMENTS:
        kubectl("get", "namespace", installed_fork.namespace(environment))
