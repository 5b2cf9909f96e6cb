"""The release transaction: who may be released, what it leaves behind, and what a failure does."""

import pytest
from support.release_project import ENVIRONMENT, MODEL, ask_as_client, judged

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


def test_the_challenger_takes_the_traffic_the_alias_and_one_line_each_in_the_ledger(house):
    """Released means: live, Champion, no Challenger any more, switched and settled, and every record holds."""
    version, outcome = house.released("a")
    assert outcome.state == "released"
    assert house.answers_with() == outcome.release
    assert house.champion() == version.version
    assert house.registry.find(MODEL, alias="challenger") is None
    assert house.registry.find(MODEL, alias="champion").tags["release"] == outcome.release
    assert house.kinds() == [("switched", outcome.release), ("settled", outcome.release)]
    assert verify(house.project, ENVIRONMENT) == []


def test_the_record_of_what_is_served_names_everything_by_digest(house):
    """The release's file has the digest that names it, and the model, package and verdict that it came from."""
    version, outcome = house.released("a")
    record = house.storage.read_record(
        Release, "releases", f"{outcome.release}.json", digest=outcome.release
    )
    assert (record.model_digest, record.verdict, record.override) == (
        version.digest,
        version.tags["verdict"],
        None,
    )
    assert house.storage.exists("packages", record.package_digest, "contract.json")


def test_releasing_again_does_nothing(house):
    """The same command, run again, says so and adds nothing."""
    _, first = house.released("a")
    again = house.release()
    assert (again.state, again.release) == ("already live", first.release)
    assert len(house.kinds()) == 2


def test_the_second_release_takes_the_other_slot_and_leaves_the_first_running(house):
    """The old slot is the one to roll back to, and traffic may go there."""
    _, first = house.released("a")
    _, second = house.released("b")
    slots = house.slots
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
def test_nothing_is_released_without_a_ground(house, trouble, match):
    """A verdict that is not `accept`, or was reached against somebody else than the Champion of today, or a failed validation."""
    _, first = house.released("a")
    house.challenger(name="b", **trouble)
    with pytest.raises(NotAllowed, match=match):
        house.release()
    assert house.answers_with() == first.release


@pytest.mark.parametrize(
    ("tag", "objection"), [("f" * 64, "named but not stored"), (None, "verdict reject")]
)
def test_a_verdict_that_only_lies_in_the_store_releases_nothing(house, tag, objection):
    """Whoever may write records there has not signed: the version's own tag names the gate's verdict, and only the releaser sets tags."""
    version = house.challenger(name="a", verdict="reject")
    forged = judged("accept", version.digest, None)
    house.storage.write_record(forged, "verdicts", f"{forged.digest}.json")
    if tag is not None:
        house.registry.tag(version, verdict=tag)
    with pytest.raises(NotAllowed, match=objection):
        house.release()
    assert house.slots.live() is None


def test_a_verdict_written_over_another_is_refused(house):
    """Under the digest of the one that the gate signed: an override does not help, either."""
    version = house.challenger(name="a", verdict="reject")
    forged = judged("accept", version.digest, None)
    house.storage.write_record(forged, "verdicts", f"{version.tags['verdict']}.json")
    for override in (None, OVERRIDE):
        with pytest.raises(IntegrityError, match="digest"):
            house.release(override=override)
    assert house.slots.live() is None


def test_a_verdict_against_a_champion_means_nothing_where_none_is_live(house):
    """Nor does one against somebody who is gone."""
    house.challenger(name="a", opponent="f" * 64)
    with pytest.raises(NotAllowed, match="none is live"):
        house.release()


def test_a_strategy_is_refused_before_anything_is_deployed(house):
    """One machine has no Gateway: what could be rolled back to still can."""
    _, first = house.released("a")
    house.released("b")
    house.challenger(name="c")
    house.declare(strategies={MODEL: {"kind": "canary"}})
    with pytest.raises(NotAllowed, match="strategy canary of tiny in prod: expected a Gateway"):
        house.release()
    assert house.slots.switchable() == {"blue", "green"}
    assert house.rollback().release == first.release


