"""`titlebout doctor` names what is missing, and what to do about it."""

import json

from cluster.teams_house import kubectl


def findings(fork, environment: str, *, complete: bool) -> dict[str, dict]:
    said = fork.run("doctor", fork.team, "--env", environment, "--json", fails=not complete).stdout
    return {found["part"]: found for found in json.loads(said)}


def test_a_team_s_namespace_lacks_nothing_but_what_is_taken_from_it(installed_fork):
    """One ConfigMap less is one finding more, with the command that brings it back; and that command does."""
    before = findings(installed_fork, "prod", complete=False)  # the cluster may be without the admission policies
    kubectl("delete", "configmap", "kfp-launcher", "--namespace", installed_fork.namespace("prod"))
    after = findings(installed_fork, "prod", complete=False)
    assert {part for part in after if after[part]["state"] != before[part]["state"]} == {"ConfigMap kfp-launcher"}
    assert after["ConfigMap kfp-launcher"]["next_step"] == f"titlebout team apply {installed_fork.team}"
    installed_fork.run("team", "apply", installed_fork.team)
    assert findings(installed_fork, "prod", complete=False) == before
    assert {found["state"] for part, found in before.items() if not part.startswith("policy")} == {"ok", "optional"}


def test_a_team_that_the_fork_does_not_know(installed_fork):
    """The error names the teams that there are."""
    assert f"teams here: {installed_fork.team}" in installed_fork.run("doctor", "nobody", "--env", "dev", fails=True).stderr
