"""Release: who may be released, what it leaves behind, and what a failure does."""

import pytest
from support.release_project import ENVIRONMENT, MODEL, ask_as_client, make_verdict

from titlebout.ledger.history import entry_in_words, history
from titlebout.release import transaction
from titlebout.release.local_target import LocalTarget
from titlebout.release.rollback import switch_back
from titlebout.release.verify import verify
from titlebout.spec import (
    Busy,
    ClusterAway,
    IntegrityError,
    NotAllowed,
    Override,
    ProcessFailed,
    Release,
    RolloutError,
    StorageError,
)

OVERRIDE = Override(by="ann", reason="the fair is tomorrow")


def test_the_challenger_takes_the_traffic_the_alias_and_one_line_each_in_the_ledger(
    release_project,
):
    """Make it live, Champion, no Challenger any more, switched and settled."""
    version, outcome = release_project.released("a")
    assert outcome.state == "released"
    assert release_project.answers_with() == outcome.release
    assert release_project.champion() == version.version
    assert release_project.registry.find(MODEL, alias="challenger") is None
    assert release_project.registry.find(MODEL, alias="champion").tags["release"] == outcome.release
    assert release_project.kinds() == [("switched", outcome.release), ("settled", outcome.release)]
    assert verify(release_project.project, ENVIRONMENT) == []


def test_the_record_of_what_is_served_names_everything_by_digest(release_project):
    """Name the release's file by its digest, and model, package and verdict in it."""
    version, outcome = release_project.released("a")
    record = release_project.storage.read_record(
        Release, "releases", f"{outcome.release}.json", digest=outcome.release
    )
    assert (record.model_digest, record.verdict, record.override) == (
        version.digest,
        version.tags["verdict"],
        None,
    )
    assert release_project.storage.exists("packages", record.package_digest, "contract.json")


def test_releasing_again_does_nothing(release_project):
    """Say so, and add nothing."""
    _, first = release_project.released("a")
    again = release_project.release()
    assert (again.state, again.release) == ("already live", first.release)
    assert len(release_project.kinds()) == 2


def test_the_second_release_takes_the_other_slot_and_leaves_the_first_running(release_project):
    """Keep the old slot running and switchable, to roll back to."""
    _, first = release_project.released("a")
    _, second = release_project.released("b")
    slots = release_project.slots
    assert (second.from_release, slots.live().slot) == (first.release, "green")
    assert slots.deployed("blue").release == first.release
    assert slots.pid("blue") is not None
    assert slots.switchable() == {"blue", "green"}


@pytest.mark.parametrize(
    ("trouble", "match"),
    [
        ({"verdict": "reject"}, "verdict reject: a test says so"),
        ({"verdict": "inconclusive"}, "verdict inconclusive"),
        ({"opponent": "f" * 64}, "former Champion"),
        ({"opponent": None}, "against the baseline"),
        ({"validation": "failed"}, "validation_status failed"),
    ],
)
def test_nothing_is_released_without_a_ground(release_project, trouble, match):
    """Refuse a verdict other than `accept` or against another Champion, or a failed validation."""
    _, first = release_project.released("a")
    release_project.challenger(name="b", **trouble)
    with pytest.raises(NotAllowed, match=match):
        release_project.release()
    assert release_project.answers_with() == first.release


@pytest.mark.parametrize(
    ("tag", "refusal"), [("f" * 64, "named but not stored"), (None, "verdict reject")]
)
def test_a_verdict_that_only_lies_in_the_store_releases_nothing(release_project, tag, refusal):
    """Read the verdict that the version's own tag names: only the releaser sets tags."""
    version = release_project.challenger(name="a", verdict="reject")
    forged = make_verdict("accept", version.digest, None)
    release_project.storage.write_record(forged, "verdicts", f"{forged.digest}.json")
    if tag is not None:
        release_project.registry.tag(version, verdict=tag)
    with pytest.raises(NotAllowed, match=refusal):
        release_project.release()
    assert release_project.slots.live() is None