def test_a_person_may_override_a_verdict_and_the_ledger_says_who_and_why(house):
    """The override is part of the release's record, and an entry of its own."""
    house.challenger(name="a", verdict="reject")
    outcome = house.release(override=OVERRIDE)
    assert house.kinds() == [
        ("overridden", outcome.release),
        ("switched", outcome.release),
        ("settled", outcome.release),
    ]
    record = house.storage.read_record(Release, "releases", f"{outcome.release}.json")
    assert record.override == OVERRIDE.model_copy(
        update={"overrides": "verdict reject: a test says so"}
    )
    (entry, *_) = history(house.project, MODEL, ENVIRONMENT)
    assert entry.evidence == {"overrides": "verdict reject: a test says so"}
    assert entry_in_words(entry).endswith("(over: verdict reject: a test says so)")
    assert verify(house.project, ENVIRONMENT) == []


@pytest.mark.parametrize("override", [None, OVERRIDE])
def test_an_older_challenger_is_released_only_by_its_number(house, override):
    """A newer version failed validation: whoever says `release` may mean that one, so both are named, and nothing moves."""
    older = house.challenger(name="a", verdict="accept" if override is None else "reject")
    house.train_in_vain(name="b", reasons="latency: p99 of one row 80 ms")
    with pytest.raises(
        NotAllowed, match=r"version 2 failed validation: latency: p99 of one row 80 ms.*--version 1"
    ):
        house.release(override=override)
    assert house.kinds() == []
    assert house.release(override=override, version="1").state == "released"
    assert house.champion() == older.version
    again = house.release(override=override, version="1")
    assert (again.state, again.note) == (
        "already live",
        "version 2 failed validation: latency: p99 of one row 80 ms",
    )


@pytest.mark.parametrize("override", [None, OVERRIDE])
def test_an_older_challenger_does_not_stand_in_for_a_training_that_did_not_end(house, override):
    """The newest version is still pending: its training was killed, or is under way."""
    house.challenger(name="a", verdict="accept" if override is None else "reject")
    house.train_in_vain(name="b")
    house.registry.tag(house.registry.newest(MODEL), validation_status="pending")
    with pytest.raises(NotAllowed, match=r"version 2 was not validated.*--version 1"):
        house.release(override=override)
    assert house.release(override=override, version="1").state == "released"


@pytest.mark.parametrize(
    ("version", "found"),
    [("2", "validation_status failed"), ("7", "no such version"), ("one", "no such version")],
)
def test_a_named_version_must_be_there_and_have_passed(house, version, found):
    """A number is no way around validation."""
    house.challenger(name="a")
    house.train_in_vain(name="b")
    with pytest.raises(NotAllowed, match=found):
        house.release(override=OVERRIDE, version=version)


def test_without_a_challenger_the_version_that_failed_is_named(house):
    """The first training failed: there is nothing to release, and this is why."""
    house.train_in_vain(name="a", reasons="size: 600 MB")
    with pytest.raises(NotAllowed, match=r"none; version 1 failed validation: size: 600 MB"):
        house.release(override=OVERRIDE)


def test_no_override_stands_in_for_validation(house):
    """A version that may not be deployed at all is not, whoever says so."""
    house.challenger(name="a", validation="failed")
    with pytest.raises(NotAllowed, match="validation"):
        house.release(override=OVERRIDE)


def test_an_altered_verdict_is_no_ground(house):
    """A verdict whose content is not what its digest says is refused, override or not."""
    version = house.challenger(name="a", verdict="reject")
    address = ("verdicts", f"{version.tags['verdict']}.json")
    house.storage.write(house.storage.read(*address).replace(b'"reject"', b'"accept"'), *address)
    with pytest.raises(IntegrityError, match="altered"):
        house.release(override=OVERRIDE)


@pytest.mark.parametrize(
    ("behaviour", "test"),
    [
        ({"accepts_anything": True}, "smoke"),
        ({"slow_seconds": 1.5}, "latency"),
        ({"serves_one_at_a_time": True, "slow_seconds": 0.04}, "throughput"),
        ({"dies_under": 40}, "throughput|load|stress"),
    ],
)
def test_a_failing_test_in_the_slot_leaves_the_live_release_alone(house, behaviour, test):
    """The first test that fails ends the release; its slot is stopped, the Challenger stays Challenger."""
    version, first = house.released("a")
    house.challenger(name="b", **behaviour)
    with pytest.raises(RolloutError, match=f"pre-deployment test ({test})"):
        house.release()
    assert house.answers_with() == first.release
    assert house.slots.pid("green") is None
    assert house.slots.deployed("green") is None
    assert house.champion() == version.version
    assert len(house.kinds()) == 2


