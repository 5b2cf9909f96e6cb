"""Check a team's namespaces over time: nothing changes without cause, and data is kept.

What is removed keeps its data until the team's name is given twice.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from cluster.conftest import REPOSITORY, TEAM
from support.company_fork import MODEL, Fork
from support.two_teams import Teams, apply, kubectl

from titlebout.spec import ENVIRONMENTS
from titlebout.team import remove_team
from titlebout.team.team_lock import team_lock
from titlebout.team.team_namespace import open_team_namespace

CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "kept"},
    "spec": {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "titlebout-test-none",
        "resources": {"requests": {"storage": "1Gi"}},
    },
}
ROUTE = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "HTTPRoute",
    "metadata": {"name": MODEL, "labels": {"titlebout.io/model": MODEL}},
    "spec": {
        "parentRefs": [{"name": "none"}],
        "rules": [{"backendRefs": [{"name": MODEL, "port": 80}]}],
    },
}


def trained_version(fork: Fork) -> int:
    """Train in dev and return the version."""
    return int(fork.result("train", MODEL, "--env", "dev")["version"])


def claims(fork: Fork) -> set[str]:
    """Return the names of the volumes that dev's claims are bound to."""
    found = kubectl(
        "get",
        "pvc",
        "--namespace",
        fork.namespace("dev"),
        "-o",
        "jsonpath={.items[*].spec.volumeName}",
    )
    return set(found.split())


def setup_job(fork: Fork) -> dict:
    """Return MLflow's setup Job of dev."""
    found = json.loads(
        kubectl(
            "get",
            "jobs",
            "--namespace",
            fork.namespace("dev"),
            "--selector",
            "app.kubernetes.io/name=mlflow",
            "-o",
            "json",
        )
    )
    (job,) = found["items"]
    return job


