"""The watch after the switch: what it blames a release for, and what it does not."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.release_project import MODEL, ask_as_client

from titlebout.loadgen import RELEASE_HEADER
from titlebout.metrics import disagreement
from titlebout.release import predeployment, probes
from titlebout.release.bake import Bake, late_fault, watch
from titlebout.release.baseline import Baseline
from titlebout.release.prediction_shift import LEAST_ROWS, MOST_ROWS, Shift
from titlebout.release.recent_requests import recent_rows
from titlebout.release.replay import LEAST_FAILED, ClientCounts, fault_of
from titlebout.release.significance import chance_of
from titlebout.rollout.slot_counts import NOTHING_COUNTED, Counted
from titlebout.serve.inference_table import InferenceTable, Served
from titlebout.spec import Contract, Disagreement, Engine, Input, RolloutError, SlotAddress

LATE = 0  # no status: the server answers too late

CONTRACT = Contract(
    model=MODEL,
    task="regression",
    target="y",
    inputs=(Input(name="x", type="number"),),
    engine=Engine(name="onnx", reason="tests"),
)


def clients_sent(house, release, rows, *, requests=1, values=None, event_time=None):
    """So many rows in each request, with x from 0 to 10, in the release's inference table."""
    table = InferenceTable(
        house.storage.address("inference", MODEL), CONTRACT, release=release, slot="blue"
    )
    values = [10 * row / rows for row in range(rows)] if values is None else values
    for number in range(requests):
        time = event_time or datetime.now(UTC)
        table.put(
            Served(
                f"asked-{number}",
                False,
                time,
                {"x": values},
                [0.0] * len(values),
                [0.0] * len(values),
                1.0,
            )
        )
    table.close()


# -- predictions on the same rows --------------------------------------------------------------------------------------


def test_a_release_that_predicts_otherwise_gives_the_traffic_back(house):
    """On the rows that clients sent, nearly every prediction moved by a standard deviation or more."""
    _, first = house.released("a", factor=1.0)
    clients_sent(house, first.release, rows=200)
    house.challenger(name="b", factor=3.0)
    with pytest.raises(
        RolloutError,
        match=r"bake .*on 200 rows from clients 0\.93 of the predictions moved; not compared.*up to 0\.30",
    ):
        house.release()
    assert house.answers_with() == first.release


def test_a_release_that_predicts_a_little_otherwise_stays(house):
    """That is what a new model is for."""
    _, first = house.released("a", factor=1.0)
    clients_sent(house, first.release, rows=200)
    house.challenger(name="b", factor=1.1)
    said = []
    assert house.release(progress=said.append).state == "released"
    assert any("on 200 rows from clients 0.17 of the predictions moved" in line for line in said)


def test_what_the_gate_accepted_is_no_fault_of_the_bake(house):
    """The gate saw that much disagreement on its holdout: the better model may differ as much where it serves."""
    _, first = house.released("a", factor=1.0)
    clients_sent(house, first.release, rows=200)
    house.challenger(name="b", factor=3.0, disagreement=Disagreement(share=0.9, spread=2.9))
    said = []
    assert house.release(progress=said.append).state == "released"
    assert any("0.90 in the gate, allowed up to 0.93" in line for line in said), said


def test_predictions_that_were_swapped_between_balanced_classes_are_seen():
    """Every one of them moved, though neither class grew."""
    old = ["a", "b"] * 100
    assert disagreement(old, [{"a": "b", "b": "a"}[one] for one in old]) == 1.0
    assert disagreement(old, old) == 0.0
    assert disagreement(["a"] * 10, ["a"] * 8 + ["c"] * 2) == pytest.approx(0.2)


def test_numbers_that_changed_places_are_seen():
    """Their mean and spread are the same: each row's own prediction is not."""
    old = [float(value) for value in np.random.default_rng(0).normal(5, 2, 500)]
    assert disagreement(old, [10 - value for value in old]) > 0.6
    assert disagreement(old, list(reversed(old))) > 0.6
    assert disagreement(old, [value + 0.2 for value in old]) == pytest.approx(0.1, abs=0.01)


