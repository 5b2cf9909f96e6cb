"""A team's namespaces over time: nothing changes without cause, and what is given up keeps its data until its name is said twice."""

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
    return int(fork.result("train", MODEL, "--env", "dev")["version"])


def claims(fork: Fork) -> set[str]:
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
    """The same Job, out of time before it could do anything, as after an address or a password that was wrong; its uid."""
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
    """By SIGKILL, as the first namespace has this part."""
    command = [str(Path(sys.executable).with_name("titlebout")), "team", "apply", fork.team]
    with subprocess.Popen(
        command, cwd=fork.project, env=fork.variables, stderr=subprocess.PIPE, text=True
    ) as process:
        assert any(line.rstrip().endswith(f": {part}") for line in process.stderr)
        process.kill()


class RemovedTeam(NamedTuple):
    """What there was before `remove`, what it left, and the fork, taken back since."""

    fork: Fork
    version: int
    volumes: set[str]
    volumes_left: set[str]
    running: str
    status: str


@pytest.fixture(scope="module")
def removed_team(released_twice, installed_fork) -> RemovedTeam:
    """A team that serves, given up and applied again."""
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
    """As the fork is now: other tests have built another platform image since."""
    installed_fork.run("team", "apply", installed_fork.team)


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
        assert {line.strip() for line in shown.splitlines() if line.startswith("+ ")} == {
            "+    requests.cpu: '5'"
        }
    finally:
        path.write_text(before)


def test_setup_that_failed_is_tried_again(installed_fork):
    """Its Job has the name of the same values, and Kubernetes keeps it as failed as it is; `apply` makes it anew, and it succeeds."""
    failed = fail_setup(installed_fork)
    installed_fork.run("team", "apply", installed_fork.team)
    job = setup_job(installed_fork)
    assert (job["metadata"]["uid"] != failed, job["status"].get("succeeded")) == (True, 1)


def test_a_second_apply_is_told_who_is_at_it(installed_fork):
    """And changes nothing."""
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
    """Whatever it had begun: its Leases pass on, and the next one ends with everything in place."""
    kill_apply_after(installed_fork, part)
    installed_fork.run("team", "apply", installed_fork.team)
    assert "nothing would change" in installed_fork.run("team", "plan", installed_fork.team).stdout


def test_given_up_and_taken_back_with_its_models(removed_team):
    """The servers end and the volumes stay; applied again, the registry goes on counting where it stood."""
    assert not removed_team.running
    assert removed_team.volumes_left == removed_team.volumes
    assert "removed" in removed_team.status
    assert trained_version(removed_team.fork) == removed_team.version + 1


def test_the_champion_serves_again_as_the_page_says(removed_team):
    """Nothing serves by itself, and there is nothing to release, until docs/teams.md's lines gave the Champion its alias back."""
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
    assert not [
        fault for fault in faults if f" {MODEL}: " in fault
    ]  # what else other tests had served was not released again


def test_data_goes_only_with_the_team_s_own_name(installed_fork):
    """Another name is refused before anything is touched."""
    message = installed_fork.run(
        "team", "remove", installed_fork.team, "--delete-data", "other", fails=True
    ).stderr
    assert "nothing" in message or "same name once more" in message
    for environment in ENVIRONMENTS:
        kubectl("get", "namespace", installed_fork.namespace(environment))


def test_data_goes_when_the_name_is_said_twice(tmp_path, api):
    """Said once, routes go and claims stay; said twice, the namespaces go with all that is in them; a third time there is nothing."""
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
