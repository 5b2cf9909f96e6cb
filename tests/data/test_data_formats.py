"""Test the one grammar of dates, numbers and codes.

Files read whole columns with Arrow, requests single values with Python, and both agree.
"""

import itertools
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.project_tables import make_project, prepared, spec_of, write

from titlebout.data.column_reading import (
    COMPACT_FORMATS,
    DATE_FORMATS,
    NUMBER_SHAPES,
    UNITS,
    decide_reading,
)
from titlebout.data.normalize import normalize_frame
from titlebout.data.parse import parse_numbers, parse_times
from titlebout.data.wire import to_wire
from titlebout.scoring.columns import Encoder
from titlebout.scoring.read_value import read_date, read_number
from titlebout.spec import (
    CODE,
    EPOCH_UNITS,
    ISO,
    MISSING_WORDS,
    TEXT,
    DataError,
    Input,
    InputError,
    ModelSpec,
    SpecError,
    check_format,
)

FORMATS = (
    ISO,
    *DATE_FORMATS,
    *COMPACT_FORMATS,
    *EPOCH_UNITS,
    "%Y-%d-%m",
    "%Y-%m-%d %H:%M",
    "%d/%m/%Y %I:%M:%S.%f %p",
    "%H:%M %d.%m.%y %z",
)
CLOCKS = (
    "",
    " 09:05",
    "T09:05:59",
    " 9:05 pm",
    " 12:00 AM",
    ", 00:00:00.123456789",
    " 10:00+00",
    "T10:00:00Z",
    " 10:00 UTC",
    "T1005-0330",
    " 24:00",
    " 13:00 PM",
)
NO_DATES = (
    "",
    "soon",
    "2024-02-30",
    "31/11/2024",
    "0000-01-01",
    "2024-05-01 10:00 somewhere",
    "２０２４-05-01",
    "12:30",
    "1" * 30,
    "x" * 5000,
)
MONEY = (
    "",
    "-",
    ".",
    "$",
    "1,23",
    "1.23.4",
    "--5",
    "$-$5",
    "($5",
    "5)",
    "1e5",
    "1e400",
    "٣",
    "1 000",
    "0x1F",
    "1_000",
    "nan",
    "inf",
)


def spelled(moment: datetime, form: str) -> str:
    if form in EPOCH_UNITS:
        return str(
            int(
                (moment - datetime(1970, 1, 1)).total_seconds()
                * EPOCH_UNITS["epoch_s"]
                / EPOCH_UNITS[form]
            )
        )
    return moment.strftime("%Y-%m-%d" if form == ISO else form)


def by_python(word: str, form: str) -> np.datetime64:
    try:
        return np.datetime64(read_date(word.strip(), form), "us")
    except ValueError:
        return np.datetime64("NaT", "us")


MOMENTS = st.datetimes(min_value=datetime(1969, 1, 1), max_value=datetime(2068, 12, 31)).map(
    lambda moment: moment.replace(microsecond=0)
)
TEXTS = st.one_of(
    st.builds(
        lambda moment, form, clock: spelled(moment, form) + clock,
        MOMENTS,
        st.sampled_from(FORMATS),
        st.sampled_from(CLOCKS),
    ),
    st.sampled_from(NO_DATES),
    st.text("0123456789-/.: TZapm+", max_size=24),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=40), st.sampled_from(FORMATS))
def test_files_and_requests_read_the_same_dates(words: list[str], form: str):
    """Read any text in any format as the same moment in both, or as none in both."""
    read = parse_times(pd.Series(words, dtype="str"), form)
    np.testing.assert_array_equal(read, [by_python(word, form) for word in words])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(st.sampled_from(MONEY), st.text("0123456789.,'’ $€%()+-−e\u00a0", max_size=12)),
        min_size=1,
        max_size=40,
    ),
    st.sampled_from(
        [
            shape.replace("1", unit + "1", 1)
            for shape, unit in itertools.product(NUMBER_SHAPES, ("", "$", "kr ", "%"))
        ]
    ),
)
@example(["1,234.50", "-$1,234.50", "($1,234.50)"], "$1,234.5")
def test_files_and_requests_read_the_same_numbers(words: list[str], form: str):
    """Read any text in any format as the same number in both, or as none in both."""
    if form == "1234.5" or form.startswith("%"):
        return  # plain text is no number over HTTP; a percent sign stands behind
    read = parse_numbers(pd.Series(words, dtype="str"), form)
    expected = []
    for word in words:
        try:
            expected.append(read_number(word.strip(), form))
        except ValueError:
            expected.append(np.nan)
    np.testing.assert_array_equal(read, expected)


