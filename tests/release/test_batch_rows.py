"""Predict rows together as one by one; a row that the model fails on affects no other."""

import numpy as np
import pandas as pd
import pytest

from titlebout.batch.score_rows import MOST_FAILURES, predict_rows
from titlebout.scoring.predictor import Predictor
from titlebout.spec import Contract, DataError, Engine, Input


class FakePredictor(Predictor):
    """Refuse all rows for one beyond `limit`, as scikit-learn does; `asked` counts the calls."""

    def __init__(
        self,
        *,
        classes: tuple[str, ...] = (),
        limit: float = 100.0,
        inputs: tuple[Input, ...] | None = None,
    ) -> None:
        kinds = {0: "regression", 2: "binary"}
        super().__init__(
            Contract(
                model="tried",
                task=kinds.get(len(classes), "multiclass"),
                target="y",
                inputs=inputs or (Input(name="a", type="number"), Input(name="b", type="number")),
                classes=classes,
                positive=classes[-1] if len(classes) == 2 else None,
                engine=Engine(name="sklearn", reason="a test"),
            )
        )
        self.limit, self.asked = limit, 0

    def scores(self, encoded):
        self.asked += 1
        first = np.asarray(next(iter(encoded.values())))
        if first.dtype == object:
            return np.char.str_len(first.astype(str)).astype(float)
        if (np.abs(first) > self.limit).any():
            raise ValueError(
                "Input X contains infinity\nor a value too large for dtype('float32')."
            )
        if self.contract.task == "multiclass":
            spread = np.column_stack([first, 1 - first, np.zeros(len(first))])
            return np.where(first[:, None] < 0, np.nan, spread)
        return np.where(first < 0, np.inf, np.nan_to_num(first))


def table(first: list, second: float = 0.5) -> pd.DataFrame:
    return pd.DataFrame({"a": [float(value) for value in first], "b": second})


def test_a_row_that_the_model_fails_on_is_marked_alone():
    """Find the row by halving: a few calls, not one per row."""
    predictor = FakePredictor()
    answers = predict_rows(predictor, table([1] * 500 + [101] + [2] * 499), threshold=None)
    assert answers["prediction"].to_pylist() == [1.0] * 500 + [None] + [2.0] * 499
    reasons = {reason for reason in answers["refused"].to_pylist() if reason}
    assert reasons == {
        "column 'a': 101 is too large for this model, whose answer is not a finite number"
    }
    assert predictor.asked < 50


@pytest.mark.parametrize("classes", [(), ("no", "yes"), ("x", "y", "z")])
def test_no_answer_is_invented(classes):
    """Refuse infinite values and probabilities that are no numbers, in the contract's columns."""
    answers = predict_rows(FakePredictor(classes=classes), table([0.25, -1, 0.75]), threshold=None)
    assert list(answers) == ["prediction", *(f"score.{name}" for name in classes), "refused"]
    for name, values in answers.items():
        assert [value is None for value in values.to_pylist()] == (
            [True, False, True] if name == "refused" else [False, True, False]
        )
    assert {len(values) for values in answers.values()} == {3}


def test_many_failures_are_no_matter_of_rows():
    """Raise the model's error if it fails on everything, before every row was tried."""
    predictor = FakePredictor(limit=-1)
    with pytest.raises(
        DataError,
        match="scores from the model; found Input X contains infinity or a value too large",
    ):
        predict_rows(predictor, table([1] * 20_000), threshold=None)
    assert predictor.asked < 4 * MOST_FAILURES


def test_a_model_without_numbers():
    """Predict from categories alone; a missing one is a category, too."""
    predictor = FakePredictor(inputs=(Input(name="c", type="category"),))
    answers = predict_rows(
        predictor, pd.DataFrame({"c": pd.Series(["aa", None], dtype="str")}), threshold=None
    )
    assert answers["prediction"].to_pylist() == [2.0, 0.0]


@pytest.mark.parametrize(
    ("kind", "values", "refused"),
    [
        ("boolean", ["yes", "maybe", None], {1: "column 'c': expected true or false"}),
        ("date", ["2024-05-01", "the day", None], {1: "column 'c': expected dates"}),
        ("number", ["1", "x" * 1000, None], {1: "found '" + "x" * 60 + "'"}),
    ],
)
def test_a_value_of_another_type_is_named(kind, values, refused):
    """Name column, expectation and value, which is cut to a readable length."""
    predictor = FakePredictor(inputs=(Input(name="c", type=kind),), limit=1e9)
    reasons = predict_rows(
        predictor, pd.DataFrame({"c": pd.Series(values, dtype="str")}), threshold=None
    )["refused"].to_pylist()
    assert {row for row, reason in enumerate(reasons) if reason} == set(refused)
    assert all(words in reasons[row] for row, words in refused.items())
