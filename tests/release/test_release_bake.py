"""The watch after the switch: what it blames a release for, and what it does not."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from house import MODEL, ask_as_client

from titlebout.release.bake import Bake, chance_of, late_fault, watch
from titlebout.release.baseline import Baseline
from titlebout.release.load import RELEASE_HEADER
from titlebout.release.recent import recent_rows
from titlebout.release.shift import LEAST_ROWS, MOST_ROWS, shift_of
from titlebout.rollout.slot_counts import NOTHING, Counted
from titlebout.serve.inference_table import InferenceTable, Served
from titlebout.spec import Contract, Engine, Input, RolloutError

CONTRACT = Contract(
    model=MODEL, task="regression", target="y", inputs=(Input(name="x", type="number"),), engine=Engine(name="onnx", reason="tests")
)


def clients_sent(house, release, rows):
    """So many rows with x from 0 to 10, in the release's inference table."""
    table = InferenceTable(house.storage.address("inference", MODEL), CONTRACT, release=release, slot="blue")
    values = [10 * row / rows for row in range(rows)]
    table.put(Served("asked", False, datetime.now(UTC), {"x": values}, [0.0] * rows, [0.0] * rows, 1.0))
    table.close()


def test_a_release_that_predicts_otherwise_gives_the_traffic_back(house):
    """On the rows that clients sent last, its mean is three standard deviations away."""
    _, first = house.released("a", factor=1.0)
    clients_sent(house, first.release, rows=200)
    house.challenger(name="b", factor=3.0)
    with pytest.raises(RolloutError, match=r"bake .*the predictions moved by 3\.45, allowed 0\.3"):
        house.release()
    assert house.answers_with() == first.release


def test_a_release_that_predicts_a_little_otherwise_stays(house):
    """That is what a new model is for."""
    _, first = house.released("a", factor=1.0)
    clients_sent(house, first.release, rows=200)
    house.challenger(name="b", factor=1.1)
    said = []
    assert house.release(progress=said.append).state == "released"
    assert any("on the last 200 rows from clients the predictions moved by 0.17, allowed 0.3" in line for line in said)


def test_too_few_rows_do_not_decide(house):
    """It says so."""
    _, first = house.released("a", factor=1.0)
    clients_sent(house, first.release, rows=LEAST_ROWS - 1)
    house.challenger(name="b", factor=3.0)
    said = []
    assert house.release(progress=said.append).state == "released"
    assert any(f"{LEAST_ROWS - 1} rows from clients, {LEAST_ROWS} needed" in line for line in said)


def test_only_the_old_release_s_last_rows_count(house):
    """Not those of a release before it, and not more than needed."""
    clients_sent(house, "0" * 64, rows=5)
    clients_sent(house, "1" * 64, rows=2 * MOST_ROWS)
    rows = recent_rows(house.storage, MODEL, release="1" * 64, most=MOST_ROWS)
    assert len(rows) == MOST_ROWS
    assert rows[1].keys() == {"x"}
    assert recent_rows(house.storage, MODEL, release="0" * 64, most=MOST_ROWS)[-1] == {"x": 8.0}


def test_a_release_that_refuses_the_rows_of_clients_gives_the_traffic_back(house):
    """Two rows are enough, though nobody asks during the bake and the example row was answered."""
    _, first = house.released("a")
    clients_sent(house, first.release, rows=2)
    house.challenger(name="b", refuses_from=5)
    with pytest.raises(RolloutError, match="the last 2 rows from clients, which the release before answers, were answered 400"):
        house.release()
    assert house.answers_with() == first.release


def test_rows_come_back_with_every_column_that_was_sent(house):
    """Also with one that the next release does not know, and one that is called like the table's own."""
    contract = CONTRACT.model_copy(update={"inputs": (Input(name="x", type="number"), Input(name="time", type="category"))})
    table = InferenceTable(house.storage.address("inference", MODEL), contract, release="0" * 64, slot="blue")
    table.put(Served("asked", False, datetime.now(UTC), {"x": [1.0], "time": ["noon"]}, [0.0], [0.0], 1.0))
    table.close()
    assert recent_rows(house.storage, MODEL, release="0" * 64, most=MOST_ROWS) == [{"x": 1.0, "time": "noon"}]


def test_a_class_that_grows_and_one_that_appears():
    """The share of any class, and a class that was never predicted before is one."""
    assert shift_of(["a"] * 6 + ["b"] * 4, ["a"] * 5 + ["b"] * 5) == pytest.approx(0.1)
    assert shift_of(["a"] * 10, ["a"] * 8 + ["c"] * 2) == pytest.approx(0.2)


def test_numbers_without_spread():
    """A constant that stays is no shift; one that moves is the largest there is."""
    assert shift_of([1.0] * 5, [1.0] * 5) == 0.0
    assert shift_of([1.0] * 5, [2.0] * 5) == float("inf")


