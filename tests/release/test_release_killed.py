"""End in the same state after a release was killed at any step and run again."""

import threading

from support.killed_process import release_in_killed_process
from support.release_project import ENVIRONMENT, MODEL

from titlebout.release.verify import verify

# A release reports about fifteen. A count without end would hide a release that never ends.
MOST_STEPS = 40


def state(release_project, version, before):
    """Return all that a release leaves behind."""
    live = release_project.slots.live()
    new = [kind for kind, release in release_project.kinds() if release == live.release]
    return {
        "live": release_project.registry.find(MODEL, alias="champion").tags["release"]
        == live.release
        == release_project.answers_with()
        != before,
        "champion": release_project.champion() == version.version,
        "challenger": release_project.registry.find(MODEL, alias="challenger"),
        "new entries": new,
        "slot to roll back to": release_project.slots.deployed(
            release_project.slots.other()
        ).release
        == before,
        "both may be switched to": release_project.slots.switchable() == {"blue", "green"},
        "faults": verify(release_project.project, ENVIRONMENT),
    }


def test_killed_at_every_step_and_run_again_it_ends_the_same(release_project):
    """Find one switch, one settlement, the moved alias and the old release after every kill."""
    _, base = release_project.released("base")
    version, uninterrupted = release_project.released("uninterrupted")
    reference = state(release_project, version, base.release)
    assert reference["new entries"] == ["switched", "settled"]
    assert reference["faults"] == []
    before, killed = uninterrupted.release, 0
    for step in range(1, MOST_STEPS):
        version = release_project.challenger(name=f"killed at {step}")
        if not release_in_killed_process(release_project, step):
            break
        killed += 1
        outcome = release_project.release()
        assert state(release_project, version, before) == reference, f"killed at step {step}"
        before = outcome.release
    assert killed >= 12


def test_two_releases_at_once_make_one_switch(release_project):
    """Let the second wait for the first, find its work done and add nothing."""
    release_project.challenger(name="a")
    outcomes = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(release_project.release(wait_seconds=60)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome.state for outcome in outcomes) == ["already live", "released"]
    assert [kind for kind, _ in release_project.kinds()] == ["switched", "settled"]