def test_a_verdict_written_over_another_is_refused(release_project):
    """Refuse it under the digest of the signed one, with an override, too."""
    version = release_project.challenger(name="a", verdict="reject")
    forged = make_verdict("accept", version.digest, None)
    release_project.storage.write_record(forged, "verdicts", f"{version.tags['verdict']}.json")
    for override in (None, OVERRIDE):
        with pytest.raises(IntegrityError, match="digest"):
            release_project.release(override=override)
    assert release_project.slots.live() is None


def test_a_verdict_against_a_champion_means_nothing_where_none_is_live(release_project):
    """Refuse a verdict against a Champion that is gone."""
    release_project.challenger(name="a", opponent="f" * 64)
    with pytest.raises(NotAllowed, match="none is live"):
        release_project.release()


def test_a_strategy_is_refused_before_anything_is_deployed(release_project):
    """Refuse it where there is no Gateway, and keep the slot to roll back to."""
    _, first = release_project.released("a")
    release_project.released("b")
    release_project.challenger(name="c")
    release_project.declare(strategies={MODEL: {"kind": "canary"}})
    with pytest.raises(NotAllowed, match="strategy canary of tiny in prod: expected a Gateway"):
        release_project.release()
    assert release_project.slots.switchable() == {"blue", "green"}
    assert release_project.rollback().release == first.release


def test_a_person_may_override_a_verdict_and_the_ledger_says_who_and_why(release_project):
    """Write the override to the release's record and as an entry of its own."""
    release_project.challenger(name="a", verdict="reject")
    outcome = release_project.release(override=OVERRIDE)
    assert release_project.kinds() == [
        ("overridden", outcome.release),
        ("switched", outcome.release),
        ("settled", outcome.release),
    ]
    record = release_project.storage.read_record(Release, "releases", f"{outcome.release}.json")
    assert record.override == OVERRIDE.model_copy(
        update={"overrides": "verdict reject: a test says so"}
    )
    (entry, *_) = history(release_project.project, MODEL, ENVIRONMENT)
    assert entry.evidence == {"overrides": "verdict reject: a test says so"}
    assert entry_in_words(entry).endswith("(over: verdict reject: a test says so)")
    assert verify(release_project.project, ENVIRONMENT) == []


@pytest.mark.parametrize("override", [None, OVERRIDE])
def test_an_older_challenger_is_released_only_by_its_number(release_project, override):
    """Name both versions, and move nothing, if a newer version failed validation."""
    older = release_project.challenger(name="a", verdict="accept" if override is None else "reject")
    release_project.register_failed_version(name="b", reasons="latency: p99 of one row 80 ms")
    with pytest.raises(
        NotAllowed, match=r"version 2 failed validation: latency: p99 of one row 80 ms.*--version 1"
    ):
        release_project.release(override=override)
    assert release_project.kinds() == []
    assert release_project.release(override=override, version="1").state == "released"
    assert release_project.champion() == older.version
    again = release_project.release(override=override, version="1")
    assert (again.state, again.note) == (
        "already live",
        "version 2 failed validation: latency: p99 of one row 80 ms",
    )


@pytest.mark.parametrize("override", [None, OVERRIDE])
def test_an_older_challenger_does_not_stand_in_for_a_training_that_did_not_end(
    release_project, override
):
    """Refuse while the newest version is pending: its training was killed, or is under way."""
    release_project.challenger(name="a", verdict="accept" if override is None else "reject")
    release_project.register_failed_version(name="b")
    release_project.registry.tag(
        release_project.registry.newest(MODEL), validation_status="pending"
    )
    with pytest.raises(NotAllowed, match=r"version 2 was not validated.*--version 1"):
        release_project.release(override=override)
    assert release_project.release(override=override, version="1").state == "released"


