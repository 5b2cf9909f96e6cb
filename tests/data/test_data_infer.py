"""Test the guesses of `titlebout new` for tidy tables, and its advice where it refuses one."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets
from support.project_tables import make_project, mixed, prepared

from titlebout.scaffold import infer_spec, new_model
from titlebout.spec import DataError, ModelSpec, NotAllowed, SpecError, TitleboutError

LOADERS = {
    "wine": (datasets.load_wine, "multiclass"),
    "iris": (datasets.load_iris, "multiclass"),
    "digits": (datasets.load_digits, "multiclass"),
    "breast_cancer": (datasets.load_breast_cancer, "binary"),
    "diabetes": (datasets.load_diabetes, "regression"),
}
RNG = np.random.default_rng(5)
ROWS = 200
VALUES = {
    "a": RNG.normal(size=ROWS),
    "y": np.where(RNG.random(ROWS) < 0.3, "bad", "good"),
}


def inferred(tmp_path: Path, columns: dict, target: str = "y"):
    pd.DataFrame(columns).to_csv(tmp_path / "t.csv", index=False)
    return infer_spec("tried", tmp_path / "t.csv", target)


@pytest.mark.parametrize("name", list(LOADERS))
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_real_tables_can_be_prepared_at_once(tmp_path: Path, name: str, ending: str):
    """Guess the task, write a model.yaml that reads back as the spec, and prepare the table."""
    loader, task = LOADERS[name]
    table, path = loader(as_frame=True).frame, tmp_path / f"{name}.{ending}"
    table.to_csv(path, index=False) if ending == "csv" else table.to_parquet(path)
    project = make_project(tmp_path / "project", fraction=0.5)
    written, spec, _ = new_model(project, name="tried-it", data=path, target="target")
    assert spec.task == task
    assert ModelSpec.from_yaml(written) == spec
    assert prepared(project, spec).target == "target"
    left_out = {column for column in table if table[column].nunique() < 2}
    assert set(spec.exclude) == left_out
    assert set(spec.columns) == set(table.columns) - left_out - {"target"}


def test_every_type_is_recognised(tmp_path: Path):
    """Guess every type, the row's time, identifiers and constants; say why a column is left out."""
    mixed().to_csv(tmp_path / "t.csv", index=False)
    spec, notes, _ = infer_spec("tried", tmp_path / "t.csv", "y")
    assert {name: column.type for name, column in spec.columns.items()} == {
        "größe": "number",
        "index": "number",
        "float32": "number",
        "count": "number",
        "city": "category",
        "code": "category",
        "member": "boolean",
        "asked": "boolean",
        "day": "date",
    }
    assert spec.exclude["customer id"] == "an identifier: counts the rows, 1,000,000 to 1,000,599"
    assert spec.exclude["snowflake"].startswith("an identifier: whole numbers too large")
    assert spec.exclude["always"] == "is always 'x'"
    assert spec.exclude["never"] == "holds no value at all"
    assert (spec.time_column, spec.split.by) == ("when", "time")
    assert (spec.task, spec.target.positive) == ("binary", "yes")
    assert "leading zeros" in notes["columns.code"]
    assert "2021-03-01" not in notes["columns.day"]
    assert spec.slices.columns == ("city", "code", "member")


