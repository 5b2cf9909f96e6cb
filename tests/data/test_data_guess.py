"""Test how `titlebout new` reads columns that are written in unusual ways.

It finds the specific format, or asks a question. It never drops a column without a reason.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.project_tables import make_project, prepared

from titlebout.scaffold import infer_spec, new_model
from titlebout.scaffold.guess_column import QUESTION
from titlebout.scaffold.new_model import Inferred
from titlebout.spec import MISSING_WORDS, DataError, ModelSpec

ROWS = 200
RNG = np.random.default_rng(5)
Y = np.where(RNG.random(ROWS) < 0.3, "bad", "good")
A = RNG.normal(size=ROWS)
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
WHEN = pd.date_range("2024-01-01 10:00", periods=ROWS, freq="31h")


def inferred(tmp_path: Path, columns: dict, target: str = "y") -> Inferred:
    pd.DataFrame({"a": A, "y": Y, **columns}).to_csv(tmp_path / "t.csv", index=False)
    return infer_spec("tried", tmp_path / "t.csv", target)


def with_some(values: object, word: str, count: int = 3) -> list[str]:
    texts = [str(value) for value in np.asarray(values)]
    for number in range(count):
        texts[number * 7 + 1] = word
    return texts


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("%Y-%m-%d %H:%M:%S+00", "iso"),
        ("%Y-%m-%d %H:%M:%S+0100", "iso"),
        ("%Y-%m-%dT%H:%M:%S.%f-03:30", "iso"),
        ("%Y-%m-%d %H:%M UTC", "iso"),
        ("%m/%d/%Y %I:%M %p", "%m/%d/%Y"),
        ("%d.%m.%Y %H:%M", "%d.%m.%Y"),
        ("%d %B %Y", "%d %b %Y"),
        ("%b %d, %Y", "%b %d, %Y"),
        ("%a, %d %b %Y %H:%M:%S GMT", "%d %b %Y"),
        ("%d-%b-%y", "%d %b %y"),
        ("%d.%m.%y", "%d.%m.%y"),
        ("%Y%m%d", "%Y%m%d"),
        ("%s", "epoch_s"),
        ("%s000", "epoch_ms"),
        ("%s000000000", "epoch_ns"),
        ("%Y%m%d%H", "%Y%m%d%H"),
        ("%Y%m%d%H%M", "%Y%m%d%H%M"),
        ("%Y%m%d%H%M%S", "%Y%m%d%H%M%S"),
    ],
)
def test_a_time_is_the_split_s_time_however_it_is_written(tmp_path: Path, written: str, form: str):
    """Split the rows by the time, in any notation, in the order of the moments."""
    times = [
        str(int(moment.timestamp())) + written[2:]
        if written.startswith("%s")
        else moment.strftime(written)
        for moment in WHEN
    ]
    project = make_project(tmp_path / "project")
    pd.DataFrame({"a": A, "at": times, "y": Y}).to_csv(tmp_path / "t.csv", index=False)
    _, spec, _ = new_model(project, name="tried-it", data=tmp_path / "t.csv", target="y")
    assert (spec.split.by, spec.time_column, spec.time_format) == ("time", "at", form)
    assert prepared(project, spec).parts["holdout"].last_time[:10] == f"{WHEN[-1]:%Y-%m-%d}"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([f"{moment:%a %b %d %H:%M:%S %Y}" for moment in WHEN], "what looks like times such as"),
        ([f"{moment:%d/%b/%Y:%H:%M:%S +0000}" for moment in WHEN], "what looks like times such as"),
        (
            [f"{moment:%H:%M}:{k % 60:02d}" for k, moment in enumerate(WHEN)],
            "what looks like times such as",
        ),
        (
            [
                moment.strftime(("%Y-%m-%d", "%d/%m/%Y", "%b %d, %Y")[k % 3])
                for k, moment in enumerate(WHEN)
            ],
            "what looks like times such as",
        ),
        ([f"{moment:%G-W%V-%u}" for moment in WHEN], "what looks like times such as"),
        (
            [f"{moment.day}. Oktober {moment.year - moment.month}" for moment in WHEN],
            "what looks like times such as",
        ),
        (
            [f"{moment:%Y/%m/%d}".translate(ARABIC) for moment in WHEN],
            "what looks like times such as",
        ),
        ([f"{abs(a) * 100:.2f} kg" for a in A], "what looks like amounts such as"),
        ([f"{abs(a):.3f}{'-' if a < 0 else ''}" for a in A], "what looks like amounts such as"),
        (
            [f"{k % 90:02d},{k * 7 % 100:02d},500.{k % 10}" for k in range(ROWS)],
            "what looks like amounts such as",
        ),
        (with_some(A, "н/д", 28), "all but 28 values are numbers"),
        (
            ["not yet" if k % 3 else text for k, text in enumerate(WHEN.strftime("%d.%m.%Y"))],
            "all but 133 values are dates",
        ),
        (with_some(WHEN.strftime("%d.%m.%Y"), "soon"), "all but 3 values are dates"),
        (with_some(A, "about 5"), "all but 3 values are numbers"),
        ([f"{'$€'[k % 2]}{k * 3 + 0.5:,.2f}" for k in range(ROWS)], "amounts in 2 units ($, €)"),
    ],
)
def test_what_cannot_be_read_is_a_question(tmp_path: Path, values: list[str], message: str):
    """Leave the column out with a question, which also goes to the terminal."""
    spec, _, questions = inferred(tmp_path, {"v": values})
    assert spec.exclude["v"].startswith(f"{QUESTION}: {message}")
    assert questions == (f"'v': {spec.exclude['v']}",)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            [f"{1 + k % 9}/{1 + k % 12}/2024" for k in range(ROWS)],
            "was read as %m/%d/%Y; if it is %d/%m/%Y",
        ),
        (
            [f"{1 + k % 9}-{1 + k % 12}-{20 + k % 4}" for k in range(ROWS)],
            "was read as %m-%d-%y; if it is %d-%m-%y",
        ),
        (
            [
                f"{moment:%Y-%m-%d %H:%M:%S}{('+00', '-05:00')[k % 2]}"
                for k, moment in enumerate(WHEN)
            ],
            "times of 2 zones",
        ),
    ],
)
def test_what_can_be_read_in_two_ways_is_read_and_asked(
    tmp_path: Path, values: list[str], message: str
):
    """Write the format into model.yaml, beside a question."""
    spec, notes, questions = inferred(tmp_path, {"v": values})
    assert spec.time_column == "v"
    assert message in questions[0]
    assert message in notes["time_format"]


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        ([f"${value:,.2f}" for value in A * 5000], "$1,234.5"),
        ([f"{value:.2f}".replace(".", ",") for value in A], "1234,5"),
        (
            [f"{value:,.2f} €".translate(str.maketrans(",.", ".,")) for value in A * 5000],
            "1.234,5€",
        ),
        ([f"{value}%" for value in RNG.integers(0, 100, ROWS)], "1234.5%"),
        ([f"{value:,.2f}".replace(",", "'") for value in A * 5000], "1'234.5"),
        ([f"{value:,}" for value in RNG.integers(10**6, 10**8, ROWS)], "1,234.5"),
        ([f"CHF {value:.2f}" for value in A], "CHF1234.5"),
    ],
)
def test_a_number_is_a_number_however_it_is_written(tmp_path: Path, texts: list[str], form: str):
    """Write the format of a feature or a target into model.yaml, and train by it."""
    spec, notes, _ = inferred(tmp_path, {"v": texts})
    assert (spec.columns["v"].type, spec.columns["v"].format) == ("number", form)
    assert f"written as {form}" in notes["columns.v"]
    project = make_project(tmp_path / "project")
    _, spec, _ = new_model(project, name="tried-it", data=tmp_path / "t.csv", target="v")
    assert (spec.task, spec.target.format) == ("regression", form)
    assert prepared(project, spec).rows == ROWS


@pytest.mark.parametrize("word", ["?", "-", "none", "Unknown", "#DIV/0!", "inf", "n.a."])
@pytest.mark.parametrize("values", [A, WHEN.strftime("%d.%m.%Y")], ids=["numbers", "dates"])
def test_a_word_among_numbers_or_dates_is_missing_and_named(
    tmp_path: Path, word: str, values: object
):
    """Add the word to `missing` in model.yaml, and say how often it stands where."""
    pd.DataFrame({"a": A, "v": with_some(values, word), "y": Y}).to_csv(
        tmp_path / "t.csv", index=False
    )
    project = make_project(tmp_path / "project")
    path, spec, _ = new_model(project, name="tried-it", data=tmp_path / "t.csv", target="y")
    assert spec.missing == (*MISSING_WORDS, word)
    assert "v" in spec.columns
    assert f"read as missing: {word!r} 3 times in 'v'" in path.read_text()
    assert ModelSpec.from_yaml(path) == spec
    assert prepared(project, spec).missing == spec.missing


def test_a_word_that_is_a_category_elsewhere_stays_one(tmp_path: Path):
    """Keep `none` as a category in one column, and ask about it in a column of numbers."""
    spec, *_ = inferred(
        tmp_path,
        {"v": with_some(A, "none"), "alley": RNG.choice(["none", "gravel", "paved"], ROWS)},
    )
    assert spec.missing == MISSING_WORDS
    assert "v" in spec.exclude
    assert spec.columns["alley"].type == "category"


def test_infinite_numbers_of_a_parquet_file_are_missing_and_named(tmp_path: Path):
    """Read infinity as missing, since it can be neither trained on nor served."""
    values = np.where(np.arange(ROWS) % 50 == 0, np.inf, A)
    pd.DataFrame({"a": A, "v": values, "y": Y}).to_parquet(tmp_path / "t.parquet")
    project = make_project(tmp_path / "project")
    path, spec, _ = new_model(project, name="tried-it", data=tmp_path / "t.parquet", target="y")
    assert "'inf' 4 times in 'v'" in path.read_text()
    assert prepared(project, spec).rows == ROWS


def test_namibia_is_asked_for(tmp_path: Path):
    """Ask about NA beside two-letter codes, but not beside other words."""
    countries = np.where(RNG.random(ROWS) < 0.2, "NA", RNG.choice(["DE", "FR", "US"], ROWS))
    _, notes, questions = inferred(tmp_path, {"country": countries})
    assert "Namibia" in questions[0]
    assert f"'NA' {int((countries == 'NA').sum())} times in 'country'" in notes["missing"]
    assert inferred(tmp_path, {"mood": np.where(countries == "NA", "NA", "good")}).questions == ()
    project = make_project(tmp_path / "project")
    pd.DataFrame({"a": A, "country": countries, "y": Y}).to_csv(tmp_path / "t.csv", index=False)
    kept = new_model(project, name="tried-it", data=tmp_path / "t.csv", target="y").spec.model_copy(
        update={"missing": ("",)}
    )
    assert prepared(project, kept).missing == ("",)


@pytest.mark.parametrize(
    "values",
    [
        RNG.integers(0, 2, ROWS),
        RNG.integers(0, 2, ROWS) * 1.0,
        with_some(RNG.integers(0, 2, ROWS), ""),
    ],
)
def test_ones_and_zeros_are_a_truth_value_and_a_slice(tmp_path: Path, values: object):
    """Declare 0 and 1 as boolean and as a slice, with missing values, too."""
    spec, *_ = inferred(tmp_path, {"member": values})
    assert spec.columns["member"].type == "boolean"
    assert spec.slices.columns == ("member",)


@pytest.mark.parametrize("ones", [40, 160])
@pytest.mark.parametrize(
    ("words", "positive"),
    [
        ((0, 1), "1"),
        ((0.0, 1.0), "1"),
        ((False, True), "True"),
        (("no", "yes"), "yes"),
        (("N", "Y"), "Y"),
        (("f", "t"), "t"),
    ],
)
def test_the_positive_class_is_the_one_that_means_yes(
    tmp_path: Path, ones: int, words: tuple, positive: str
):
    """Choose the class that means yes, however frequent it is."""
    target = [words[int(k < ones)] for k in range(ROWS)]
    spec, *_ = inferred(tmp_path, {"t": target}, target="t")
    assert (spec.task, spec.target.positive) == ("binary", positive)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("phone", RNG.choice(10**9, ROWS, replace=False) + 5 * 10**9),
        ("Mobile No", RNG.choice(10**6, ROWS, replace=False) + 10**7),
        ("tel", [f"+49 170 {value}" for value in RNG.choice(10**7, ROWS, replace=False)]),
        ("reading", RNG.choice(10**9, ROWS, replace=False) + 5 * 10**9),
        ("ID", RNG.integers(0, 150, ROWS)),
        ("customer_ids", RNG.integers(0, 150, ROWS)),
        ("id_kunde", [f"k{value}" for value in RNG.integers(0, 120, ROWS)]),
    ],
)
def test_what_names_the_row_is_left_out(tmp_path: Path, name: str, values: object):
    """Leave out contacts, long numbers of one length, and ids of few rows each."""
    spec, *_ = inferred(tmp_path, {name: values})
    assert "identifier" in spec.exclude[name]


def test_an_id_in_a_table_of_forty_rows_is_left_out(tmp_path: Path):
    """Leave out an id with few different values if each has too few rows."""
    pd.DataFrame({"a": A[:40], "ID": np.arange(40) // 2 * 7, "y": np.arange(40) % 2}).to_csv(
        tmp_path / "t.csv", index=False
    )
    assert "identifier" in infer_spec("tried", tmp_path / "t.csv", "y").spec.exclude["ID"]


def test_an_id_of_many_rows_is_asked_about(tmp_path: Path):
    """Ask whether the id is the group."""
    spec, _, questions = inferred(tmp_path, {"store_id": RNG.integers(0, 9, ROWS)})
    assert "store_id" in spec.columns
    assert "group_column" in questions[0]


@pytest.mark.parametrize(
    ("values", "lost"),
    [
        (2**24 * 8 + RNG.permutation(ROWS), True),
        (RNG.permutation(ROWS) * 1000, False),
        (A, False),
        (1e9 + A, True),
    ],
)
def test_what_float32_makes_equal_is_noted(tmp_path: Path, values: np.ndarray, lost: bool):
    """Warn of whole numbers above 2^24, and of numbers that differ in late digits only."""
    _, notes, _ = inferred(tmp_path, {"year v": values})
    assert ("become equal in the model's float32" in notes["columns.year v"]) is lost


def test_space_around_a_text_makes_no_category_and_no_class(tmp_path: Path):
    """Read `yes` and `yes ` as one value, in a feature and in the target."""
    spec, notes, _ = inferred(
        tmp_path,
        {
            "v": RNG.choice(["yes", "yes ", "no", "\u00a0no"], ROWS),
            "t": RNG.choice(["x", "x ", "z"], ROWS),
        },
        target="t",
    )
    assert notes["columns.v"].startswith("2 different")
    assert spec.task == "binary"
    project = make_project(tmp_path / "project")
    spec = new_model(project, name="tried-it", data=tmp_path / "t.csv", target="t").spec
    assert set(prepared(project, spec).classes) == {"x", "z"}


@pytest.mark.parametrize(
    "values",
    [
        [f"10.0.{k % 7}.{k}" for k in range(ROWS)],
        [f"{k * 37:05d}" for k in range(ROWS - 1)] + ["none"],
    ],
)
def test_what_names_a_thing_by_digits_is_no_amount(tmp_path: Path, values: list[str]):
    """Ask no question about addresses and codes with leading zeros."""
    assert inferred(tmp_path, {"v": values}).questions == ()


@pytest.mark.parametrize("word", ["?", "inf", "-", "None"])
def test_a_word_among_the_target_s_numbers_is_missing_and_named(tmp_path: Path, word: str):
    """Choose a regression, not a hundred classes, and count the rows without a target."""
    spec, notes, _ = inferred(tmp_path, {"t": with_some(A, word)}, target="t")
    assert (spec.task, word in spec.missing) == ("regression", True)
    assert notes["target"].startswith("3 of 200 rows")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (with_some(A, "н/д"), "all but 3 values are numbers; 'н/д' is none"),
        ([f"{abs(a):.3f} kg" for a in A], "what looks like amounts such as"),
        (np.where(A > 0, "NA", "DE"), "and .* without a value. Next: .* a class called NA"),
    ],
)
def test_a_target_that_cannot_be_read_says_why(tmp_path: Path, target: object, message: str):
    """Say why the target cannot be read, not that it has too many classes."""
    with pytest.raises(DataError, match=message):
        inferred(tmp_path, {"t": target}, target="t")


def test_one_means_no_yes_beside_two(tmp_path: Path):
    """Choose the rarer of 1 and 2 as the positive class."""
    assert (
        inferred(
            tmp_path, {"t": [1 + int(k < 40) for k in range(ROWS)]}, target="t"
        ).spec.target.positive
        == "2"
    )