@pytest.mark.parametrize(
    ("version", "found"),
    [("2", "validation_status failed"), ("7", "no such version"), ("one", "no such version")],
)
def test_a_named_version_must_be_there_and_have_passed(release_project, version, found):
    """Refuse a number that is unknown or has not passed validation."""
    release_project.challenger(name="a")
    release_project.register_failed_version(name="b")
    with pytest.raises(NotAllowed, match=found):
        release_project.release(override=OVERRIDE, version=version)


def test_without_a_challenger_the_version_that_failed_is_named(release_project):
    """Name why the first training failed."""
    release_project.register_failed_version(name="a", reasons="size: 600 MB")
    with pytest.raises(NotAllowed, match=r"none; version 1 failed validation: size: 600 MB"):
        release_project.release(override=OVERRIDE)


def test_no_override_stands_in_for_validation(release_project):
    """Refuse a version that failed validation, with an override, too."""
    release_project.challenger(name="a", validation="failed")
    with pytest.raises(NotAllowed, match="validation"):
        release_project.release(override=OVERRIDE)


def test_an_altered_verdict_is_no_ground(release_project):
    """Refuse a verdict whose content does not have its digest, with an override, too."""
    version = release_project.challenger(name="a", verdict="reject")
    address = ("verdicts", f"{version.tags['verdict']}.json")
    release_project.storage.write(
        release_project.storage.read(*address).replace(b'"reject"', b'"accept"'), *address
    )
    with pytest.raises(IntegrityError, match="altered"):
        release_project.release(override=OVERRIDE)


@pytest.mark.parametrize(
    ("behaviour", "test"),
    [
        ({"accepts_anything": True}, "smoke"),
        ({"slow_seconds": 1.5}, "latency"),
        ({"serves_one_at_a_time": True, "slow_seconds": 0.04}, "throughput"),
        ({"dies_under": 40}, "throughput|load|stress"),
    ],
)
def test_a_failing_test_in_the_slot_leaves_the_live_release_alone(release_project, behaviour, test):
    """End at the first test that fails: stop its slot, and keep the Challenger."""
    version, first = release_project.released("a")
    release_project.challenger(name="b", **behaviour)
    with pytest.raises(RolloutError, match=f"pre-deployment test ({test})"):
        release_project.release()
    assert release_project.answers_with() == first.release
    assert release_project.slots.pid("green") is None
    assert release_project.slots.deployed("green") is None
    assert release_project.champion() == version.version
    assert len(release_project.kinds()) == 2


def test_a_contract_that_refuses_today_s_clients_takes_no_traffic(release_project):
    """Send the live release's rows, and name what changed and both next steps."""
    _, first = release_project.released("a", columns=["x", "y"])
    release_project.challenger(name="b", columns=["x", "z"])
    with pytest.raises(
        RolloutError,
        match=r"smoke.*answered 400 \(new: z, gone: y\).*another model name.*--override REASON",
    ):
        release_project.release()
    assert release_project.answers_with() == release_project.slots.live().release == first.release


def test_a_person_may_let_a_changed_contract_pass(release_project):
    """Record the override, and blame no refused client on the release in the bake."""
    release_project.released("a", columns=["x", "y"])
    release_project.challenger(name="b", columns=["x", "z"])
    lines = []

    def on_progress(line):
        lines.append(line)
        if line.startswith("follow"):
            ask_as_client(release_project, {"x": 1.0, "y": 1.0}, times=20)

    outcome = release_project.release(override=OVERRIDE, progress=on_progress)
    assert outcome.state == "released"
    assert any("answered 400 (new: z, gone: y), which a person overrides" in line for line in lines)
    assert [kind for kind, release in release_project.kinds() if release == outcome.release] == [
        "overridden",
        "switched",
        "settled",
    ]