def test_a_contract_that_refuses_today_s_clients_takes_no_traffic(house):
    """The gate knows only the new rows; the test sends the live release's, and names what changed and the two ways on."""
    _, first = house.released("a", columns=["x", "y"])
    house.challenger(name="b", columns=["x", "z"])
    with pytest.raises(
        RolloutError,
        match=r"smoke.*answered 400 \(new: z, gone: y\).*another model name.*--override REASON",
    ):
        house.release()
    assert house.answers_with() == house.slots.live().release == first.release


def test_a_person_may_let_a_changed_contract_pass(house):
    """The verdict is `accept`, and the override is recorded all the same; what clients are refused then is no fault of the bake."""
    house.released("a", columns=["x", "y"])
    house.challenger(name="b", columns=["x", "z"])
    said = []

    def hear(line):
        said.append(line)
        if line.startswith("follow"):
            ask_as_client(house, {"x": 1.0, "y": 1.0}, times=20)

    outcome = house.release(override=OVERRIDE, progress=hear)
    assert outcome.state == "released"
    assert any("answered 400 (new: z, gone: y), which a person overrides" in line for line in said)
    assert [kind for kind, release in house.kinds() if release == outcome.release] == [
        "overridden",
        "switched",
        "settled",
    ]


def test_an_override_for_another_reason_lets_no_clients_be_refused(house):
    """Its tests found nothing to let pass, so that the bake goes on to count refusals."""
    _, first = house.released("a")
    house.challenger(name="b", verdict="reject", refuses_from=5)
    with pytest.raises(RolloutError, match="20 of 20 requests from clients were answered with 4xx"):
        house.release(
            override=OVERRIDE,
            progress=lambda line: (
                ask_as_client(house, {"x": 6.0}, times=20) if line.startswith("follow") else None
            ),
        )
    assert house.answers_with() == first.release


def test_a_server_that_does_not_start_leaves_the_live_release_alone(house):
    """The error shows the end of its log."""
    _, first = house.released("a")
    house.challenger(name="b", does_not_start=True)
    with pytest.raises(ProcessFailed, match="told not to"):
        house.release()
    assert house.answers_with() == first.release


def test_a_failing_bake_gives_the_traffic_back(house):
    """A release that breaks once it is live is switched away from; alias and ledger follow."""
    version, first = house.released("a")
    house.challenger(name="b", breaks_when_live=str(house.slots.home / "current" / "dial"))
    with pytest.raises(RolloutError, match="bake"):
        house.release()
    assert house.answers_with() == first.release
    assert house.champion() == version.version
    kinds = [kind for kind, _ in house.kinds()]
    assert kinds == ["switched", "settled", "switched", "rolled_back"]
    assert verify(house.project, ENVIRONMENT) == []
    assert house.slots.switchable() == {house.slots.live().slot}, "nobody may switch to it by hand"


def test_a_failing_bake_whose_way_back_is_not_answered(house, monkeypatch):
    """It was done all the same: the error tells of the bake, and nobody may switch there by hand."""
    _, first = house.released("a")
    house.challenger(name="b", breaks_when_live=str(house.slots.home / "current" / "dial"))
    tries = []

    def unanswered(*arguments, **options):
        tries.append(switch_back(*arguments, **options))
        raise ClusterAway("the cluster", expected="an answer", found="none", next_step="wait")

    monkeypatch.setattr(transaction, "switch_back", unanswered)
    with pytest.raises(RolloutError, match=r"bake of release .* has the traffic again"):
        house.release()
    assert house.answers_with() == first.release
    assert len(tries) == 1
    assert house.slots.switchable() == {house.slots.live().slot}


def away(*_, **__):
    raise StorageError(
        "the store", expected="an answer", found="none", next_step="see whether it runs"
    )


def test_a_bake_that_cannot_be_done_gives_the_traffic_back(house, monkeypatch):
    """Whatever kept it from looking, nothing stays live that nobody looked at."""
    _, first = house.released("a")
    house.challenger(name="b")
    monkeypatch.setattr(LocalTarget, "bake", away)
    with pytest.raises(RolloutError, match="it could not be done: the store"):
        house.release()
    assert house.answers_with() == first.release


def test_a_switch_that_cannot_be_written_down_gives_the_traffic_back(house, monkeypatch):
    """Though nothing can be written about the way back either: the error names both."""
    _, first = house.released("a")
    house.challenger(name="b")
    with pytest.raises(
        RolloutError,
        match=r"it could not be done: the store.*could not be done after that: the store",
    ):
        house.release(
            progress=lambda line: (
                monkeypatch.setattr(LocalTarget, "reconcile", away)
                if line.startswith("switch")
                else None
            )
        )
    assert house.answers_with() == first.release


