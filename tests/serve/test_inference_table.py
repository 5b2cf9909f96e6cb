"""The inference table under pressure: bounded, by day, and never half a file."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from fitted import EXAMPLE, contract

from titlebout.serve import inference_table
from titlebout.serve.inference_table import InferenceTable, Served
from titlebout.spec import Input

DAY = datetime(2013, 7, 4, 12, tzinfo=UTC)


def served(request_id: str, rows: int = 1, time: datetime = DAY) -> Served:
    columns = {name: [value] * rows for name, value in EXAMPLE.items()}
    return Served(request_id, False, time, columns, ["late"] * rows, [0.5] * rows, 1.0)


def open_table(folder: Path) -> InferenceTable:
    return InferenceTable(str(folder), contract("binary"), release="r" * 64, slot="blue")


def test_what_does_not_fit_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the queue full, rows are dropped, never waited for; written and dropped add up to what was put."""
    monkeypatch.setattr(inference_table, "MAX_WAITING_ROWS", 10)
    table = open_table(tmp_path)
    for number in range(4):
        table.put(served(str(number), rows=4))
    assert (table.waiting_rows, table.counts.dropped) == (8, 8)
    table.close()
    assert (table.counts.written, table.waiting_rows) == (8, 0)
    assert ds.dataset(tmp_path).count_rows() == 8


def test_rows_lost_at_the_stop_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A disk that stays away: the rows are counted as dropped, and the log says so."""
    (tmp_path / "file").touch()
    table = open_table(tmp_path / "file")
    table.put(served("a", rows=3))
    table.close()
    assert (table.counts.dropped, table.counts.written) == (3, 0)
    assert "3 rows lost" in caplog.text


def test_each_day_has_its_folder_and_no_partial_file_stays(tmp_path: Path) -> None:
    """Rows of two days in turn, in files that can each be read whole."""
    table = open_table(tmp_path)
    for number in range(6):
        table.put(served(str(number), time=DAY.replace(day=4 + number % 2)))
    table.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["date=2013-07-04", "date=2013-07-05"]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".parquet"}
    assert sum(pq.read_metadata(path).num_rows for path in files) == 6


def test_a_restarted_server_adds_files(tmp_path: Path) -> None:
    """In a container every server has the same pid; names differ all the same."""
    for request_id in ("a", "b"):
        table = open_table(tmp_path)
        table.put(served(request_id))
        table.close()
    assert ds.dataset(tmp_path).count_rows() == 2


def test_many_rows_are_written_before_the_time_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full batch wakes the writer, whatever the flush interval."""
    monkeypatch.setattr(inference_table, "FLUSH_ROWS", 5)
    monkeypatch.setattr(inference_table, "FLUSH_SECONDS", 1000.0)
    table = open_table(tmp_path)
    table.put(served("a", rows=5))
    while table.waiting_rows:
        assert table.counts.dropped == 0
    assert table.counts.written == 5
    table.close()


def test_a_feature_called_like_a_column_of_the_table_is_kept(tmp_path: Path) -> None:
    """A feature `score` stands beside the prediction's score."""
    changed = contract("binary").model_copy(update={"inputs": (Input(name="score", type="number"),)})
    table = InferenceTable(str(tmp_path), changed, release="r" * 64, slot="blue")
    table.put(Served("a", True, DAY, {"score": [10**30]}, ["late"], [0.5], 1.0))
    table.close()
    row = ds.dataset(tmp_path).to_table().to_pylist()[0]
    assert (row["feature.score"], row["score"]) == (1e30, 0.5)