def test_numbers_without_spread():
    """A constant that stays is no shift; one that moves is the largest there is."""
    assert disagreement([1.0] * 5, [1.0] * 5) == 0.0
    assert disagreement([1.0] * 5, [2.0] * 5) == 1.0


@settings(max_examples=150, deadline=None)
@given(
    share=st.floats(0, 1),
    classes=st.sampled_from(
        [["a", "b"], ["a", "b", "c"], ["0", "1"], ["ja", "nein"], ["红", "蓝", "绿", "黄"]]
    ),
    seed=st.integers(0, 9999),
)
def test_whatever_share_of_rows_is_permuted_is_the_share_that_is_seen(share, classes, seed):
    """However the classes are called, and though their shares do not change."""
    rng = np.random.default_rng(seed)
    old = rng.choice(classes, 400)
    moved = rng.random(400) < share
    following = dict(zip(classes, classes[1:] + classes[:1], strict=True))
    new = [
        following[str(one)] if is_moved else str(one)
        for one, is_moved in zip(old, moved, strict=True)
    ]
    assert disagreement(old.tolist(), new) == pytest.approx(float(np.mean(moved)))


@pytest.mark.parametrize(("shown", "limit"), [(0.0, 0.3), (0.1, 0.37), (0.8, 0.86), (1.0, 1.0)])
def test_the_limit_grows_with_what_the_gate_saw(shown, limit):
    """Of what both models predicted alike there, three tenths may move."""
    nowhere = SlotAddress(url="http://127.0.0.1:1")
    shift = Shift(
        model="m",
        before="r",
        storage="s",
        old=nowhere,
        new=nowhere,
        allowed=0.3,
        shown=Disagreement(share=shown, spread=None),
    )
    assert shift.limit == pytest.approx(limit)


def test_few_wild_rows_do_not_outweigh_all_others():
    """A client that finds where two models differ by millions moves the figure by its share of the rows, and no more."""
    old = [float(value) for value in np.random.default_rng(0).normal(5, 2, 490)] + [5.0] * 10
    new = [*old[:490], *[1e12] * 10]
    assert disagreement(old, new) == pytest.approx(0.02)


def test_too_few_rows_do_not_decide(house):
    """It says so."""
    _, first = house.released("a", factor=1.0)
    clients_sent(house, first.release, rows=LEAST_ROWS - 1)
    house.challenger(name="b", factor=3.0)
    said = []
    assert house.release(progress=said.append).state == "released"
    assert any(f"{LEAST_ROWS - 1} rows from clients, {LEAST_ROWS} needed" in line for line in said)


def test_one_row_sent_a_thousand_times_is_one_row(house):
    """Whoever repeats himself decides nothing."""
    _, first = house.released("a", factor=1.0)
    clients_sent(house, first.release, rows=1, values=[9.0], requests=200)
    house.challenger(name="b", factor=3.0)
    said = []
    assert house.release(progress=said.append).state == "released"
    assert any("1 rows from clients" in line for line in said), said


# -- which rows are compared -------------------------------------------------------------------------------------------


def test_only_the_old_release_s_rows_count(house):
    """Not those of a release before it, and not more than needed."""
    clients_sent(house, "0" * 64, rows=5)
    clients_sent(house, "1" * 64, rows=2 * MOST_ROWS)
    rows = recent_rows(house.storage, MODEL, release="1" * 64, most=MOST_ROWS)
    assert len(rows) == MOST_ROWS
    assert rows[1].keys() == {"x"}
    assert {"x": 8.0} in recent_rows(house.storage, MODEL, release="0" * 64, most=MOST_ROWS)


@pytest.mark.parametrize("year", [1970, 2035, 9998])
def test_rows_go_by_arrival_whatever_event_time_a_client_tells(house, year):
    """Seven requests of the year 2035, or of 1970, neither push the others out nor are they lost."""
    release = "1" * 64
    clients_sent(house, release, rows=300)
    clients_sent(
        house,
        release,
        rows=1,
        values=[77.0],
        requests=7,
        event_time=datetime(year, 1, 1, tzinfo=UTC),
    )
    rows = recent_rows(house.storage, MODEL, release=release, most=200)
    assert len(rows) == 200
    assert sum(row == {"x": 77.0} for row in rows) == 1