def test_a_release_that_is_slow_gives_the_traffic_back(house):
    """Its own metrics tell so: of its answers in the bake none took less than the objective's second."""
    _, first = house.released("a")
    house.challenger(name="b", tells_of_slowness=True)
    with pytest.raises(RolloutError, match=r"(\d) of \1 requests took longer than 1000 ms"):
        house.release()
    assert house.answers_with() == first.release


def test_one_slow_answer_of_twenty_is_chance_and_three_are_not():
    """At one in a hundred: the chances are 0.18, 0.017 and 0.001."""
    assert [round(chance_of(slow, 20, share=0.01), 3) for slow in (1, 2, 3)] == [0.182, 0.017, 0.001]
    assert chance_of(0, 20, share=0.01) == 1.0
    assert chance_of(2200, 200_000, share=0.01) < 1e-5


def test_a_server_that_is_taken_away_hides_no_slow_answers():
    """What it counted before the bake is no longer there to be subtracted: the other's slow answers still count."""
    with teller(before=(5000, 800), after=(5000, 800), looks=3) as going, teller(before=(100, 0), after=(300, 200)) as staying:
        assert "200 of 200 requests took longer" in str(watched(staying, going))


def test_a_server_that_begins_anew_is_a_fault():
    """Its counts fall: it died in the watch, whatever it answers now."""
    with teller(before=(500, 0), after=(3, 0)) as server:
        assert "began anew" in str(watched(server))


def test_servers_that_keep_their_objective_are_no_fault():
    """The same watch finds nothing."""
    with teller(before=(100, 50), after=(300, 50)) as server:
        assert watched(server) is None


def test_slow_answers_between_the_switch_and_the_bake_s_beginning_count():
    """The clients came with the switch, the bake some seconds later: it begins with what was counted before."""
    with teller(before=(300, 200), after=(300, 200)) as server:
        assert "200 of 200 requests took longer" in str(watched(server, before=Baseline(new={server: Counted(100, 0, 0, 100, 0)})))


def test_a_server_that_came_during_the_bake_is_judged_by_its_whole_life():
    """The autoscaler adds it under load; it is read when the bake ends."""
    bake = baking("a", before=Baseline(new={"a": NOTHING, "pending": None}))
    assert late_fault(bake, {"a": Counted(9, 9, 9, 9, 9), "pending": Counted(5, 0, 0, 5, 0), "new": Counted(200, 0, 0, 200, 0)}) is None
    assert "3 of the clients' requests" in str(late_fault(bake, {"new": Counted(200, 3, 0, 200, 0)}))
    assert "200 of 200 requests took longer" in str(late_fault(bake, {"new": Counted(200, 0, 200, 200, 0)}))


def test_a_release_that_refuses_its_clients_gives_the_traffic_back(house):
    """All in the moment after the switch, before the bake looks: a row that the release before answered is refused by this one."""
    _, first = house.released("a")
    ask_as_client(house, {"x": 1.0}, times=20)
    house.challenger(name="b")
    with pytest.raises(RolloutError, match="20 of 20 requests from clients were refused with 4xx; the release before refused 0 of 20"):
        house.release(progress=lambda line: ask_as_client(house, {"y": 1.0}, times=20) if line.startswith("follow") else None)
    assert house.answers_with() == first.release


def test_clients_that_are_refused_as_before_are_no_fault(house):
    """One in five sends what no release ever took."""
    house.released("a")

    def ask():
        ask_as_client(house, {"x": 1.0}, times=40)
        ask_as_client(house, {"y": 1.0}, times=10)

    ask()
    house.challenger(name="b")
    assert house.release(progress=lambda line: ask() if line.startswith("follow") else None).state == "released"


def watched(*servers: str, before: Baseline | None = None) -> str | None:
    return watch(baking(*servers, before=before), is_live=lambda: True, progress=lambda _: None)


def baking(*servers: str, before: Baseline | None = None) -> Bake:
    """Without a baseline each server begins with what it tells first."""
    names = {server: server for server in servers}
    before = before or Baseline(new=dict.fromkeys(names))
    return Bake(url=servers[0], release="r", row={"x": 1.0}, seconds=0.5, p99_ms=1000, servers=names, before=before)


@contextmanager
def teller(*, before: tuple[int, int], after: tuple[int, int], looks: int | None = None) -> Iterator[str]:
    """A server that predicts, and tells of so many requests and slow ones at the first look and later; gone after `looks`."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            if looks is not None and len(seen) > looks:
                self.close_connection = True
                return
            requests, slow = before if len(seen) == 1 else after
            endpoint = 'endpoint="/predict"'
            self.answer(
                f'titlebout_requests_total{{{endpoint},status="200"}} {requests}\n'
                f'titlebout_request_seconds_bucket{{{endpoint},le="1.0"}} {requests - slow}\n'
                f'titlebout_request_seconds_bucket{{{endpoint},le="+Inf"}} {requests}\n'
            )

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.answer("{}")

        def answer(self, text: str) -> None:
            self.send_response(200)
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
