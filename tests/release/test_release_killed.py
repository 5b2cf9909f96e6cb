"""A release that is killed with -9 at any step, and run again, ends in the same state as one that was not."""

import threading

from support.killed_process import in_a_process_that_dies
from support.release_project import ENVIRONMENT, MODEL

from titlebout.release.verify import verify

MOST_STEPS = (
    40  # a release reports about fifteen; a count without end would hide a release that never ends
)


def state(house, version, before):
    """All that a release leaves behind."""
    live = house.slots.live()
    new = [kind for kind, release in house.kinds() if release == live.release]
    return {
        "live": house.registry.find(MODEL, alias="champion").tags["release"]
        == live.release
        == house.answers_with()
        != before,
        "champion": house.champion() == version.version,
        "challenger": house.registry.find(MODEL, alias="challenger"),
        "new entries": new,
        "slot to roll back to": house.slots.deployed(house.slots.other()).release == before,
        "both may be switched to": house.slots.switchable() == {"blue", "green"},
        "faults": verify(house.project, ENVIRONMENT),
    }


def test_killed_at_every_step_and_run_again_it_ends_the_same(house):
    """One switch, one `switched`, one `settled`, the alias moved, the old release ready to roll back to: after every kill."""
    _, base = house.released("base")
    version, uninterrupted = house.released("uninterrupted")
    reference = state(house, version, base.release)
    assert reference["new entries"] == ["switched", "settled"]
    assert reference["faults"] == []
    before, killed = uninterrupted.release, 0
    for step in range(1, MOST_STEPS):
        version = house.challenger(name=f"killed at {step}")
        if not in_a_process_that_dies(house, step):
            break
        killed += 1
        outcome = house.release()
        assert state(house, version, before) == reference, f"killed at step {step}"
        before = outcome.release
    assert killed >= 12


def test_two_releases_at_once_make_one_switch(house):
    """The second waits for the first, finds its work done, and adds nothing."""
    house.challenger(name="a")
    outcomes = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(house.release(wait_seconds=60)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome.state for outcome in outcomes) == ["already live", "released"]
    assert [kind for kind, _ in house.kinds()] == ["switched", "settled"]
