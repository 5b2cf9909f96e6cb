"""Keep the inference table limited, whole, and by day of arrival; no request ends its writer."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fitted_models import EXAMPLE, contract

from titlebout.serve import inference_table
from titlebout.serve.inference_rows import KEPT_CHARACTERS, OWN_COLUMNS, InferenceRows, feature_of
from titlebout.serve.inference_table import InferenceTable, Served, now
from titlebout.spec import Input

DAY = datetime(2013, 7, 4, 12, tzinfo=UTC)


def served(request_id: str, rows: int = 1, time: datetime = DAY) -> Served:
    """Return an answered request of so many rows."""
    columns = {name: [value] * rows for name, value in EXAMPLE.items()}
    return Served(request_id, False, time, columns, ["late"] * rows, [0.5] * rows, 1.0)


def open_table(folder: Path, clock: Callable[[], datetime] = now) -> InferenceTable:
    """Open an inference table in the folder."""
    return InferenceTable(
        str(folder), contract("binary"), release="r" * 64, slot="blue", clock=clock
    )


def rows_in(folder: Path) -> list[dict]:
    """Read all rows in the folder."""
    return ds.dataset(folder).to_table().to_pylist()


def test_what_does_not_fit_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full queue drops rows and never waits.

    Written and dropped rows add up to what was put.
    """
    monkeypatch.setattr(inference_table, "MAX_WAITING_ROWS", 10)
    table = open_table(tmp_path)
    for number in range(4):
        table.put(served(str(number), rows=4))
    assert (table.waiting_rows, table.counts.dropped) == (8, 8)
    table.close()
    assert (table.counts.written, table.waiting_rows) == (8, 0)
    assert ds.dataset(tmp_path).count_rows() == 8


def test_rows_lost_at_the_stop_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Rows are counted as dropped and logged if the disk is away until the stop."""
    (tmp_path / "file").touch()
    table = open_table(tmp_path / "file")
    table.put(served("a", rows=3))
    table.close()
    assert (table.counts.dropped, table.counts.written) == (3, 0)
    assert "3 rows lost" in caplog.text


def test_each_day_of_arrival_has_its_folder_and_no_partial_file_stays(tmp_path: Path) -> None:
    """Rows around midnight go to one folder per day, in files that can be read whole."""
    arrivals = iter([DAY + timedelta(days=number // 3) for number in range(6)])
    table = open_table(tmp_path, clock=lambda: next(arrivals))
    for number in range(6):
        table.put(served(str(number)))
    table.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "date=2013-07-04",
        "date=2013-07-05",
    ]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".parquet"}
    assert sum(pq.read_metadata(path).num_rows for path in files) == 6


def test_what_a_client_claims_makes_no_files(tmp_path: Path) -> None:
    """A thousand requests with different event times make one file.

    Event time and arrival are two columns.
    """
    table = open_table(tmp_path, clock=lambda: DAY)
    for number in range(1_000):
        table.put(served(str(number), time=DAY - timedelta(days=number % 7)))
    table.close()
    assert len(list(tmp_path.rglob("*.parquet"))) == 1
    rows = rows_in(tmp_path)
    assert {row["time"] for row in rows} == {DAY - timedelta(days=days) for days in range(7)}
    # it was answered a millisecond later
    assert {row["arrived"] for row in rows} == {DAY - timedelta(milliseconds=1)}


def test_a_restarted_server_adds_files(tmp_path: Path) -> None:
    """File names differ after a restart, though in a container every server has the same pid."""
    for request_id in ("a", "b"):
        table = open_table(tmp_path)
        table.put(served(request_id))
        table.close()
    assert ds.dataset(tmp_path).count_rows() == 2


def test_many_rows_are_written_before_the_time_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full batch wakes the writer, whatever the flush interval."""
    monkeypatch.setattr(inference_table, "FLUSH_ROWS", 5)
    monkeypatch.setattr(inference_table, "FLUSH_SECONDS", 1000.0)
    table = open_table(tmp_path)
    table.put(served("a", rows=5))
    while table.waiting_rows:
        assert table.counts.dropped == 0
    assert table.counts.written == 5
    table.close()


def table_of(names: list[str], folder: Path) -> InferenceTable:
    """Open the table of a model with these features."""
    inputs = tuple(Input(name=name, type="number") for name in names)
    return InferenceTable(
        str(folder),
        contract("binary").model_copy(update={"inputs": inputs}),
        release="r" * 64,
        slot="blue",
    )


@pytest.mark.parametrize(
    "names",
    [
        ["time", "feature.time"],
        [*OWN_COLUMNS, "date"],
        ["feature.feature.time", "feature.", " ", "größe"],
    ],
)
def test_no_feature_can_be_taken_for_another_column(tmp_path: Path, names: list[str]) -> None:
    """Every feature has a column of its own, whatever its name.

    The table's own columns keep their values.
    """
    table = table_of(names, tmp_path)
    table.put(
        Served(
            "a",
            True,
            DAY,
            {name: [10**30 + number] for number, name in enumerate(names)},
            ["late"],
            [0.5],
            1.0,
        )
    )
    table.close()
    (row,) = rows_in(tmp_path)
    features = {
        feature: row[column] for column in row if (feature := feature_of(column)) is not None
    }
    assert features == {name: float(10**30 + number) for number, name in enumerate(names)}
    assert (row["score"], row["prediction"], row["request_id"], row["time"]) == (
        0.5,
        "late",
        "a",
        DAY,
    )


