"""Test which rows an environment takes."""

import numpy as np
import pandas as pd
import pytest
from support.project_tables import spec_of

from titlebout.data.hashes import row_hashes
from titlebout.data.split import HOLDOUT, SplitInput, split
from titlebout.data.window import FLOOR_CLASS_ROWS, FLOOR_ROWS, fraction_of, in_window, widened
from titlebout.spec import DataError, DataWindow, Split

HOURLY = pd.DataFrame({"when": pd.date_range("2020-01-01", periods=24 * 200, freq="h"), "a": 1})
TIMED = spec_of({"a": "number"}, time_column="when")


def test_rows_are_strictly_before_the_as_of_time():
    """Leave out midnight of the as-of day itself."""
    taken = in_window(HOURLY, TIMED, DataWindow(), as_of="2020-03-01")
    assert taken.rows["when"].max() == pd.Timestamp("2020-02-29 23:00")
    assert taken.window == ("2020-01-01T00:00:00", "2020-03-01T00:00:00")


def test_days_count_back_from_the_as_of_time():
    """Take 60 days of 24 hours, with the first of them."""
    taken = in_window(HOURLY, TIMED, DataWindow(days=60), as_of="2020-04-01T12:00")
    assert len(taken.rows) == 60 * 24
    assert taken.rows["when"].min() == pd.Timestamp("2020-02-01 12:00")


BY_TIME = TIMED.model_copy(update={"split": Split(by="time")})
LABELLED = HOURLY.assign(y=["yes", "no"] * (12 * 200))


def test_before_holdout_ends_where_the_holdout_of_all_rows_begins():
    """End where the holdout begins, and count days back from there. Ignore it for other splits."""
    taken = in_window(LABELLED, BY_TIME, DataWindow(days=50, before_holdout=True), as_of=None)
    whole = in_window(LABELLED, BY_TIME, DataWindow(), as_of=None)
    parts = split(rows_of(whole.rows), BY_TIME.split, subject="t")
    begins = whole.rows["when"][parts == HOLDOUT].min()
    assert taken.window == ((begins - pd.Timedelta(days=50)).isoformat(), begins.isoformat())
    assert begins == begins.normalize()
    assert len(taken.rows) == 50 * 24
    assert (
        in_window(LABELLED, TIMED, DataWindow(before_holdout=True), as_of=None).window
        == whole.window
    )


def test_rows_without_a_target_do_not_move_the_border():
    """Begin the holdout earlier if the newest rows have no label yet, as prod leaves them out."""
    late = LABELLED.assign(y=LABELLED["y"].where(LABELLED["when"] < LABELLED["when"].quantile(0.7)))
    known = late[late["y"].notna()]
    parts = split(rows_of(known), BY_TIME.split, subject="t")
    taken = in_window(late, BY_TIME, DataWindow(before_holdout=True), as_of=None)
    assert taken.rows["when"].max() < known["when"][parts == HOLDOUT].min()


def rows_of(table: pd.DataFrame) -> SplitInput:
    times = table["when"].to_numpy(dtype="datetime64[us]").astype(np.int64)
    return SplitInput(np.arange(len(table), dtype=np.uint64), None, (), times, None)


def test_without_an_as_of_time_the_window_ends_after_the_last_row():
    """End a window of days with the data, not today."""
    taken = in_window(HOURLY, TIMED, DataWindow(days=50), as_of=None)
    assert taken.window == ("2020-05-30T00:00:00", "2020-07-19T00:00:00")


def test_a_window_is_widened_where_rows_are_few():
    """Take the last thousand rows, and say so, if the window holds fewer."""
    daily = HOURLY.iloc[::24].reset_index(drop=True)
    taken = in_window(daily, TIMED, DataWindow(days=30), as_of="2020-05-01")
    assert len(taken.rows) == 121
    assert "the last 30 days hold 30 rows only" in taken.notes[0]


def test_a_model_without_time_column_has_no_window():
    """Ignore the environment's days, and say so. Refuse an as-of time."""
    timeless = spec_of({"a": "number"})
    taken = in_window(HOURLY, timeless, DataWindow(days=30), as_of=None)
    assert len(taken.rows) == len(HOURLY)
    assert "not applied" in taken.notes[0]
    with pytest.raises(DataError, match="has no time_column"):
        in_window(HOURLY, timeless, DataWindow(), as_of="2020-03-01")


@pytest.mark.parametrize(
    ("as_of", "message"),
    [("1.3.2020", "an ISO date"), ("2020-02-30", "an ISO date"), ("2019-01-01", "a later --as-of")],
)
def test_a_wrong_as_of_time_is_refused(as_of: str, message: str):
    """Refuse another notation, a day that does not exist, and a day before all rows."""
    with pytest.raises(DataError, match=message):
        in_window(HOURLY, TIMED, DataWindow(), as_of=as_of)


def test_a_row_without_time_is_refused():
    """Name the row's number and the value."""
    broken = pd.DataFrame({"when": ["2020-01-01", "soon", None], "a": 1})
    with pytest.raises(
        DataError,
        match=r"2 rows without, 1 of them with something else; the first is row 2: 'soon'",
    ):
        in_window(broken, TIMED, DataWindow(), as_of=None)


def test_a_fraction_is_a_stable_subset():
    """Take the same rows in any order, more rows for a larger share, and whole groups."""
    hashes = row_hashes(pd.DataFrame({"a": np.arange(50_000)}))
    tenth, fifth = (fraction_of(hashes, None, None, share=share) for share in (0.1, 0.2))
    assert tenth.mean() == pytest.approx(0.1, abs=0.005)
    assert not (tenth & ~fifth).any()
    assert (fraction_of(hashes[::-1], None, None, share=0.1) == tenth[::-1]).all()
    groups = row_hashes(pd.DataFrame({"g": np.arange(50_000) % 500}))
    taken = fraction_of(hashes, groups, None, share=0.1)
    assert pd.Series(taken).groupby(groups).nunique().max() == 1


def test_a_fraction_leaves_enough():
    """Leave small tables whole, larger ones a thousand rows, and rare classes twenty rows."""
    assert widened(0.1, rows=150) == 1
    assert widened(0.1, rows=5_000) * 5_000 == pytest.approx(FLOOR_ROWS)
    assert widened(0.1, rows=50_000) == 0.1
    hashes = row_hashes(pd.DataFrame({"a": np.arange(50_000)}))
    classes = (np.arange(50_000) < 40).astype(np.int64)
    assert fraction_of(hashes, None, classes, share=0.1)[:40].sum() == FLOOR_CLASS_ROWS
