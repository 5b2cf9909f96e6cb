"""A team's namespaces over time: nothing changes without cause, and what is given up keeps its data until its name is said twice."""

from cluster.fork import MODEL, Fork
from cluster.teams_house import kubectl

from titlebout.spec import ENVIRONMENTS


def trained_version(fork: Fork) -> int:
    return int(fork.result("train", MODEL, "--env", "dev")["version"])


def claims(fork: Fork) -> set[str]:
    found = kubectl("get", "pvc", "--namespace", fork.namespace("dev"), "-o", "jsonpath={.items[*].spec.volumeName}")
    return set(found.split())


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