def test_an_override_for_another_reason_lets_no_clients_be_refused(release_project):
    """Count refusals in the bake if the tests found nothing to let pass."""
    _, first = release_project.released("a")
    release_project.challenger(name="b", verdict="reject", refuses_from=5)
    with pytest.raises(RolloutError, match="20 of 20 requests from clients were answered with 4xx"):
        release_project.release(
            override=OVERRIDE,
            progress=lambda line: (
                ask_as_client(release_project, {"x": 6.0}, times=20)
                if line.startswith("follow")
                else None
            ),
        )
    assert release_project.answers_with() == first.release


def test_a_server_that_does_not_start_leaves_the_live_release_alone(release_project):
    """Show the end of its log in the error."""
    _, first = release_project.released("a")
    release_project.challenger(name="b", does_not_start=True)
    with pytest.raises(ProcessFailed, match="told not to"):
        release_project.release()
    assert release_project.answers_with() == first.release


def test_a_failing_bake_gives_the_traffic_back(release_project):
    """Switch away from a release that breaks once it is live; alias and ledger follow."""
    version, first = release_project.released("a")
    release_project.challenger(
        name="b", breaks_when_live=str(release_project.slots.home / "current" / "dial")
    )
    with pytest.raises(RolloutError, match="bake"):
        release_project.release()
    assert release_project.answers_with() == first.release
    assert release_project.champion() == version.version
    kinds = [kind for kind, _ in release_project.kinds()]
    assert kinds == ["switched", "settled", "switched", "rolled_back"]
    assert verify(release_project.project, ENVIRONMENT) == []
    assert release_project.slots.switchable() == {release_project.slots.live().slot}, (
        "nobody may switch to it by hand"
    )


def test_a_failing_bake_whose_way_back_is_not_answered(release_project, monkeypatch):
    """Tell of the bake in the error, and let nobody switch there by hand."""
    _, first = release_project.released("a")
    release_project.challenger(
        name="b", breaks_when_live=str(release_project.slots.home / "current" / "dial")
    )
    tries = []

    def unanswered(*arguments, **options):
        tries.append(switch_back(*arguments, **options))
        raise ClusterAway("the cluster", expected="an answer", found="none", next_step="wait")

    monkeypatch.setattr(transaction, "switch_back", unanswered)
    with pytest.raises(RolloutError, match=r"bake of release .* has the traffic again"):
        release_project.release()
    assert release_project.answers_with() == first.release
    assert len(tries) == 1
    assert release_project.slots.switchable() == {release_project.slots.live().slot}


def away(*_, **__):
    raise StorageError(
        "the store", expected="an answer", found="none", next_step="see whether it runs"
    )


def test_a_bake_that_cannot_be_done_gives_the_traffic_back(release_project, monkeypatch):
    """Keep nothing live that nobody could watch."""
    _, first = release_project.released("a")
    release_project.challenger(name="b")
    monkeypatch.setattr(LocalTarget, "bake", away)
    with pytest.raises(RolloutError, match="it could not be done: the store"):
        release_project.release()
    assert release_project.answers_with() == first.release


def test_a_switch_that_cannot_be_written_down_gives_the_traffic_back(release_project, monkeypatch):
    """Name both in the error if the way back cannot be written either."""
    _, first = release_project.released("a")
    release_project.challenger(name="b")
    with pytest.raises(
        RolloutError,
        match=r"it could not be done: the store.*could not be done after that: the store",
    ):
        release_project.release(
            progress=lambda line: (
                monkeypatch.setattr(LocalTarget, "reconcile", away)
                if line.startswith("switch")
                else None
            )
        )
    assert release_project.answers_with() == first.release


def test_a_rollback_before_the_switch_ends_the_release(release_project):
    """Refuse the switch, by hand, too, once the Champion that it was compared with is gone."""
    _, first = release_project.released("a")
    release_project.released("b")
    release_project.challenger(name="c")
    with pytest.raises(NotAllowed, match=r"somebody else moved the traffic|the idle slot"):
        release_project.release(
            progress=lambda line: release_project.rollback() if line.startswith("package") else None
        )
    assert release_project.answers_with() == first.release
    assert release_project.slots.switchable() == {release_project.slots.live().slot}