def fail_setup(fork: Fork) -> str:
    """Replace the setup Job by one that fails for lack of time, and return its uid.

    It fails as after a wrong address or password.
    """
    job, dev = setup_job(fork), fork.namespace("dev")
    name = job["metadata"]["name"]
    labels = {
        key: value
        for key, value in job["spec"]["template"]["metadata"]["labels"].items()
        if "job-name" not in key and "uid" not in key
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
    kubectl("create", "--namespace", dev, "--filename", "-", stdin=json.dumps(again))
    kubectl("wait", "--for=condition=Failed", "--timeout=60s", "--namespace", dev, f"job/{name}")
    return setup_job(fork)["metadata"]["uid"]


def kill_apply_after(fork: Fork, part: str) -> None:
    """Run `team apply`, and kill it when the first namespace has this part."""
    command = [str(Path(sys.executable).with_name("titlebout")), "team", "apply", fork.team]
    with subprocess.Popen(
        command, cwd=fork.project, env=fork.variables, stderr=subprocess.PIPE, text=True
    ) as process:
        assert any(line.rstrip().endswith(f": {part}") for line in process.stderr)
        process.kill()


class RemovedTeam(NamedTuple):
    """Hold what there was before `remove`, what it left, and the fork, applied again since."""

    fork: Fork
    version: int
    volumes: set[str]
    volumes_left: set[str]
    running: str
    status: str


@pytest.fixture(scope="module")
def removed_team(released_twice, installed_fork) -> RemovedTeam:
    """Remove a team that serves, and apply it again."""
    fork = installed_fork
    version, volumes = trained_version(fork), claims(fork)
    fork.run("team", "remove", fork.team)
    running = kubectl(
        "get", "deployments,statefulsets", "--namespace", fork.namespace("dev"), "--output", "name"
    )
    left, status = claims(fork), fork.run("team", "status", fork.team).stdout
    fork.run("team", "apply", fork.team)
    return RemovedTeam(fork, version, volumes, left, running, status)


@pytest.fixture(scope="module", autouse=True)
def up_to_date_team(installed_fork):
    """Apply the team as the fork is now: other tests have built another platform image since."""
    installed_fork.run("team", "apply", installed_fork.team)


def test_nothing_would_change(installed_fork):
    """`plan` finds no difference, and `status` finds all parts ready."""
    assert "nothing would change" in installed_fork.run("team", "plan", installed_fork.team).stdout
    found = installed_fork.run("team", "status", installed_fork.team).stdout
    assert "registrar 1/1" in found
    assert "mlflow 0/" not in found


def test_a_larger_quota_is_shown_then_brought(installed_fork):
    """`plan` shows the one line that differs, and has another exit code."""
    path = installed_fork.project / "environments" / "teams" / f"{installed_fork.team}.yaml"
    before = path.read_text()
    path.write_text(before.replace("cpu: 4", "cpu: 5"))
    try:
        shown = installed_fork.run("team", "plan", installed_fork.team, fails=True).stdout
        assert {line.strip() for line in shown.splitlines() if line.startswith("+ ")} == {
            "+    requests.cpu: '5'"
        }
    finally:
        path.write_text(before)


def test_setup_that_failed_is_tried_again(installed_fork):
    """`apply` replaces a failed setup Job of the same name, and the new one succeeds."""
    failed = fail_setup(installed_fork)
    installed_fork.run("team", "apply", installed_fork.team)
    job = setup_job(installed_fork)
    assert (job["metadata"]["uid"] != failed, job["status"].get("succeeded")) == (True, 1)


def test_a_second_apply_names_the_first_one(installed_fork):
    """Refuse a second apply by name of the first one's user, and change nothing."""
    with team_lock(
        [open_team_namespace(installed_fork.project, installed_fork.team, "prod")], by="ann"
    ):
        assert (
            "one by ann@"
            in installed_fork.run("team", "apply", installed_fork.team, fails=True).stderr
        )
    assert "nothing would change" in installed_fork.run("team", "plan", installed_fork.team).stdout


@pytest.mark.parametrize("part", ["namespace", "team"])
def test_a_killed_apply_is_run_again(installed_fork, part):
    """An apply after a killed one takes over its Leases, and ends with everything installed."""
    kill_apply_after(installed_fork, part)
    installed_fork.run("team", "apply", installed_fork.team)
    assert "nothing would change" in installed_fork.run("team", "plan", installed_fork.team).stdout


def test_a_removed_team_is_applied_again_with_its_models(removed_team):
    """`remove` ends the servers and keeps the volumes; applied again, versions count on."""
    assert not removed_team.running
    assert removed_team.volumes_left == removed_team.volumes
    assert "removed" in removed_team.status
    assert trained_version(removed_team.fork) == removed_team.version + 1


def test_the_champion_serves_again_as_the_page_says(removed_team):
    """The lines of docs/teams.md give the Champion its alias back, and it can be released.

    Before them, nothing serves and there is nothing to release.
    """
    fork = removed_team.fork.as_account("releaser", "prod")
    assert not kubectl(
        "get",
        "services",
        "--namespace",
        fork.namespace("prod"),
        "--selector",
        "titlebout.io/live=true",
        "--output",
        "name",
    )
    assert (
        "expected: a Challenger" in fork.run("release", MODEL, "--env", "prod", fails=True).stderr
    )
    page = (REPOSITORY / "docs" / "teams.md").read_text().partition("## Remove")[2]
    lines = (
        re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
        .replace('"ring"', f'"{fork.team}"')
        .replace('"wages"', f'"{MODEL}"')
    )
    subprocess.run([sys.executable, "-c", lines], check=True, cwd=fork.project, env=fork.variables)
    released = fork.result(
        "release", MODEL, "--env", "prod", "--override", "it was live when the team was given up"
    )
    assert released["state"] == "released"
    faults = json.loads(fork.attempt("verify", "--env", "prod", "--json").stdout)["faults"]
    # Other models of other tests were not released again, so their faults do not count.
    assert not [fault for fault in faults if f" {MODEL}: " in fault]


def test_data_is_deleted_only_by_the_team_s_own_name(installed_fork):
    """Refuse to delete data by another name, before anything is touched."""
    message = installed_fork.run(
        "team", "remove", installed_fork.team, "--delete-data", "other", fails=True
    ).stderr
    assert f"expected: --delete-data {installed_fork.team}" in message
    for environment in ENVIRONMENTS:
        kubectl("get", "namespace", installed_fork.namespace(environment))


def test_data_is_deleted_when_the_name_is_given_twice(tmp_path, api):
    """Given once, the name removes routes and keeps claims; given twice, it deletes all namespaces.

    A third time there is nothing to delete.
    """
    teams, name = Teams(tmp_path, image=""), f"{TEAM}-gone"
    prod, all_namespaces = f"{name}-prod", [f"{name}-{environment}" for environment in ENVIRONMENTS]
    teams.write_project()
    try:
        teams.install_team(name)
        apply(prod, CLAIM, *([ROUTE] if api.serves("gateway.networking.k8s.io") else []))
        assert (
            remove_team(teams.project, name, delete_data=None, by="tests", progress=print)
            == all_namespaces
        )
        assert not api.serves("gateway.networking.k8s.io") or not kubectl(
            "get", "httproutes", "--namespace", prod, "--output", "name"
        )
        assert kubectl("get", "pvc", "kept", "--namespace", prod, "--output", "name")
        assert (
            remove_team(teams.project, name, delete_data=name, by="tests", progress=print)
            == all_namespaces
        )
        kubectl(
            "wait",
            "--for=delete",
            "--timeout=120s",
            *(f"namespace/{one}" for one in all_namespaces),
        )
        assert remove_team(teams.project, name, delete_data=name, by="tests", progress=print) == []
    finally:
        kubectl("delete", "namespace", "--ignore-not-found", *all_namespaces)