@pytest.mark.parametrize(
    ("target", "task", "positive", "word"),
    [
        (np.where(np.arange(ROWS) < 60, "churned", "stayed"), "binary", "churned", "rarer"),
        (np.arange(ROWS) < 60, "binary", "True", "means yes"),
        (np.where(np.arange(ROWS) < 60, 1.0, 0.0), "binary", "1", "means yes"),
        (np.arange(ROWS) % 7, "multiclass", None, "taken for classes"),
        (np.array(list("abc"))[np.arange(ROWS) % 3], "multiclass", None, "3 different"),
        (np.arange(ROWS) % 60, "regression", None, "60 different"),
        (np.minimum(np.arange(ROWS), 15), "regression", None, "too few for a class"),
        (np.arange(ROWS) % 5 + 0.5, "regression", None, "5 different"),
        ([f"{value:.3f}" for value in VALUES["a"]], "regression", None, "different"),
    ],
)
def test_tasks(tmp_path: Path, target: object, task: str, positive: str | None, word: str):
    """Guess the task from the target's values, and write the reason beside it."""
    spec, notes, _ = inferred(tmp_path, {"a": VALUES["a"], "y": target})
    assert (spec.task, spec.target.positive) == (task, positive)
    assert word in notes["task"]


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("Unnamed: 0", np.arange(ROWS), "counts the rows"),
        ("nr", RNG.permutation(ROWS) + 1000, "counts the rows"),
        ("order_id", RNG.choice(10**6, ROWS, replace=False), "identifier by its name"),
        ("customerID", [f"{k:05}-x" for k in range(ROWS)], "identifier or free text"),
        ("shop_id", RNG.integers(0, 90, ROWS), "name it as group_column"),
        (
            "text",
            [
                f"this is quite a long sentence about number {k * 2 // 3}, and it goes on and on"
                for k in range(ROWS)
            ],
            "free text",
        ),
        ("flat", [3] * ROWS, "is always '3'"),
        ("empty", [None] * ROWS, "no value"),
    ],
)
def test_what_a_model_must_not_see_is_left_out(
    tmp_path: Path, name: str, values: object, reason: str
):
    """Leave out counters, identifiers, sentences, constants and empty columns, with the reason."""
    spec, *_ = inferred(tmp_path, {"a": VALUES["a"], name: values, "y": VALUES["y"]})
    assert reason in spec.exclude[name]


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("malic_acid", RNG.normal(size=ROWS).round(1), "number"),
        ("year", np.arange(1800, 1800 + ROWS), "number"),
        ("humid", RNG.choice(ROWS, ROWS, replace=False) * 3, "number"),
        ("store_id", RNG.integers(0, 9, ROWS), "number"),
        ("flag", np.where(RNG.random(ROWS) < 0.5, "seen", None), "category"),
        ("answer", RNG.choice(["yes", "no"], ROWS), "category"),
        ("truth", RNG.choice(["TRUE", "false", ""], ROWS), "boolean"),
        (
            "born",
            pd.Series(pd.date_range("1960-01-01", periods=ROWS)).dt.strftime("%d.%m.%Y"),
            "date",
        ),
        (
            "compact_birth",
            pd.Series(pd.date_range("1960-01-01", periods=ROWS, freq="30D")).dt.strftime("%Y%m%d"),
            "date",
        ),
    ],
)
def test_what_looks_like_an_identifier_and_is_none_stays(
    tmp_path: Path, name: str, values: object, kind: str
):
    """Keep columns whose names or values only resemble those of an identifier."""
    spec, *_ = inferred(tmp_path, {"a": VALUES["a"], name: values, "y": VALUES["y"]})
    declared = spec.columns.get(name)
    assert declared is not None, spec
    assert declared.type == kind


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_copy_of_the_target_is_suspected(tmp_path: Path, task: str):
    """Suspect a number or a text that was made from the target, but no honest column."""
    amount = VALUES["a"]
    target = {
        "binary": VALUES["y"],
        "multiclass": np.digitize(amount, [-0.5, 0.5]),
        "regression": amount * 3,
    }[task]
    copied = (
        pd.factorize(pd.Series(target))[0] * 10.0 + RNG.random(ROWS)
        if task != "regression"
        else np.exp(amount)
    )
    columns = {"a": RNG.normal(size=ROWS), "copy": copied, "y": target}
    if task != "regression":
        columns["words"] = np.array(["p", "q", "r"])[pd.factorize(pd.Series(target))[0]]
    _, notes, questions = inferred(tmp_path, columns)
    suspected = {key for key, note in notes.items() if "SUSPECTED LEAK" in note}
    assert suspected == {f"columns.{name}" for name in ("copy", "words") if name in columns}
    # the terminal says so, too
    assert len([question for question in questions if "SUSPECTED LEAK" in question]) == len(
        suspected
    )


@pytest.mark.parametrize(
    "made", ["missing number", "missing text", "category", "heavy tail", "date"]
)
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_leak_through_what_is_missing_or_through_a_category_is_suspected(
    tmp_path: Path, task: str, made: str
):
    """Suspect a column that tells the target by what is missing, by ranges, or in another unit."""
    amount = np.exp(2 * RNG.normal(size=ROWS))
    target = amount if task == "regression" else np.where(amount > 1, "yes", "no")
    if made.startswith("missing"):
        if task == "regression":
            amount = np.where(amount > 1, 1000.0, 1.0) + RNG.random(ROWS)
            target = amount
        present = amount > (500 if task == "regression" else 1)
        leak = (
            np.where(present, RNG.normal(size=ROWS), np.nan)
            if made == "missing number"
            else np.where(present, "seen", None)
        )
    elif made == "category":
        leak = np.array(
            [
                f"range {number}"
                for number in np.digitize(amount, np.quantile(amount, np.linspace(0.05, 0.95, 19)))
            ]
        )
    elif made == "heavy tail":
        leak = amount * 0.93
    else:
        leak = (
            pd.Timestamp("1990-01-01") + pd.to_timedelta(pd.Series(amount).rank() * 9, unit="D")
        ).dt.strftime("%Y-%m-%d")
    spec, notes, _ = inferred(tmp_path, {"a": VALUES["a"], "leak": leak, "y": target})
    suspected = {key for key, note in notes.items() if "SUSPECTED LEAK" in note}
    if task == "regression" and made.startswith("missing"):
        # the column separates two halves, and tells nothing within them
        assert suspected <= {"columns.leak"}
    elif made == "category" and task == "binary":
        assert suspected == {"columns.leak"} or "leak" not in spec.columns
    elif spec.time_column == "leak":
        # a complete date is taken for the row's time, which is no feature
        assert "leak" not in spec.columns
    else:
        assert suspected == {"columns.leak"}


