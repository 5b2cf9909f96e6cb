"""Prove to a slot that the platform asks it, by a secret of its own deployment."""

import pytest

from titlebout.release.bake import Bake
from titlebout.release.bake import counted as counted_at
from titlebout.release.baseline import Baseline
from titlebout.release.predeployment import Subject
from titlebout.release.prediction_shift import Shift
from titlebout.release.probe_secrets import variable_of
from titlebout.release.task_job import release_job
from titlebout.release.task_pod import SlotTask, bake_task, slot_task
from titlebout.spec import PROBE_VARIABLE, ServiceObjective, SlotAddress


def test_each_deployment_has_a_secret_of_its_own_and_all_that_the_platform_asks_is_proved(
    release_project,
):
    """Count no request of two releases' tests and bakes as a client's."""
    secrets = set()
    for name in ("a", "b"):
        release_project.challenger(name=name)
        release_project.release()
        slot = release_project.slots.live().slot
        secrets.add(release_project.slots.deployed(slot).environment[PROBE_VARIABLE])
        counted = counted_at(release_project.slots.slot_url(slot), p99_ms=50)
        assert counted.requests > 0
        assert counted.asked == 0
    assert len(secrets) == 2
    assert all(len(secret) > 20 for secret in secrets)


BLUE = SlotAddress(url="http://m-blue", secret=variable_of("blue"))
GREEN = SlotAddress(url="http://m-green", secret=variable_of("green"))
SECRETS = {"BLUE_TITLEBOUT_PROBE_SECRET": "of blue", "GREEN_TITLEBOUT_PROBE_SECRET": "of green"}


def a_bake() -> Bake:
    shift = Shift(model="m", before="1", storage="s", old=GREEN, new=BLUE, allowed=0.3)
    return Bake(
        url="http://m",
        release="2",
        row={"x": 1},
        seconds=1,
        p99_ms=1,
        servers={},
        before=Baseline(new={}),
        new=BLUE,
        old=GREEN,
        shift=shift,
    )


@pytest.mark.parametrize("variables", [SECRETS, {}], ids=["there", "absent"])
def test_a_job_has_the_secrets_from_its_variables(variables):
    """Name variables in the task that everybody can read; without them a Job is a client."""
    blue, green = (variables.get(address.secret, "") for address in (BLUE, GREEN))
    task = bake_task(a_bake().canonical_json(), variables)
    assert [one.secret for one in (task.new, task.old, task.shift.new, task.shift.old)] == [
        blue,
        green,
        blue,
        green,
    ]
    subject = Subject(slot=BLUE, release="2", row={"x": 1}, live=None, may_refuse=False)
    slot = slot_task(
        SlotTask(subject=subject, objective=ServiceObjective(), seconds=1).canonical_json(),
        variables,
    )
    assert slot.subject.slot.secret == blue


def test_a_first_bake_has_one_slot():
    """Reveal nothing of a slot that does not exist."""
    task = bake_task(
        a_bake().model_copy(update={"old": None, "shift": None}).canonical_json(), SECRETS
    )
    assert (task.new.secret, task.old, task.shift) == ("of blue", None, None)


def test_a_job_is_given_both_slots_secrets_if_they_are_there():
    """Pass them as variables from the chart's Secrets, not in the readable command."""
    job = release_job("bake", a_bake(), model="m", image="i", seconds=1, reads_storage=False)
    container = job.manifest()["spec"]["template"]["spec"]["containers"][0]
    optional = {one["prefix"]: one["secretRef"] for one in container["envFrom"]}
    assert optional == {
        f"{slot.upper()}_": {"name": f"m-{slot}", "optional": True} for slot in ("blue", "green")
    }
    assert "of blue" not in str(container)