def test_one_bad_request_does_not_take_others_with_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A request that cannot be written is counted and logged by its id.

    The rest of its batch, and what comes later, is written.
    """
    table = open_table(tmp_path)
    for number in range(20):
        table.put(served(str(number), rows=2))
    table.put(served("bad")._replace(columns={**served("bad").columns, "holiday": [object()]}))
    table.put(served("later"))
    table.close()
    assert len(rows_in(tmp_path)) == table.counts.written == 41
    assert (table.counts.unwritable, table.counts.dropped, table.waiting_rows) == (1, 0, 0)
    assert "request bad (1 rows) cannot be written" in caplog.text
    assert not table._broken


def test_a_writer_that_can_write_nothing_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that can make no row says so, and works again as soon as it can."""

    def refuse(*_: object) -> None:
        raise RuntimeError("no rows today")

    monkeypatch.setattr(inference_table, "FLUSH_SECONDS", 0.01)
    table = open_table(tmp_path)
    assert table.works
    with monkeypatch.context() as broken:
        broken.setattr(InferenceRows, "table", refuse)
        table.put(served("a", rows=3))
        while table.waiting_rows:
            assert table._thread.is_alive()
    assert (table.counts.unwritable, table.works) == (3, False)
    table.put(served("b"))
    table.close()
    assert [row["request_id"] for row in rows_in(tmp_path)] == ["b/0"]
    assert not table._broken


def test_a_fault_of_any_kind_does_not_end_the_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an unexpected error the rows wait, and are written afterwards."""
    monkeypatch.setattr(inference_table, "FLUSH_SECONDS", 0.01)
    table = open_table(tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(table._files, "write", lambda *_, **__: 1 / 0)
        table.put(served("a"))
        while table.counts.failures < 3:
            assert table._thread.is_alive()
    table.close()
    assert table.counts.written == 1


def test_the_queue_is_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue drops a few rows of much text while the disk is away."""
    (tmp_path / "file").touch()
    monkeypatch.setattr(inference_table, "MAX_WAITING_BYTES", 100_000)
    table = open_table(tmp_path / "file")
    for number in range(200):
        request = served(str(number))
        table.put(
            request._replace(
                columns={**request.columns, "carrier": [f"{number}" * KEPT_CHARACTERS]}
            )
        )
    assert 50_000 < table.waiting_bytes <= 100_000
    assert table.counts.dropped == 200 - table.waiting_rows > 100
    table.close()
    assert table.counts.dropped == 200


def test_long_texts_are_cut_and_say_so(tmp_path: Path) -> None:
    """Long texts of any script are cut before they wait, and say so."""
    table = open_table(tmp_path)
    for name, text in (("a", "名" * 1_000_000), ("b", "x" * KEPT_CHARACTERS)):
        table.put(served(name)._replace(columns={**served(name).columns, "origin": [text]}))
    assert table.waiting_bytes < 20_000
    table.close()
    kept = {row["request_id"]: row["feature.origin"] for row in rows_in(tmp_path)}
    assert kept["a/0"] == "名" * KEPT_CHARACTERS + "… [cut: 1,000,000 characters]"
    assert kept["b/0"] == "x" * KEPT_CHARACTERS


VALUES = {
    "number": st.none() | st.floats(width=32, allow_infinity=False) | st.integers(-(2**64), 2**64),
    "boolean": st.none() | st.booleans(),
    "category": st.none() | st.text(),
    "date": st.none()
    | st.datetimes().map(lambda moment: moment.isoformat())
    | st.dates().map(lambda day: day.isoformat()),
}
TYPES = st.sampled_from(sorted(VALUES))
NAMES = st.text(max_size=20, alphabet=st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    OWN_COLUMNS
).map(lambda name: f"feature.{name}")


@settings(max_examples=200, deadline=None)
@given(
    data=st.data(),
    types=st.dictionaries(NAMES | st.sampled_from(OWN_COLUMNS), TYPES, min_size=1, max_size=5),
)
def test_every_row_that_can_be_answered_can_be_kept(
    data: st.DataObject, types: dict[str, str]
) -> None:
    """Every value that the server takes is kept under its feature, whatever the names."""
    inputs = tuple(Input(name=name, type=kind) for name, kind in types.items())
    rows = InferenceRows(
        contract("binary").model_copy(update={"inputs": inputs}), release="r" * 64, slot="blue"
    )
    columns = {name: [data.draw(VALUES[kind])] for name, kind in types.items()}
    request_id = data.draw(
        st.text(
            min_size=1, max_size=128, alphabet=st.characters(min_codepoint=32, max_codepoint=126)
        )
    )
    request = Served(request_id, True, DAY, columns, ["late"], [0.5], 1.0)
    (row,) = rows.table([rows.cut_and_measure(request, arrived=DAY)]).to_pylist()
    assert row["request_id"] == request_id
    assert {feature_of(column) for column in row} - {None} == set(types)
    for name, kind in types.items():
        (sent,), kept = columns[name], row[f"feature.{name}"]
        if kind == "number":
            assert kept == (None if sent is None or math.isnan(sent) else float(sent))
        elif kind == "date":
            assert kept == (None if sent is None else datetime.fromisoformat(sent))
        elif kind == "category":
            assert kept == ((sent or "").strip() or None)
        else:
            assert kept == sent
