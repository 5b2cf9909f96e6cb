"""Encode what clients may send."""

import math
from datetime import UTC, date, datetime

import numpy as np
import pytest

from titlebout.scoring.columns import encode, model_columns
from titlebout.spec import Input, InputError, SpecError

NUMBER = Input(name="n", type="number")
FLAG = Input(name="b", type="boolean")
WORD = Input(name="c", type="category")
DAY = Input(name="d", type="date")
ALL = (NUMBER, FLAG, WORD, DAY)
ROW = {"n": [1], "b": [True], "c": ["x"], "d": ["2013-07-04T17:30"]}


def test_model_columns_are_what_encode_gives() -> None:
    """`model_columns` and `encode` agree in names, order and types."""
    encoded = encode(ALL, ROW)
    assert [
        (name, "text" if values.dtype == object else "number") for name, values in encoded.items()
    ] == model_columns(ALL)
    assert {values.dtype for values in encoded.values()} == {np.dtype(object), np.dtype(np.float32)}
    assert {values.shape for values in encoded.values()} == {(1,)}


def test_a_date_becomes_its_parts() -> None:
    """A date becomes the parts of its wall clock, whatever the zone.

    2013-07-04 was a Thursday.
    """
    for written in (
        "2013-07-04T17:30",
        "2013-07-04T17:30:00+02:00",
        datetime(2013, 7, 4, 17, tzinfo=UTC),
        np.datetime64("2013-07-04T17"),
    ):
        encoded = encode(
            [DAY],
            {"d": [written] if not isinstance(written, np.datetime64) else np.array([written])},
        )
        assert [float(values[0]) for values in encoded.values()] == [2013, 7, 4, 3, 17]
    assert [float(v[0]) for v in encode([DAY], {"d": [date(1969, 12, 31)]}).values()] == [
        1969,
        12,
        31,
        2,
        0,
    ]


def test_missing_values_are_encoded_as_missing() -> None:
    """None, NaN and NaT become NaN in numbers and the empty text in categories."""
    encoded = encode(
        ALL,
        {
            "n": [None, math.nan],
            "b": [None, math.nan],
            "c": [None, math.nan],
            "d": [None, math.nan],
        },
    )
    assert encoded["c"].tolist() == ["", ""]
    assert all(np.isnan(values).all() for name, values in encoded.items() if name != "c")
    assert np.isnan(encode([DAY], {"d": np.array(["NaT"], dtype="datetime64[ns]")})["d.hour"]).all()


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (NUMBER, np.array([1, 2], dtype=np.int64)),
        (NUMBER, np.array([1, 2.0, np.int8(3)], dtype=object)),
        (FLAG, np.array([True, False])),
        (FLAG, np.array([True, None, np.nan], dtype=object)),
        (WORD, np.array(["a", "b"])),
        (WORD, np.array(["a", None, np.nan], dtype=object)),
        (WORD, np.array([np.nan, np.nan])),
        (DAY, np.array(["2013-07-04", None], dtype=object)),
    ],
)
def test_arrays_and_lists_give_the_same(column: Input, values: np.ndarray) -> None:
    """An array of a frame is encoded as the list of its values is."""
    from_array = encode([column], {column.name: values})
    from_list = encode([column], {column.name: values.tolist()})
    for name in from_array:
        np.testing.assert_array_equal(from_array[name], from_list[name])


@pytest.mark.parametrize(
    ("column", "wrong"),
    [
        (NUMBER, "12"),
        (NUMBER, True),
        (NUMBER, math.inf),
        (NUMBER, 1e39),
        (NUMBER, -(10**400)),
        (NUMBER, [1]),
        (FLAG, 2),
        (FLAG, "true"),
        (WORD, 3),
        (WORD, False),
        (WORD, {"a": 1}),
        (DAY, "yesterday"),
        (DAY, 20130704),
        (DAY, True),
        (DAY, "2013-02-30"),
    ],
)
def test_a_wrong_value_is_refused_by_column_and_row(column: Input, wrong: object) -> None:
    """The error names the column, the row among many, what was expected and what was found."""
    with pytest.raises(InputError) as alone:
        encode([column], {column.name: [wrong]})
    with pytest.raises(InputError) as among_others:
        encode([column], {column.name: [None, None, wrong, None]})
    assert alone.value.subject == f"column {column.name!r}"
    assert among_others.value.subject == f"row 2, column {column.name!r}"
    assert str(wrong)[:20] in alone.value.found


def test_infinity_in_an_array_is_refused() -> None:
    """The fast path of arrays checks as the slow one does; a boolean array holds no numbers."""
    with pytest.raises(InputError, match="row 1, column 'n'"):
        encode([NUMBER], {"n": np.array([0.0, np.inf])})
    with pytest.raises(InputError, match=r"column 'n'"):
        encode([NUMBER], {"n": np.array([True, False])})


def test_unknown_and_absent_columns_are_named() -> None:
    """The error for a misspelt name suggests the name that was probably meant."""
    with pytest.raises(InputError, match=r"column 'n'.*no such column"):
        encode(ALL, {name: values for name, values in ROW.items() if name != "n"})
    with pytest.raises(InputError, match=r"column 'extra'.*leave it out"):
        encode(ALL, {**ROW, "extra": [1]})
    with pytest.raises(InputError, match="did you mean 'carrier'"):
        encode([Input(name="carrier", type="category")], {"carrier": ["a"], "carier": ["a"]})


def test_columns_of_different_lengths_are_refused() -> None:
    """Refuse columns of different lengths, and name one."""
    with pytest.raises(InputError, match=r"column 'b'"):
        encode(ALL, {**ROW, "b": [True, False]})


def test_two_columns_of_one_name_are_refused() -> None:
    """Refuse a number with the name of a date's part, which would be overwritten silently."""
    with pytest.raises(SpecError, match=r"d\.year"):
        model_columns([DAY, Input(name="d.year", type="number")])