def test_a_first_release_that_fails_its_bake_makes_way_for_the_next(release_project):
    """Fail again if it is run again, and release a better version in its place."""
    release_project.challenger(
        name="a", breaks_when_live=str(release_project.slots.home / "current" / "dial")
    )
    for _ in range(2):
        with pytest.raises(RolloutError, match="it was the first release, so it stays live"):
            release_project.release()
    _, second = release_project.released("b")
    assert release_project.answers_with() == second.release
    assert [kind for kind, _ in release_project.kinds()] == ["switched", "switched", "settled"]


def test_what_somebody_else_deployed_is_not_switched_to(release_project):
    """Refuse the switch if the slot got another release after the tests."""
    _, first = release_project.released("a")
    release_project.challenger(name="b")

    def another(line):
        if line.startswith("test stress"):
            slots = release_project.slots
            slots.deploy(
                slots.other(),
                slots.deployed(slots.other()).model_copy(update={"release": "f" * 64}),
            )

    with pytest.raises(NotAllowed, match="somebody else deployed there"):
        release_project.release(progress=another)
    assert release_project.answers_with() == first.release


def test_what_was_rolled_back_is_not_released_again_by_itself(release_project):
    """Refuse the same version when the release is run again after a failed bake."""
    release_project.released("a")
    release_project.challenger(
        name="b", breaks_when_live=str(release_project.slots.home / "current" / "dial")
    )
    with pytest.raises(RolloutError):
        release_project.release()
    with pytest.raises(NotAllowed, match="was rolled back"):
        release_project.release()


def test_an_environment_without_serving_releases_nothing(release_project):
    """Refuse with the missing field's name."""
    path = release_project.project / "environments" / ENVIRONMENT / "environment.yaml"
    path.write_text(
        "\n".join(line for line in path.read_text().splitlines() if not line.startswith("serving"))
    )
    with pytest.raises(NotAllowed, match="has no `serving`"):
        release_project.release()


def test_a_rollback_during_the_bake_ends_the_release_without_settling_it(release_project):
    """Report the rollback, and do not settle what is no longer live."""
    _, first = release_project.released("a")
    release_project.challenger(name="b")
    with pytest.raises(NotAllowed, match="somebody moved the traffic"):
        release_project.release(
            progress=lambda line: release_project.rollback() if line.startswith("bake") else None
        )
    assert release_project.answers_with() == first.release
    assert [kind for kind, _ in release_project.kinds()] == [
        "switched",
        "settled",
        "switched",
        "rolled_back",
    ]


def test_a_second_release_at_the_same_time_is_refused_naming_the_first(release_project):
    """Name in the error who holds the lock."""
    release_project.challenger(name="a")
    refused = []

    def come_second(line):
        if line.startswith("deploy"):
            with pytest.raises(Busy, match="by ann") as caught:
                release_project.release(by="ben", wait_seconds=0.05)
            refused.append(caught.value)

    release_project.release(by="ann", progress=come_second)
    assert len(refused) == 1
    assert len(release_project.kinds()) == 2


def test_no_release_begins_while_the_ledger_does_not_tell_of_what_is_live(
    release_project, monkeypatch
):
    """Touch nothing, keep the slot to roll back to, and release when the ledger has caught up."""

    def late(target):
        raise NotAllowed(
            str(target),
            expected="the ledger to tell of what is live",
            found="a late one",
            next_step="wait",
        )

    _, first = release_project.released("a")
    release_project.released("b")
    release_project.challenger(name="c")
    lines = []
    with monkeypatch.context() as patch:
        patch.setattr(LocalTarget, "require_recorded", late)
        with pytest.raises(NotAllowed, match="a late one"):
            release_project.release(progress=lines.append)
        assert not any(line.startswith(("package", "deploy")) for line in lines)
        assert release_project.rollback().release == first.release
    assert release_project.release(override=OVERRIDE).state == "released"
    assert verify(release_project.project, ENVIRONMENT) == []