def test_a_large_request_does_not_crowd_out_the_small_ones(house):
    """Of one file, every request gives its first row before any gives its second."""
    table = InferenceTable(
        house.storage.address("inference", MODEL), CONTRACT, release="1" * 64, slot="blue"
    )
    flood = [1000.0 + row for row in range(5000)]
    for number, values in enumerate([flood, *[[float(one)] for one in range(100)]]):
        table.put(
            Served(
                f"r{number}",
                len(values) == 1,
                datetime.now(UTC),
                {"x": values},
                [0.0] * len(values),
                [0.0] * len(values),
                1.0,
            )
        )
    table.close()
    rows = recent_rows(house.storage, MODEL, release="1" * 64, most=101)
    assert sum(row["x"] >= 1000 for row in rows) == 1


def test_rows_come_back_with_every_column_that_was_sent(house):
    """Also with one that the next release does not know, and one that is called like the table's own."""
    contract = CONTRACT.model_copy(
        update={"inputs": (Input(name="x", type="number"), Input(name="time", type="category"))}
    )
    table = InferenceTable(
        house.storage.address("inference", MODEL), contract, release="0" * 64, slot="blue"
    )
    table.put(
        Served("asked", False, datetime.now(UTC), {"x": [1.0], "time": ["noon"]}, [0.0], [0.0], 1.0)
    )
    table.close()
    assert recent_rows(house.storage, MODEL, release="0" * 64, most=MOST_ROWS) == [
        {"x": 1.0, "time": "noon"}
    ]


def test_a_release_that_refuses_the_rows_of_clients_gives_the_traffic_back(house):
    """Two rows of two are enough, though nobody asks during the bake and the example row was answered."""
    _, first = house.released("a")
    clients_sent(house, first.release, rows=2, values=[6.0, 7.0])
    house.challenger(name="b", refuses_from=5)
    with pytest.raises(
        RolloutError,
        match="2 of 2 rows from clients, which the release before answers, were answered 400",
    ):
        house.release()
    assert house.answers_with() == first.release


def test_one_odd_row_of_a_hundred_decides_nothing(house):
    """A client may find a row that only the new release refuses."""
    _, first = house.released("a")
    clients_sent(house, first.release, rows=100, values=[*(one / 100 for one in range(99)), 6.0])
    house.challenger(name="b", refuses_from=5)
    said = []
    assert house.release(progress=said.append).state == "released"
    assert any(
        "1 of 100 rows from clients are not answered as before, which decides nothing" in line
        for line in said
    ), said


# -- what clients send during the bake ---------------------------------------------------------------------------------

JUNK = {
    "no JSON": b"{{{{",
    "nothing": b"",
    "an unknown column": {"y": 1.0},
    "a row that breaks every release": {"x": 1e9},
    "bytes": bytes(range(256)),
    "a list of junk": [{"x": 1.0}, {"z": 2.0}],
    "deep": b"[" * 900 + b"]" * 900,
}


def asked_during(house, *, times=40, client="mallory", honest=0):
    """A progress that sends the rows right after the switch, before the bake looks."""

    def progress(line, rows):
        if line.startswith("follow"):
            ask_as_client(house, {"x": 1.0}, times=honest, client="honest")
            ask_as_client(house, rows, times=times, client=client)

    return progress


@pytest.mark.parametrize("junk", JUNK)
def test_nobody_who_can_merely_send_requests_sends_a_healthy_release_back(house, junk):
    """Not with forty of anything that the release before would not answer either, alone on the line."""
    _, first = house.released("a", fails_from=100)
    house.challenger(name="b", fails_from=100)
    send = asked_during(house)
    outcome = house.release(progress=lambda line: send(line, JUNK[junk]))
    assert (outcome.state, house.answers_with() == first.release) == ("released", False)


def test_a_bad_header_is_no_fault_of_the_release(house):
    """The request is asked again as it was sent: with its headers."""
    house.released("a")
    house.challenger(name="b")

    def progress(line):
        if line.startswith("follow"):
            ask_as_client(house, {"x": 1.0}, times=40, headers={"x-event-time": "tomorrow"})

    assert house.release(progress=progress).state == "released"


