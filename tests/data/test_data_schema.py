"""Test that a source is brought into wire form, or refused with column, count, value and row."""

import numpy as np
import pandas as pd
import pytest
from support.project_tables import spec_of

from titlebout.data.column_reading import decide_reading
from titlebout.data.normalize import normalize_frame
from titlebout.data.schema import wire_frame
from titlebout.data.target import classes_of
from titlebout.data.wire import to_wire
from titlebout.spec import CODE, ColumnType, DataError


def wired(values: list, kind: ColumnType) -> list:
    """Return the values in wire form, with None for missing."""
    column = normalize_frame(pd.DataFrame({"v": values}))["v"]
    series = to_wire(column, kind, decide_reading(column, kind).format).values
    return [None if pd.isna(value) else value for value in series.tolist()]


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("number", ["1", " 2.5", "NA", "1e3", "-4"], [1, 2.5, None, 1000, -4]),
        ("number", [True, False, True], [1, 0, 1]),
        ("boolean", [0, 1, 1], [False, True, True]),
        ("boolean", [0.0, 1.0, None], [False, True, None]),
        ("boolean", ["Yes", "no", "TRUE", "f", ""], [True, False, True, False, None]),
        ("category", [1.0, 2.0, None], ["1", "2", None]),
        ("category", ["1.0", "2.0", ""], ["1", "2", None]),
        ("category", ["1.0", "1.10", "2.0"], ["1.0", "1.10", "2.0"]),
        ("category", [1.5, 2.0], ["1.5", "2.0"]),
        ("category", ["007", "7"], ["007", "7"]),
        ("category", [True, False], ["True", "False"]),
        (
            "date",
            ["2013-02-01", "2013-02-01T05:30:00Z", None],
            [pd.Timestamp("2013-02-01"), pd.Timestamp("2013-02-01 05:30"), None],
        ),
        (
            "date",
            ["01.02.2013", "28.02.2013"],
            [pd.Timestamp("2013-02-01"), pd.Timestamp("2013-02-28")],
        ),
        (
            "date",
            ["02/01/2013 17:30", "02/28/2013 09:00"],
            [pd.Timestamp("2013-02-01 17:30"), pd.Timestamp("2013-02-28 09:00")],
        ),
        (
            "date",
            ["13/02/2013", "01/02/2013"],
            [pd.Timestamp("2013-02-13"), pd.Timestamp("2013-02-01")],
        ),
        ("date", [20130201, 20130228], [pd.Timestamp("2013-02-01"), pd.Timestamp("2013-02-28")]),
    ],
)
def test_wire_form(kind: ColumnType, values: list, expected: list):
    """Read numbers as text, booleans as 0/1 or words, codes that became floats, and dates."""
    assert wired(values, kind) == expected


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        (
            {"type": "number"},
            ["1", "two", "3", "four"],
            "2 of 4 values are not finite numbers, for example 'two' in row 2",
        ),
        (
            {"type": "number"},
            [1.0, float("inf"), 2.0, 3.0],
            "1 of 4 values are not finite numbers, for example 'inf' in row 2",
        ),
        ({"type": "boolean"}, [0, 1, 2, 1], "1 of 4 values are not true or false"),
        (
            {"type": "date"},
            ["2013-01-01", "soon", "2013-13-01", None],
            "2 of 4 values are not dates",
        ),
        (
            {"type": "number", "nullable": False},
            [1, None, None, 4],
            "2 of 4 values are missing, for example in row 2",
        ),
        (
            {"type": "number", "minimum": 0},
            [1, -5, 3, -6],
            "2 of 4 values are below the minimum 0, for example '-5.0' in row 2",
        ),
        (
            {"type": "number", "maximum": 3},
            [1, 2, 3, 4],
            "1 of 4 values are above the maximum 3, for example '4.0' in row 4",
        ),
        (
            {"type": "category", "values": ["a", "b"]},
            ["a", "b", None, "c"],
            "1 of 4 values are none of a, b, for example 'c' in row 4",
        ),
    ],
)
def test_a_broken_expectation_is_named(column: dict, values: list, message: str):
    """Name the column, the number of rows, the expectation, an example and its row."""
    raw = normalize_frame(pd.DataFrame({"v": values, "y": ["yes", "no", "yes", "no"]}))
    with pytest.raises(DataError) as refused:
        wire_frame(raw, spec_of({"v": column}))
    assert f"column 'v': {message}" in refused.value.found
    assert "model.yaml" in refused.value.next_step


def test_every_broken_column_is_named_at_once():
    """Name every broken column, and do not name a text among numbers again as missing."""
    raw = normalize_frame(pd.DataFrame({"a": ["x", "1"], "b": [-1, 2], "y": ["yes", "no"]}))
    with pytest.raises(DataError) as refused:
        wire_frame(
            raw,
            spec_of(
                {"a": {"type": "number", "nullable": False}, "b": {"type": "number", "minimum": 0}}
            ),
        )
    assert refused.value.found.count("column ") == 2


@pytest.mark.parametrize(("absent", "near"), [("heigth", "'height'"), ("zzz", "add the column")])
def test_an_absent_column_is_named_with_the_nearest(absent: str, near: str):
    """Suggest the present column with the nearest name."""
    raw = normalize_frame(pd.DataFrame({"height": [1, 2], "y": ["yes", "no"]}))
    with pytest.raises(DataError) as refused:
        wire_frame(raw, spec_of({absent: "number"}))
    assert repr(absent) in refused.value.expected
    assert near in refused.value.next_step


@pytest.mark.parametrize(
    ("values", "more", "message"),
    [
        ([None] * 4, {}, "all are missing"),
        (["yes"] * 4, {}, "only 'yes' in 4 rows"),
        (["no", "nope", "no", "nope"], {}, "'no', 'nope'"),
        (["yes", "no", "maybe", "no"], {}, "'maybe', 'no', 'yes'"),
        (
            [1.0, "x", 2, 3],
            {"task": "regression", "target": {"column": "y"}},
            "1 other values, for example 'x' in row 2",
        ),
        ([5, 5, 5, 5], {"task": "regression", "target": {"column": "y"}}, "only '5.0' in 4 rows"),
    ],
)
def test_a_target_that_cannot_be_learned_is_refused(values: list, more: dict, message: str):
    """Refuse a target whose values do not fit the task."""
    raw = normalize_frame(pd.DataFrame({"a": [1, 2, 3, 4], "y": values}))
    spec = spec_of({"a": "number"}, **more)
    with pytest.raises(DataError) as refused:
        classes_of(wire_frame(raw, spec)["y"], spec)
    assert message in refused.value.found
    assert "'y'" in refused.value.subject


def test_classes_are_in_the_order_of_their_codes():
    """Give the positive class the code 1, and read whole numbers as texts without a point."""
    ones = normalize_frame(pd.DataFrame({"y": [1.0, 0.0, np.nan, 1.0]}))["y"]
    texts = to_wire(ones, "category", CODE).values
    assert classes_of(texts, spec_of({"a": "number"}, target={"column": "y", "positive": "0"})) == (
        "1",
        "0",
    )
    assert classes_of(
        texts, spec_of({"a": "number"}, task="multiclass", target={"column": "y"})
    ) == ("0", "1")