def test_slices_are_proposed_only_where_the_holdout_will_hold_enough_rows(tmp_path: Path):
    """Propose a flag as a slice, but not a column whose values have too few holdout rows."""
    columns = {
        "eight": RNG.choice(list("abcdefgh"), ROWS),
        "flag": RNG.integers(0, 2, ROWS),
        "half": RNG.choice(["p", "q"], ROWS),
    }
    spec, *_ = inferred(tmp_path, {"a": VALUES["a"], **columns, "y": VALUES["y"]})
    assert set(spec.slices.columns) == {"flag", "half"}
    counts = [pd.Series(columns[name]).value_counts() for name in spec.slices.columns]
    assert all(
        (count * spec.split.holdout >= spec.slices.minimum_rows).sum() >= 2 for count in counts
    )


@pytest.mark.parametrize(
    ("rows", "positives", "share"),
    [(30, 15, 0.4), (60, 20, 0.4), (200, 60, 0.2), (200, 30, 0.3), (200, 8, 0.4)],
)
def test_a_small_table_gives_the_gate_more_of_its_rows(
    tmp_path: Path, rows: int, positives: int, share: float
):
    """Give the holdout sixteen rows and nine of the rarer class, up to two fifths of the table."""
    spec, *_ = inferred(
        tmp_path, {"a": VALUES["a"][:rows], "y": np.where(np.arange(rows) < positives, "yes", "no")}
    )
    assert spec.split.holdout == share


def test_numbers_are_measured_by_what_candidates_are_fitted_to(tmp_path: Path):
    """Choose squared error. By absolute error, a useful model may be worse than the median."""
    spec, *_ = inferred(tmp_path, {"a": VALUES["a"], "y": VALUES["a"] * 2 + 1})
    assert spec.metric == "rmse"


def test_a_split_by_time_that_cannot_work_becomes_one_by_row(tmp_path: Path):
    """Split by row, and say why, if only the last rows have a class. Never split by a birthday."""
    when = pd.date_range("2020-01-01", periods=ROWS)
    spec, notes, _ = inferred(
        tmp_path,
        {"a": VALUES["a"], "when": when, "y": np.where(np.arange(ROWS) < 180, "no", "yes")},
    )
    assert (spec.split.by, spec.time_column, spec.columns["when"].type) == ("row", None, "date")
    assert "by 'when' it would leave" in notes["split"]
    spec, *_ = inferred(tmp_path, {"a": VALUES["a"], "birth_date": when, "y": VALUES["y"]})
    assert spec.split.by == "row"


NASTY_NAMES = [
    "yes",
    "null",
    "1",
    "1e5",
    "a: b",
    "# c",
    'it\'s "x"',
    "größe",
    "日本",
    "a\nb",
    "- d",
    "{e}",
    "&f",
    " g ",
    "index",
    "time",
    "~",
    "h.year",
]


def test_nasty_names_read_back(tmp_path: Path):
    """Read back names with YAML's words, signs, quotes, line breaks and other alphabets."""
    names = RNG.choice(["no: thing", "true", "1.5", "# x"], ROWS)
    columns = {name: RNG.normal(size=ROWS) for name in NASTY_NAMES} | {
        "kind": names,
        "off": np.where(VALUES["y"] == "bad", "~", "x: y"),
    }
    pd.DataFrame(columns).to_parquet(tmp_path / "t.parquet")
    project = make_project(tmp_path / "project")
    path, spec, _ = new_model(project, name="tried-it", data=tmp_path / "t.parquet", target="off")
    assert ModelSpec.from_yaml(path) == spec
    assert list(spec.columns) == [*NASTY_NAMES, "kind"]
    assert spec.target.positive == "~"
    assert prepared(project, spec).rows == ROWS