@pytest.mark.parametrize("clock", ["", " 09:05", " 21:05:59"])
@pytest.mark.parametrize(
    "form", [ISO, *dict.fromkeys([*DATE_FORMATS, *COMPACT_FORMATS]), *EPOCH_UNITS]
)
def test_each_format_is_found_alone(form: str, clock: str):
    """Find the format of a column, or name its rivals if day and month could be exchanged."""
    if clock and (("%d" not in form and form != ISO) or "%H" in form):
        return
    hours, minutes, seconds = (
        (int(part) for part in (clock.strip() + ":0:0").split(":")[:3]) if clock else (0, 0, 0)
    )
    moments = [
        datetime(2001 + k % 20, 1 + k % 12, 1 + k % 28, hours, minutes, seconds) for k in range(60)
    ]
    if "%d" not in form and form not in (ISO, *EPOCH_UNITS):
        moments = [moment.replace(day=1) for moment in moments]
    values = pd.Series(
        [spelled(moment, form) + (clock if form not in EPOCH_UNITS else "") for moment in moments],
        dtype="str",
    )
    decision = decide_reading(values, "date")
    assert not decision.rivals or "%y" in form
    if not decision.rivals:
        read = to_wire(values, "date", decision.format).values.to_numpy(dtype="datetime64[us]")
        np.testing.assert_array_equal(read, np.array(moments, dtype="datetime64[us]"))


@pytest.mark.parametrize("shape", NUMBER_SHAPES)
@pytest.mark.parametrize("unit", ["", *UNITS])
def test_each_number_format_is_found_alone(shape: str, unit: str):
    """Find thousands separator, decimal comma and unit from the column alone."""
    amounts = [1234.5, -0.25, 7.0, 9876543.21, 0.0]
    thousands, decimal = shape[1] if not shape[1].isdigit() else "", shape[-2]
    texts = [
        f"{amount:,.2f}".replace(",", "T").replace(".", decimal).replace("T", thousands) + unit
        for amount in amounts
    ]
    values = pd.Series(texts, dtype="str")
    decision = decide_reading(values, "number")
    assert decision.rivals == ()
    assert to_wire(values, "number", decision.format).values.tolist() == amounts


@pytest.mark.parametrize(
    ("values", "kind", "format", "rivals"),
    [
        (["05/09/2024", "25/09/2024"], "date", "%d/%m/%Y", ()),
        (["05/09/2024", "05/25/2024", "2024-01-02"], "date", "%m/%d/%Y", ()),
        (["05/09/2024", "06/09/2024"], "date", "%m/%d/%Y", ("%d/%m/%Y",)),
        (["05/05/2024", "06/06/2024"], "date", "%m/%d/%Y", ()),
        (["1,234", "5,678"], "number", "1,234.5", ("1234,5",)),
        (["1,234", "5,6"], "number", "1234,5", ()),
        (["1,234", "5,678", "1,234,567"], "number", "1,234.5", ()),
        (["1.5", "2"], "number", None, ()),
        (["1.0", "2.0"], "category", CODE, ()),
        (["1.0", "4.0-rc1"], "category", TEXT, ()),
        ([1.0, 2.0, None], "category", CODE, ()),
        ([1.5, 2.0], "category", TEXT, ()),
        (["007", "7"], "category", CODE, ()),
        ([None, None], "date", ISO, ()),
        ([None, None], "number", None, ()),
    ],
)
def test_a_column_decides_once(values: list, kind: str, format: str | None, rivals: tuple):
    """Decide by all values. If two formats fit all and differ, name both."""
    column = normalize_frame(pd.DataFrame({"v": values}))["v"]
    assert decide_reading(column, kind)[:2] == (format, rivals)


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        ("%d/%m", "date"),
        ("%Q", "date"),
        ("tomorrow", "date"),
        ("%Y %Y %m", "date"),
        ("12,34", "number"),
        ("1.234.5", "number"),
        ("$1,234.5€", "number"),
        ("int", "category"),
        ("true", "boolean"),
    ],
)
def test_a_format_that_is_none_is_refused(tmp_path, form: str, kind: str):
    """Refuse the format when model.yaml is read, not when the first row is."""
    with pytest.raises(ValueError, match=r"format|directive|%|1234|unit"):
        check_format(form, kind)
    project = make_project(tmp_path)
    path = project / "models" / "tried" / "model.yaml"
    path.write_text(
        spec_of({"v": kind})
        .model_dump_json()
        .replace(f'"type":"{kind}","format":null', f'"type":"{kind}","format":"{form}"')
    )
    with pytest.raises(SpecError, match=r"columns\.v"):
        ModelSpec.from_yaml(path)


ROWS = 60
LABELS = np.where(np.arange(ROWS) % 3 == 0, "yes", "no")


def test_an_ambiguous_column_is_refused_until_model_yaml_says_which(tmp_path):
    """Refuse to guess at training. Name the two formats, and accept either in model.yaml."""
    project = make_project(tmp_path)
    write(
        project,
        pd.DataFrame(
            {
                "d": [f"0{1 + k % 9}/0{1 + k % 7}/2024" for k in range(ROWS)],
                "a": np.arange(ROWS) * 1.5,
                "y": LABELS,
            }
        ),
    )
    with pytest.raises(DataError, match=r"%m/%d/%Y, %d/%m/%Y alike.*format of 'd'"):
        prepared(project, spec_of({"d": "date", "a": "number"}))
    dataset = prepared(
        project, spec_of({"d": {"type": "date", "format": "%d/%m/%Y"}, "a": "number"})
    )
    assert dataset.columns["d"].format == "%d/%m/%Y"