@pytest.mark.parametrize("times", [1, 2])
def test_one_or_two_server_errors_decide_nothing(house, times):
    """Even of a row that the release before answers."""
    house.released("a")
    house.challenger(name="b", fails_from=5)
    send = asked_during(house, times=times)
    assert house.release(progress=lambda line: send(line, {"x": 6.0})).state == "released"


@pytest.mark.parametrize(
    ("behaviour", "how"), [({"fails_from": 5}, "a server error"), ({"refuses_from": 5}, "4xx")]
)
def test_a_release_that_fails_what_the_one_before_answers_gives_the_traffic_back(
    house, behaviour, how
):
    """The example row is answered, and so are all of our own: only the rows that clients send are not."""
    _, first = house.released("a")
    house.challenger(name="b", **behaviour)
    send = asked_during(house, times=20)
    with pytest.raises(
        RolloutError,
        match=f"20 of 20 requests from clients were answered with {how}, which the release before answers",
    ):
        house.release(progress=lambda line: send(line, {"x": 6.0}))
    assert house.answers_with() == first.release


def test_one_client_of_several_does_not_decide_alone(house):
    """What it sends may be made for that; the one that sends most of the requests is answered."""
    house.released("a")
    house.challenger(name="b", refuses_from=5)
    send = asked_during(house, times=20, honest=60)
    assert house.release(progress=lambda line: send(line, {"x": 6.0})).state == "released"


def test_a_release_that_fails_now_and_then_gives_the_traffic_back(house):
    """Every third request, whatever is in it: our own probes meet it, and the slot before answers each of them."""
    house.declare(serving={**house.environment.serving.model_dump(), "bake_seconds": 3.0})
    _, first = house.released("a")
    house.challenger(
        name="b", fails_every_when_live=3, live=str(house.slots.home / "current" / "dial")
    )
    with pytest.raises(
        RolloutError, match="of our own predictions failed: a prediction was answered 500"
    ):
        house.release(progress=lambda line: None)
    assert house.answers_with() == first.release


# -- the evidence itself -----------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(
    counts=st.lists(st.tuples(st.integers(1, 500), st.floats(0, 1)), min_size=2, max_size=6),
    kind=st.sampled_from(["errors", "refusals"]),
)
def test_a_minority_client_never_decides_alone(counts, kind):
    """Whatever it sends, and however much of it fails, where all others are answered and it sends less than half."""
    honest = sum(asked for asked, _ in counts)
    clients = {f"c{number}": ClientCounts(asked, 0) for number, (asked, _) in enumerate(counts)}
    assert fault_of(kind, {**clients, "mallory": ClientCounts(honest - 1, honest - 1)}) is None


@settings(max_examples=100, deadline=None)
@given(
    clients=st.integers(2, 6),
    each=st.integers(10, 300),
    share=st.floats(0.5, 1),
    kind=st.sampled_from(["errors", "refusals"]),
)
def test_a_release_that_fails_several_clients_is_blamed(clients, each, share, kind):
    """Half of the requests of each, which the release before answers."""
    assert (
        fault_of(
            kind, {f"c{number}": ClientCounts(each, each * share) for number in range(clients)}
        )
        is not None
    )


def test_fewer_failures_than_three_decide_nothing():
    """Whatever their share."""
    assert fault_of("errors", {"a": ClientCounts(LEAST_FAILED - 1, LEAST_FAILED - 1)}) is None
    assert fault_of("errors", {"a": ClientCounts(LEAST_FAILED, LEAST_FAILED)}) is not None
    assert fault_of("errors", {}) is None


def test_looking_often_does_not_blame_a_release_within_its_tolerance():
    """One in a hundred requests fails by chance, looked at after each of 2,000: in 400 bakes at most 1 % and its noise are blamed."""
    rng, blamed = np.random.default_rng(1), 0
    for _ in range(400):
        failed = np.cumsum(rng.random(2000) < 0.01)
        blamed += any(
            fault_of("errors", {"a": ClientCounts(n, failed[n - 1])}) for n in range(100, 2001, 100)
        )
    assert blamed / 400 < 0.025


