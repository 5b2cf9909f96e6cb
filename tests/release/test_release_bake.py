"""Watch a release after the switch: what it is blamed for, and what it is not."""

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


def write_client_rows(release_project, release, rows, *, requests=1, values=None, event_time=None):
    """Write so many rows per request, with x from 0 to 10, to the release's inference table."""
    table = InferenceTable(
        release_project.storage.address("inference", MODEL), CONTRACT, release=release, slot="blue"
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


# Predictions on the same rows


def test_a_release_that_predicts_otherwise_gives_the_traffic_back(release_project):
    """Roll back if nearly every prediction on clients' rows moved by a standard deviation."""
    _, first = release_project.released("a", factor=1.0)
    write_client_rows(release_project, first.release, rows=200)
    release_project.challenger(name="b", factor=3.0)
    with pytest.raises(
        RolloutError,
        match=r"bake .*on 200 rows from clients 0\.93 of the predictions moved; "
        r"not compared.*up to 0\.30",
    ):
        release_project.release()
    assert release_project.answers_with() == first.release


def test_a_release_that_predicts_a_little_otherwise_stays(release_project):
    """Allow small differences: a new model is meant to have them."""
    _, first = release_project.released("a", factor=1.0)
    write_client_rows(release_project, first.release, rows=200)
    release_project.challenger(name="b", factor=1.1)
    lines = []
    assert release_project.release(progress=lines.append).state == "released"
    assert any("on 200 rows from clients 0.17 of the predictions moved" in line for line in lines)


def test_what_the_gate_accepted_is_no_fault_of_the_bake(release_project):
    """Allow as much disagreement as the gate saw on its holdout."""
    _, first = release_project.released("a", factor=1.0)
    write_client_rows(release_project, first.release, rows=200)
    release_project.challenger(
        name="b", factor=3.0, disagreement=Disagreement(share=0.9, spread=2.9)
    )
    lines = []
    assert release_project.release(progress=lines.append).state == "released"
    assert any("0.90 in the gate, allowed up to 0.93" in line for line in lines), lines


def test_predictions_that_were_swapped_between_balanced_classes_are_seen():
    """Count every swapped prediction, though neither class grew."""
    old = ["a", "b"] * 100
    assert disagreement(old, [{"a": "b", "b": "a"}[one] for one in old]) == 1.0
    assert disagreement(old, old) == 0.0
    assert disagreement(["a"] * 10, ["a"] * 8 + ["c"] * 2) == pytest.approx(0.2)


def test_numbers_that_changed_places_are_seen():
    """Compare each row's own prediction: mean and spread are the same."""
    old = [float(value) for value in np.random.default_rng(0).normal(5, 2, 500)]
    assert disagreement(old, [10 - value for value in old]) > 0.6
    assert disagreement(old, list(reversed(old))) > 0.6
    assert disagreement(old, [value + 0.2 for value in old]) == pytest.approx(0.1, abs=0.01)


def test_numbers_without_spread():
    """Count a constant that stays as 0, and one that moves as 1."""
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
    """Measure the share exactly, for any classes, though their shares do not change."""
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
    """Allow three tenths of what both models predicted alike in the gate."""
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
    """Count a row on which two models differ by millions as one row."""
    old = [float(value) for value in np.random.default_rng(0).normal(5, 2, 490)] + [5.0] * 10
    new = [*old[:490], *[1e12] * 10]
    assert disagreement(old, new) == pytest.approx(0.02)


def test_too_few_rows_do_not_decide(release_project):
    """Report that the rows are too few, and settle the release."""
    _, first = release_project.released("a", factor=1.0)
    write_client_rows(release_project, first.release, rows=LEAST_ROWS - 1)
    release_project.challenger(name="b", factor=3.0)
    lines = []
    assert release_project.release(progress=lines.append).state == "released"
    assert any(f"{LEAST_ROWS - 1} rows from clients, {LEAST_ROWS} needed" in line for line in lines)


def test_one_row_sent_a_thousand_times_is_one_row(release_project):
    """Count a repeated row once."""
    _, first = release_project.released("a", factor=1.0)
    write_client_rows(release_project, first.release, rows=1, values=[9.0], requests=200)
    release_project.challenger(name="b", factor=3.0)
    lines = []
    assert release_project.release(progress=lines.append).state == "released"
    assert any("1 rows from clients" in line for line in lines), lines


# Which rows are compared


def test_only_the_old_release_s_rows_count(release_project):
    """Read no rows of an earlier release, and not more than needed."""
    write_client_rows(release_project, "0" * 64, rows=5)
    write_client_rows(release_project, "1" * 64, rows=2 * MOST_ROWS)
    rows = recent_rows(release_project.storage, MODEL, release="1" * 64, most=MOST_ROWS)
    assert len(rows) == MOST_ROWS
    assert rows[1].keys() == {"x"}
    assert {"x": 8.0} in recent_rows(
        release_project.storage, MODEL, release="0" * 64, most=MOST_ROWS
    )


@pytest.mark.parametrize("year", [1970, 2035, 9998])
def test_rows_go_by_arrival_whatever_event_time_a_client_tells(release_project, year):
    """Keep seven requests of 2035 or 1970 from replacing the others, and lose none."""
    release = "1" * 64
    write_client_rows(release_project, release, rows=300)
    write_client_rows(
        release_project,
        release,
        rows=1,
        values=[77.0],
        requests=7,
        event_time=datetime(year, 1, 1, tzinfo=UTC),
    )
    rows = recent_rows(release_project.storage, MODEL, release=release, most=200)
    assert len(rows) == 200
    assert sum(row == {"x": 77.0} for row in rows) == 1


def test_a_large_request_does_not_crowd_out_the_small_ones(release_project):
    """Take the first row of every request in a file before any second row."""
    table = InferenceTable(
        release_project.storage.address("inference", MODEL), CONTRACT, release="1" * 64, slot="blue"
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
    rows = recent_rows(release_project.storage, MODEL, release="1" * 64, most=101)
    assert sum(row["x"] >= 1000 for row in rows) == 1


def test_rows_come_back_with_every_column_that_was_sent(release_project):
    """Keep a column that the next release does not know, and one named like the table's own."""
    contract = CONTRACT.model_copy(
        update={"inputs": (Input(name="x", type="number"), Input(name="time", type="category"))}
    )
    table = InferenceTable(
        release_project.storage.address("inference", MODEL), contract, release="0" * 64, slot="blue"
    )
    table.put(
        Served("asked", False, datetime.now(UTC), {"x": [1.0], "time": ["noon"]}, [0.0], [0.0], 1.0)
    )
    table.close()
    assert recent_rows(release_project.storage, MODEL, release="0" * 64, most=MOST_ROWS) == [
        {"x": 1.0, "time": "noon"}
    ]


def test_a_release_that_refuses_the_rows_of_clients_gives_the_traffic_back(release_project):
    """Roll back on two rows of two, though the example row was answered."""
    _, first = release_project.released("a")
    write_client_rows(release_project, first.release, rows=2, values=[6.0, 7.0])
    release_project.challenger(name="b", refuses_from=5)
    with pytest.raises(
        RolloutError,
        match="2 of 2 rows from clients, which the release before answers, were answered 400",
    ):
        release_project.release()
    assert release_project.answers_with() == first.release


def test_one_odd_row_of_a_hundred_decides_nothing(release_project):
    """Settle a release that refuses one row that a client may have searched for."""
    _, first = release_project.released("a")
    write_client_rows(
        release_project, first.release, rows=100, values=[*(one / 100 for one in range(99)), 6.0]
    )
    release_project.challenger(name="b", refuses_from=5)
    lines = []
    assert release_project.release(progress=lines.append).state == "released"
    assert any(
        "1 of 100 rows from clients are not answered as before, which decides nothing" in line
        for line in lines
    ), lines


# What clients send during the bake

JUNK = {
    "no JSON": b"{{{{",
    "nothing": b"",
    "an unknown column": {"y": 1.0},
    "a row that breaks every release": {"x": 1e9},
    "bytes": bytes(range(256)),
    "a list of junk": [{"x": 1.0}, {"z": 2.0}],
    "deep": b"[" * 900 + b"]" * 900,
}


def make_client_progress(release_project, *, times=40, client="mallory", honest=0):
    """Return a progress function that sends the rows right after the switch."""

    def progress(line, rows):
        if line.startswith("follow"):
            ask_as_client(release_project, {"x": 1.0}, times=honest, client="honest")
            ask_as_client(release_project, rows, times=times, client=client)

    return progress


@pytest.mark.parametrize("junk", JUNK)
def test_nobody_who_can_merely_send_requests_sends_a_healthy_release_back(release_project, junk):
    """Settle a release after forty requests that the release before does not answer either."""
    _, first = release_project.released("a", fails_from=100)
    release_project.challenger(name="b", fails_from=100)
    send = make_client_progress(release_project)
    outcome = release_project.release(progress=lambda line: send(line, JUNK[junk]))
    assert (outcome.state, release_project.answers_with() == first.release) == ("released", False)


def test_a_bad_header_is_no_fault_of_the_release(release_project):
    """Ask the old slot with the same headers."""
    release_project.released("a")
    release_project.challenger(name="b")

    def progress(line):
        if line.startswith("follow"):
            ask_as_client(
                release_project, {"x": 1.0}, times=40, headers={"x-event-time": "tomorrow"}
            )

    assert release_project.release(progress=progress).state == "released"


@pytest.mark.parametrize("times", [1, 2])
def test_one_or_two_server_errors_decide_nothing(release_project, times):
    """Settle the release, even if the release before answers the row."""
    release_project.released("a")
    release_project.challenger(name="b", fails_from=5)
    send = make_client_progress(release_project, times=times)
    assert release_project.release(progress=lambda line: send(line, {"x": 6.0})).state == "released"


@pytest.mark.parametrize(
    ("behaviour", "how"), [({"fails_from": 5}, "a server error"), ({"refuses_from": 5}, "4xx")]
)
def test_a_release_that_fails_what_the_one_before_answers_gives_the_traffic_back(
    release_project, behaviour, how
):
    """Roll back though the example row and all of our own probes are answered."""
    _, first = release_project.released("a")
    release_project.challenger(name="b", **behaviour)
    send = make_client_progress(release_project, times=20)
    with pytest.raises(
        RolloutError,
        match=f"20 of 20 requests from clients were answered with {how}, "
        "which the release before answers",
    ):
        release_project.release(progress=lambda line: send(line, {"x": 6.0}))
    assert release_project.answers_with() == first.release


def test_one_client_of_several_does_not_decide_alone(release_project):
    """Settle if only one client fails and another sends most of the requests."""
    release_project.released("a")
    release_project.challenger(name="b", refuses_from=5)
    send = make_client_progress(release_project, times=20, honest=60)
    assert release_project.release(progress=lambda line: send(line, {"x": 6.0})).state == "released"


def test_a_release_that_fails_now_and_then_gives_the_traffic_back(release_project):
    """Roll back if every third probe fails and the slot before answers each."""
    release_project.declare(
        serving={**release_project.environment.serving.model_dump(), "bake_seconds": 3.0}
    )
    _, first = release_project.released("a")
    release_project.challenger(
        name="b", fails_every_when_live=3, live=str(release_project.slots.home / "current" / "dial")
    )
    with pytest.raises(
        RolloutError, match="of our own predictions failed: a prediction was answered 500"
    ):
        release_project.release(progress=lambda line: None)
    assert release_project.answers_with() == first.release


# The evidence itself


@settings(max_examples=200, deadline=None)
@given(
    counts=st.lists(st.tuples(st.integers(1, 500), st.floats(0, 1)), min_size=2, max_size=6),
    kind=st.sampled_from(["errors", "refusals"]),
)
def test_a_minority_client_never_decides_alone(counts, kind):
    """Return no fault for any requests of a client that sends less than half."""
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
    """Return a fault if half of each client's requests fail that the old release answers."""
    assert (
        fault_of(
            kind, {f"c{number}": ClientCounts(each, each * share) for number in range(clients)}
        )
        is not None
    )


def test_fewer_failures_than_three_decide_nothing():
    """Return no fault for two failures, whatever their share."""
    assert fault_of("errors", {"a": ClientCounts(LEAST_FAILED - 1, LEAST_FAILED - 1)}) is None
    assert fault_of("errors", {"a": ClientCounts(LEAST_FAILED, LEAST_FAILED)}) is not None
    assert fault_of("errors", {}) is None


def test_looking_often_does_not_blame_a_release_within_its_tolerance():
    """Blame at most 1 % of 400 bakes, and noise, if one in a hundred requests fails by chance."""
    rng, blamed = np.random.default_rng(1), 0
    for _ in range(400):
        failed = np.cumsum(rng.random(2000) < 0.01)
        blamed += any(
            fault_of("errors", {"a": ClientCounts(n, failed[n - 1])}) for n in range(100, 2001, 100)
        )
    assert blamed / 400 < 0.025


# Slowness and deaths


def test_a_release_that_is_slow_gives_the_traffic_back(release_project):
    """Roll back if no answer in the bake kept the objective's second."""
    _, first = release_project.released("a")
    release_project.challenger(name="b", tells_of_slowness=True)
    with pytest.raises(RolloutError, match=r"(\d+) of \1 small requests took longer than 1000 ms"):
        release_project.release()
    assert release_project.answers_with() == first.release


def test_one_slow_answer_of_twenty_is_chance_and_three_are_not():
    """Compute the chances 0.18, 0.017 and 0.001, at one slow answer in a hundred."""
    assert [round(chance_of(slow, 20, share=0.01), 3) for slow in (1, 2, 3)] == [
        0.182,
        0.017,
        0.001,
    ]
    assert chance_of(0, 20, share=0.01) == 1.0
    assert chance_of(2200, 200_000, share=0.01) < 1e-5


def test_a_server_that_is_taken_away_hides_no_slow_answers():
    """Count the other server's slow answers when one is gone."""
    with (
        fake_server(before=(5000, 800), after=(5000, 800), looks=3) as going,
        fake_server(before=(100, 0), after=(300, 200)) as staying,
    ):
        assert "200 of 200 small requests took longer" in str(watch_servers(staying, going))


def test_a_server_that_begins_anew_is_a_fault():
    """Find that its counts fall: it died, whatever it answers now."""
    with fake_server(before=(500, 0), after=(3, 0)) as server:
        assert "began anew" in str(watch_servers(server))


def test_a_server_that_is_full_all_the_time_is_a_fault():
    """Find a server that refuses one row ten times a second."""
    with fake_server(before=(1, 0), after=(9, 0), statuses=[503]) as server:
        assert "no room for any of our own" in str(watch_servers(server))


def test_a_server_that_is_full_for_a_while_is_none():
    """Return no fault for a server that a client floods for a while."""
    with fake_server(before=(1, 0), after=(9, 0), statuses=[503, 503, 429, 200]) as server:
        assert watch_servers(server) is None


def test_a_proxy_without_a_server_is_a_fault():
    """Find a proxy that answers 502 or 503 while nothing answers at the slot's own address."""
    for status in (-502, -503):
        with fake_server(before=(1, 0), after=(9, 0), statuses=[200, status]) as proxy:
            bake = make_bake(proxy).model_copy(
                update={"new": SlotAddress(url="http://127.0.0.1:1")}
            )
            assert f"a prediction was answered {-status}" in str(
                watch(bake, is_live=lambda: True, progress=lambda _: None)
            )


def test_a_proxy_that_finds_no_room_is_none():
    """Return no fault while the server itself is alive."""
    with fake_server(
        before=(1, 0), after=(9, 0), statuses=[200, -503, -504, -502, -503, -503, -503, -503]
    ) as proxy:
        assert watch_servers(proxy) is None


def test_where_neither_slot_answers_the_machine_is_at_fault_and_the_bake_ends():
    """Return no fault if the slot before fails as the new one does."""
    with (
        fake_server(before=(1, 0), after=(9, 0), statuses=[500]) as old,
        fake_server(before=(1, 0), after=(9, 0), statuses=[200, 500]) as new,
    ):
        bake = make_bake(new).model_copy(update={"old": SlotAddress(url=old)})
        assert watch(bake, is_live=lambda: True, progress=lambda _: None) is None


def test_a_server_that_hangs_is_a_fault_and_one_that_is_late_is_none(monkeypatch):
    """Find a server that answers nothing for long while the slot before does."""
    monkeypatch.setattr(predeployment, "ANSWER_SECONDS", 0.2)
    with fake_server(before=(1, 0), after=(9, 0), statuses=[200, LATE, LATE, 200]) as server:
        assert watch_servers(server) is None
    monkeypatch.setattr(probes, "HUNG_SECONDS", 1.0)
    with fake_server(before=(1, 0), after=(9, 0), statuses=[200, LATE]) as server:
        assert "not answered at all for 1 s" in str(watch_servers(server))


def test_one_failure_among_many_answers_is_none_and_a_last_one_is_asked_again():
    """Decide nothing by one probe, wherever it comes."""
    with fake_server(before=(1, 0), after=(9, 0), statuses=[200, 500, 200]) as server:
        assert watch_servers(server) is None
    with fake_server(
        before=(1, 0), after=(9, 0), statuses=[200, 200, 200, 200, 500, 200]
    ) as server:
        assert watch_servers(server) is None


def test_servers_that_keep_their_objective_are_no_fault():
    """Return no fault for servers that keep their objective in the bake."""
    with fake_server(before=(100, 50), after=(300, 50)) as server:
        assert watch_servers(server) is None


def test_slow_answers_between_the_switch_and_the_bake_s_beginning_count():
    """Count from before the switch: clients come some seconds before the bake begins."""
    with fake_server(before=(300, 200), after=(300, 200)) as server:
        before = Baseline(new={server: Counted(100, 0, 0, 100, 0, 100, 0)})
        assert "200 of 200 small requests took longer" in str(watch_servers(server, before=before))


def test_a_server_that_came_during_the_bake_is_compared_with_the_others():
    """Compare servers that the autoscaler added when the bake ends."""
    bake = make_bake("a", before=Baseline(new={"a": NOTHING_COUNTED, "pending": None}))
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


def watch_servers(*servers: str, before: Baseline | None = None) -> str | None:
    """Watch these servers, and return the fault."""
    return watch(make_bake(*servers, before=before), is_live=lambda: True, progress=lambda _: None)


def make_bake(*servers: str, before: Baseline | None = None) -> Bake:
    """Return a bake of these servers; without a baseline each begins with its first counts."""
    names = {server: server for server in servers}
    before = before or Baseline(new=dict.fromkeys(names))
    about = {"servers": names, "before": before, "new": SlotAddress(url=servers[0])}
    return Bake(url=servers[0], release="r", row={"x": 1.0}, seconds=0.5, p99_ms=1000, **about)


@contextmanager
def fake_server(
    *,
    before: tuple[int, int],
    after: tuple[int, int],
    looks: int | None = None,
    statuses: Sequence[int] = (200,),
) -> Iterator[str]:
    """Serve predictions and counts: so many requests and slow ones at the first look, and later.

    It is gone after `looks`. Predictions are answered with the `statuses` in turn, the last for
    ever; a negative one is a proxy's.
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
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