def test_a_rollback_before_the_switch_ends_the_release(house):
    """What it was judged against is live no more: it takes no traffic, from nobody, and nobody may switch to it by hand."""
    _, first = house.released("a")
    house.released("b")
    house.challenger(name="c")
    with pytest.raises(NotAllowed, match=r"somebody else moved the traffic|the idle slot"):
        house.release(
            progress=lambda line: house.rollback() if line.startswith("package") else None
        )
    assert house.answers_with() == first.release
    assert house.slots.switchable() == {house.slots.live().slot}


def test_a_first_release_that_fails_its_bake_makes_way_for_the_next(house):
    """There is nothing to go back to; run again it fails again, and a better version takes its place."""
    house.challenger(name="a", breaks_when_live=str(house.slots.home / "current" / "dial"))
    for _ in range(2):
        with pytest.raises(RolloutError, match="it was the first release, so it stays live"):
            house.release()
    _, second = house.released("b")
    assert house.answers_with() == second.release
    assert [kind for kind, _ in house.kinds()] == ["switched", "switched", "settled"]


def test_what_somebody_else_deployed_is_not_switched_to(house):
    """Between its tests and its switch the slot was given to another release: its traffic stays where it is."""
    _, first = house.released("a")
    house.challenger(name="b")

    def another(line):
        if line.startswith("test stress"):
            slots = house.slots
            slots.deploy(
                slots.other(),
                slots.deployed(slots.other()).model_copy(update={"release": "f" * 64}),
            )

    with pytest.raises(NotAllowed, match="somebody else deployed there"):
        house.release(progress=another)
    assert house.answers_with() == first.release


def test_what_was_rolled_back_is_not_released_again_by_itself(house):
    """Running the release again after its bake failed does not try the same version again."""
    house.released("a")
    house.challenger(name="b", breaks_when_live=str(house.slots.home / "current" / "dial"))
    with pytest.raises(RolloutError):
        house.release()
    with pytest.raises(NotAllowed, match="was rolled back"):
        house.release()


def test_an_environment_without_serving_releases_nothing(house):
    """dev says so in words."""
    path = house.project / "environments" / ENVIRONMENT / "environment.yaml"
    path.write_text(
        "\n".join(line for line in path.read_text().splitlines() if not line.startswith("serving"))
    )
    with pytest.raises(NotAllowed, match="has no `serving`"):
        house.release()


def test_a_rollback_during_the_bake_ends_the_release_without_settling_it(house):
    """The person on call wins: the release sees it and says so, and does not settle what is not live any more."""
    _, first = house.released("a")
    house.challenger(name="b")
    with pytest.raises(NotAllowed, match="somebody moved the traffic"):
        house.release(progress=lambda line: house.rollback() if line.startswith("bake") else None)
    assert house.answers_with() == first.release
    assert [kind for kind, _ in house.kinds()] == ["switched", "settled", "switched", "rolled_back"]


def test_a_second_release_at_the_same_time_is_refused_naming_the_first(house):
    """Who comes second learns who is at it."""
    house.challenger(name="a")
    refused = []

    def come_second(line):
        if line.startswith("deploy"):
            with pytest.raises(Busy, match="by ann") as caught:
                house.release(by="ben", wait_seconds=0.05)
            refused.append(caught.value)

    house.release(by="ann", progress=come_second)
    assert len(refused) == 1
    assert len(house.kinds()) == 2


def test_no_release_begins_while_the_ledger_does_not_tell_of_what_is_live(house, monkeypatch):
    """What a cluster's registrar may be late with: nothing is touched, the release before can be rolled back to, and later it goes on."""

    def late(place):
        raise NotAllowed(
            str(place),
            expected="the ledger to tell of what is live",
            found="a late one",
            next_step="wait",
        )

    _, first = house.released("a")
    house.released("b")
    house.challenger(name="c")
    said = []
    with monkeypatch.context() as patch:
        patch.setattr(LocalTarget, "require_recorded", late)
        with pytest.raises(NotAllowed, match="a late one"):
            house.release(progress=said.append)
        assert not any(line.startswith(("package", "deploy")) for line in said)
        assert house.rollback().release == first.release
    assert house.release(override=OVERRIDE).state == "released"
    assert verify(house.project, ENVIRONMENT) == []