# -- slowness and deaths -----------------------------------------------------------------------------------------------


def test_a_release_that_is_slow_gives_the_traffic_back(house):
    """Its own metrics tell so: of its answers in the bake none took less than the objective's second."""
    _, first = house.released("a")
    house.challenger(name="b", tells_of_slowness=True)
    with pytest.raises(RolloutError, match=r"(\d+) of \1 small requests took longer than 1000 ms"):
        house.release()
    assert house.answers_with() == first.release


def test_one_slow_answer_of_twenty_is_chance_and_three_are_not():
    """At one in a hundred: the chances are 0.18, 0.017 and 0.001."""
    assert [round(chance_of(slow, 20, share=0.01), 3) for slow in (1, 2, 3)] == [
        0.182,
        0.017,
        0.001,
    ]
    assert chance_of(0, 20, share=0.01) == 1.0
    assert chance_of(2200, 200_000, share=0.01) < 1e-5


def test_a_server_that_is_taken_away_hides_no_slow_answers():
    """What it counted before the bake is no longer there to be subtracted: the other's slow answers still count."""
    with (
        teller(before=(5000, 800), after=(5000, 800), looks=3) as going,
        teller(before=(100, 0), after=(300, 200)) as staying,
    ):
        assert "200 of 200 small requests took longer" in str(watched(staying, going))


def test_a_server_that_begins_anew_is_a_fault():
    """Its counts fall: it died in the watch, whatever it answers now."""
    with teller(before=(500, 0), after=(3, 0)) as server:
        assert "began anew" in str(watched(server))


def test_a_server_that_is_full_all_the_time_is_a_fault():
    """It says so itself, of one row ten times a second."""
    with teller(before=(1, 0), after=(9, 0), statuses=[503]) as server:
        assert "no room for any of our own" in str(watched(server))


def test_a_server_that_is_full_for_a_while_is_none():
    """Whoever floods it decides nothing."""
    with teller(before=(1, 0), after=(9, 0), statuses=[503, 503, 429, 200]) as server:
        assert watched(server) is None


def test_a_proxy_without_a_server_is_a_fault():
    """It answers 502 or 503 in its own name, once the server has died: nobody answers at the slot's own address."""
    for status in (-502, -503):
        with teller(before=(1, 0), after=(9, 0), statuses=[200, status]) as proxy:
            bake = baking(proxy).model_copy(update={"new": SlotAddress(url="http://127.0.0.1:1")})
            assert f"a prediction was answered {-status}" in str(
                watch(bake, is_live=lambda: True, progress=lambda _: None)
            )


def test_a_proxy_that_finds_no_room_is_none():
    """Too many connections, or a slow one: the server itself is alive, and answered before."""
    with teller(
        before=(1, 0), after=(9, 0), statuses=[200, -503, -504, -502, -503, -503, -503, -503]
    ) as proxy:
        assert watched(proxy) is None


def test_where_neither_slot_answers_the_machine_is_at_fault_and_the_bake_ends():
    """The slot before fails as the new one does: nothing can be told, and nothing is waited for."""
    with (
        teller(before=(1, 0), after=(9, 0), statuses=[500]) as old,
        teller(before=(1, 0), after=(9, 0), statuses=[200, 500]) as new,
    ):
        bake = baking(new).model_copy(update={"old": SlotAddress(url=old)})
        assert watch(bake, is_live=lambda: True, progress=lambda _: None) is None


def test_a_server_that_hangs_is_a_fault_and_one_that_is_late_is_none(monkeypatch):
    """Whoever floods a server makes it late; one that answers nothing for long, while the slot before does, hangs."""
    monkeypatch.setattr(predeployment, "ANSWER_SECONDS", 0.2)
    with teller(before=(1, 0), after=(9, 0), statuses=[200, LATE, LATE, 200]) as server:
        assert watched(server) is None
    monkeypatch.setattr(probes, "HUNG_SECONDS", 1.0)
    with teller(before=(1, 0), after=(9, 0), statuses=[200, LATE]) as server:
        assert "not answered at all for 1 s" in str(watched(server))