def test_missing_targets_are_counted(tmp_path: Path):
    """Say in model.yaml how many rows have no target."""
    _, notes, _ = inferred(
        tmp_path, {"a": VALUES["a"], "y": np.where(np.arange(ROWS) < 50, None, VALUES["y"])}
    )
    assert notes["target"] == "50 of 200 rows have none and are left out"


@pytest.mark.parametrize(
    ("columns", "target", "message", "next_step"),
    [
        (
            {"wage": VALUES["a"], "a": VALUES["a"]},
            "wages",
            "column 'wages'",
            "'wages' may be 'wage'",
        ),
        (
            {"a": VALUES["a"], "y": ["x"] * ROWS},
            "y",
            "only 'x' in 200 rows",
            "rows with other values",
        ),
        ({"a": VALUES["a"], "y": [None] * ROWS}, "y", "no value at all", "another target"),
        ({"a": VALUES["a"][:29], "y": VALUES["a"][:29]}, "y", "at least 30 rows", "collect more"),
        (
            {"a": VALUES["a"], "y": np.where(np.arange(ROWS) < 4, "x", "z")},
            "y",
            "'x' has 4 rows",
            "merge rare classes",
        ),
        (
            {"a": VALUES["a"], "y": [f"n{k}" for k in range(ROWS)]},
            "y",
            "200 different texts",
            "group them",
        ),
        (
            {"a": VALUES["a"], "y": pd.date_range("2020-01-01", periods=ROWS)},
            "y",
            "dates",
            "number",
        ),
        (
            {"id": np.arange(ROWS), "c": ["x"] * ROWS, "y": VALUES["y"]},
            "y",
            "'id' an identifier",
            "add columns",
        ),
        ({"y": VALUES["y"]}, "y", "none beside the target", "add columns"),
    ],
)
def test_a_table_that_cannot_work_is_refused_with_advice(
    tmp_path: Path, columns: dict, target: str, message: str, next_step: str
):
    """Refuse a table without a usable target, without features or with too few rows."""
    with pytest.raises(DataError) as refused:
        inferred(tmp_path, columns, target)
    assert message in str(refused.value)
    assert next_step in refused.value.next_step


def test_thirty_rows_are_enough(tmp_path: Path):
    """Accept the smallest table that works."""
    spec, *_ = inferred(tmp_path, {"a": VALUES["a"][:30], "y": np.arange(30) % 2})
    assert spec.candidates["trees"].settings["min_samples_leaf"] == 5


@pytest.mark.parametrize(
    ("name", "proposal"),
    [("My Model!", "my-model"), ("2nd_try", "nd-try"), ("x" * 41, "x" * 40), ("", "another name")],
)
def test_a_wrong_model_name_is_refused_with_a_proposal(tmp_path: Path, name: str, proposal: str):
    """Refuse the name before the table is read."""
    with pytest.raises(SpecError) as refused:
        new_model(make_project(tmp_path), name=name, data=tmp_path / "gone.csv", target="y")
    assert proposal in refused.value.next_step


def test_an_existing_model_is_never_overwritten(tmp_path: Path):
    """Keep a model.yaml that a person may have edited."""
    project = make_project(tmp_path / "project")
    pd.DataFrame(VALUES).to_csv(tmp_path / "t.csv", index=False)
    path, *_ = new_model(project, name="mine", data=tmp_path / "t.csv", target="y")
    path.write_text("edited")
    with pytest.raises(NotAllowed):
        new_model(project, name="mine", data=tmp_path / "t.csv", target="y")
    assert path.read_text() == "edited"


def test_nothing_is_written_for_a_table_that_is_refused(tmp_path: Path):
    """Leave no folder behind."""
    project = make_project(tmp_path / "project")
    with pytest.raises(TitleboutError):
        new_model(project, name="mine", data=tmp_path / "gone.csv", target="y")
    assert not (project / "models" / "mine").exists()


def test_a_file_of_the_project_is_named_relatively(tmp_path: Path):
    """Write a relative path for a file of the project, and the whole path for another file."""
    project = make_project(tmp_path / "project")
    (project / "tables").mkdir()
    for folder, name in ((project / "tables", "inside"), (tmp_path, "outside")):
        pd.DataFrame(VALUES).to_csv(folder / "t.csv", index=False)
        spec = new_model(project, name=name, data=folder / "t.csv", target="y").spec
        assert spec.source.file == (
            "../../tables/t.csv" if name == "inside" else str(tmp_path / "t.csv")
        )
        assert prepared(project, spec).rows == ROWS