def test_what_training_decided_stands_in_the_dataset(tmp_path):
    """Record the formats of features and target, and the missing words."""
    project = make_project(tmp_path)
    frame = {
        "d": [f"{1 + k % 28}.02.2024" for k in range(ROWS)],
        "c": ["1.0", "2.0", "3.0"] * 20,
        "n": ["3,14", "2", "?"] * 20,
        "y": LABELS,
    }
    write(project, pd.DataFrame(frame))
    dataset = prepared(
        project, spec_of({"d": "date", "c": "category", "n": "number"}, missing=["?"])
    )
    assert {name: column.format for name, column in dataset.columns.items()} == {
        "d": "%d.%m.%Y",
        "c": CODE,
        "n": "1234,5",
    }
    assert (dataset.target_format, dataset.missing) == (TEXT, ("?",))


@pytest.mark.parametrize(
    "word", ["NA", "NaN", "null", "н/д", "無", "不明", "غير متوفر", "-999", "?", "none"]
)
def test_a_missing_word_is_what_model_yaml_says(word: str):
    """Read a word as missing if it is declared, else as a category, in files and requests."""
    column = Input(name="c", type="category", format=TEXT)
    for missing, expected in (((word,), ""), (("other",), word)):
        for spelled_word in (word, f" {word}", f"{word}\u00a0"):
            read = to_wire(
                normalize_frame(pd.DataFrame({"c": [spelled_word, "x"]}), missing=missing)["c"],
                "category",
                TEXT,
            ).values
            assert read.fillna("").iloc[0] == expected
            assert Encoder([column], missing=missing).encode({"c": [spelled_word]})[
                "c"
            ].tolist() == [expected]


def test_a_missing_number_is_missing_however_it_is_typed():
    """Read a declared -999 or infinity as missing in CSV, in Parquet and over HTTP."""
    missing = ("-999", "inf")
    for values in (
        ["-999", "1"],
        [-999, 1],
        [-999.0, 1.0],
        ["-999.0", "1"],
        [np.inf, 1.0],
        ["inf", "1"],
    ):
        read = to_wire(
            normalize_frame(pd.DataFrame({"n": values}), missing=missing)["n"], "number", None
        ).values
        assert read.isna().tolist() == [True, False]
    encoder = Encoder([Input(name="n", type="number")], missing=missing)
    assert np.isnan(
        encoder.encode({"n": [-999, -999.0, "-999", None, np.float64(-999)]})["n"]
    ).all()
    with pytest.raises(InputError, match="row 1, column 'n'"):
        encoder.encode({"n": [1, "-998"]})


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (
            Input(name="d", type="date", format="%d/%m/%Y"),
            ["25/09/2024", "2024-09-25", "25/09/2024 00:00"],
        ),
        (
            Input(name="d", type="date", format="%Y%m%d"),
            ["20240925", 20240925, 20240925.0, "2024-09-25"],
        ),
        (
            Input(name="d", type="date", format="epoch_s"),
            [1727222400, "1727222400", "2024-09-25", 1727222400.0],
        ),
        (
            Input(name="n", type="number", format="$1,234.5"),
            ["$1,234.50", 1234.5, "1,234.5", "1234.5", "$ 1,234.500"],
        ),
        (Input(name="c", type="category", format=CODE), ["3", "3.0", " 3", "3.00"]),
        (Input(name="b", type="boolean"), [True, 1, 1.0]),
    ],
)
def test_a_request_may_use_the_contract_s_own_format(column: Input, values: list):
    """Read ISO dates and JSON numbers beside the contract's format."""
    encoded = Encoder([column], missing=MISSING_WORDS).encode({column.name: values})
    assert all(len(set(found.tolist())) == 1 for found in encoded.values())


@pytest.mark.parametrize(
    ("column", "wrong"),
    [
        (Input(name="d", type="date", format="%d/%m/%Y"), "09/25/2024"),
        (Input(name="d", type="date", format="%d/%m/%Y"), 20240925),
        (Input(name="d", type="date", format="epoch_s"), True),
        (Input(name="d", type="date", format="epoch_s"), 1e300),
        (Input(name="n", type="number", format="1.234,5"), "1,234.5"),
        (Input(name="n", type="number", format="1234.5%"), "0.12"),
        (Input(name="c", type="category", format=CODE), 3),
        (Input(name="b", type="boolean"), "perhaps"),
    ],
)
def test_a_request_that_does_not_fit_is_refused_and_so_is_a_file(column: Input, wrong: object):
    """Refuse a value that fits only another order, or lacks the unit that tells its size."""
    with pytest.raises(InputError, match=f"column '{column.name}'"):
        Encoder([column], missing=MISSING_WORDS).encode({column.name: [wrong]})
    if isinstance(wrong, str):
        assert to_wire(pd.Series([wrong], dtype="str"), column.type, column.format).wrong.all()