def test_one_failure_among_many_answers_is_none_and_a_last_one_is_asked_again():
    """Nothing is decided by one probe, wherever it comes."""
    with teller(before=(1, 0), after=(9, 0), statuses=[200, 500, 200]) as server:
        assert watched(server) is None
    with teller(before=(1, 0), after=(9, 0), statuses=[200, 200, 200, 200, 500, 200]) as server:
        assert watched(server) is None


def test_servers_that_keep_their_objective_are_no_fault():
    """The same watch finds nothing."""
    with teller(before=(100, 50), after=(300, 50)) as server:
        assert watched(server) is None


def test_slow_answers_between_the_switch_and_the_bake_s_beginning_count():
    """The clients came with the switch, the bake some seconds later: it begins with what was counted before."""
    with teller(before=(300, 200), after=(300, 200)) as server:
        before = Baseline(new={server: Counted(100, 0, 0, 100, 0, 100, 0)})
        assert "200 of 200 small requests took longer" in str(watched(server, before=before))


def test_a_server_that_came_during_the_bake_is_compared_with_the_others():
    """The autoscaler adds it under load; it is read when the bake ends, and no client can ask it more often for what fails."""
    bake = baking("a", before=Baseline(new={"a": NOTHING_COUNTED, "pending": None}))
    fine, failing, slow = (
        Counted(200, 0, 0, 200, 0, 200, 0),
        Counted(200, 20, 0, 200, 0, 200, 0),
        Counted(200, 0, 0, 200, 0, 200, 200),
    )
    assert late_fault(bake, {"a": fine, "pending": Counted(5, 0, 0, 5, 0), "new": fine}) is None
    assert late_fault(bake, {"a": failing, "new": failing}) is None
    assert "20 of 200 requests failed on servers that came during the bake, 0 of 200" in str(
        late_fault(bake, {"a": fine, "new": failing})
    )
    assert "200 of 200 requests were slow on servers that came" in str(
        late_fault(bake, {"a": fine, "new": slow})
    )


def watched(*servers: str, before: Baseline | None = None) -> str | None:
    return watch(baking(*servers, before=before), is_live=lambda: True, progress=lambda _: None)


def baking(*servers: str, before: Baseline | None = None) -> Bake:
    """Without a baseline each server begins with what it tells first."""
    names = {server: server for server in servers}
    before = before or Baseline(new=dict.fromkeys(names))
    about = {"servers": names, "before": before, "new": SlotAddress(url=servers[0])}
    return Bake(url=servers[0], release="r", row={"x": 1.0}, seconds=0.5, p99_ms=1000, **about)


@contextmanager
def teller(
    *,
    before: tuple[int, int],
    after: tuple[int, int],
    looks: int | None = None,
    statuses: Sequence[int] = (200,),
) -> Iterator[str]:
    """A server that predicts, and tells of so many requests and slow ones at the first look and later; gone after `looks`.

    Predictions are answered with the `statuses` in turn, the last for ever; a negative one is a proxy's.
    """
    seen, turn = [], iter(statuses)
    last = statuses[-1]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/release":
                self.answer('{"contract": {"inputs": [{"name": "x", "example": 1.0}]}}')
                return
            seen.append(self.path)
            if looks is not None and len(seen) > looks:
                self.close_connection = True
                return
            requests, slow = before if len(seen) == 1 else after
            endpoint = 'endpoint="/predict"'
            self.answer(
                f'titlebout_requests_total{{{endpoint},status="200"}} {requests}\n'
                f'titlebout_undisturbed_seconds_bucket{{{endpoint},le="1.0"}} {requests - slow}\n'
                f'titlebout_undisturbed_seconds_bucket{{{endpoint},le="+Inf"}} {requests}\n'
            )

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status = next(turn, last)
            if status == LATE:
                time.sleep(0.5)
                self.close_connection = True
                return
            self.answer("{}", status)

        def answer(self, text: str, status: int = 200) -> None:
            self.send_response(abs(status))
            if status > 0:
                self.send_header(RELEASE_HEADER, "r")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
