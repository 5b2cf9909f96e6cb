"""Pass by the overfit check what can learn, and name what cannot."""

import numpy as np
import pytest
from support.part_rows import part_rows
from support.real_tables import TASKS, rows_of, spec_of

from titlebout.train.estimators import weakest_pipeline
from titlebout.train.overfit import overfit_check


def check(spec, rows):
    (name,) = spec.candidates
    return overfit_check(name, lambda X: weakest_pipeline(name, spec, X=X), rows, spec=spec)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("estimator", ["linear", "trees", "lightgbm.LGBMClassifier"])
def test_an_estimator_that_can_learn_passes(task, estimator):
    """Pass every kind of estimator on a handful of rows of every task."""
    if task == "regression":
        estimator = estimator.replace("Classifier", "Regressor")
    spec, rows = spec_of(task, {"tried": {"estimator": estimator}}), rows_of(task)
    found = check(spec, rows)
    assert found.passed, found.words


def test_a_large_minimum_of_rows_per_leaf_passes():
    """Pass settings that are right for a million rows on a handful of rows, too."""
    candidate = {"estimator": "trees", "settings": {"min_samples_leaf": 300}}
    assert check(spec_of("binary", {"trees": candidate}), rows_of("binary")).passed


STRONG_SETTINGS = {
    "linear": {"alpha": 1e9, "C": 1e-9, "max_iter": 1},
    "trees": {
        "min_samples_leaf": 5000,
        "learning_rate": 1e-6,
        "max_iter": 1,
        "l2_regularization": 1e9,
    },
    "sklearn.linear_model.Lasso": {"alpha": 1e9},
    "lightgbm.LGBMClassifier": {"n_estimators": 1, "min_child_samples": 5000, "reg_lambda": 1e9},
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("estimator", STRONG_SETTINGS)
def test_the_check_does_not_depend_on_the_settings(task, estimator):
    """Give the same answer and words for any settings as for none."""
    if (task == "regression" and "LGBM" in estimator) or (
        task != "regression" and "Lasso" in estimator
    ):
        pytest.skip("no estimator for this task")
    rows = rows_of(task)
    left_out = {"linear": "C" if task == "regression" else "alpha"}.get(estimator)
    chosen = {name: value for name, value in STRONG_SETTINGS[estimator].items() if name != left_out}
    answers = [
        check(spec_of(task, {"tried": {"estimator": estimator, "settings": settings}}), rows)
        for settings in ({}, chosen)
    ]
    assert answers[0] == answers[1]
    assert answers[0].passed, answers[0].words


@pytest.mark.parametrize(
    "estimator", ["naive_bayes.GaussianNB", "discriminant_analysis.LinearDiscriminantAnalysis"]
)
def test_a_simple_estimator_that_learns_most_of_a_handful_is_not_broken(estimator):
    """Pass naive Bayes, which learns most of the rows by heart but not all."""
    spec = spec_of("binary", {"tried": {"estimator": f"sklearn.{estimator}"}})
    assert check(spec, rows_of("binary")).passed


def test_an_estimator_that_needs_more_rows_than_a_handful_is_not_checked():
    """Pass an estimator that needs more rows, such as a quadratic discriminant, unchecked.

    Training itself will show whether it can be fitted.
    """
    spec = spec_of(
        "binary",
        {"tried": {"estimator": "sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis"}},
    )
    found = check(spec, rows_of("binary"))
    assert (found.passed, "not checked" in found.words) == (True, True)


def test_an_estimator_that_cannot_learn_is_named():
    """Fail a dummy estimator, and name the candidate."""
    spec = spec_of("binary", {"guess": {"estimator": "sklearn.dummy.DummyClassifier"}})
    found = check(spec, rows_of("binary"))
    assert not found.passed
    assert found.words.startswith("guess: skill 0.00")


def test_a_pipeline_that_destroys_its_features_is_named():
    """Fail if every row looks the same after preprocessing, and say why."""
    spec, rows = spec_of("binary", {"linear": {"estimator": "linear"}}), rows_of("binary")
    numbers = {name: np.float32("nan") for name in rows.frame if name != "text"}
    equal_rows = part_rows(rows.frame.assign(**numbers, text=""), rows.y)
    found = check(spec, equal_rows)
    assert (found.passed, "look different" in found.words) == (False, True)


def test_collinear_columns_pass():
    """Pass a linear model on collinear columns: rows on one line are not all in its batch."""
    spec = spec_of("regression", {"linear": {"estimator": "linear"}})
    rows = rows_of("regression", columns=1)
    doubled = part_rows(rows.frame.assign(x1=rows.frame["x0"] * 2).drop(columns="text"), rows.y)
    assert check(spec, doubled).passed


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_nearly_collinear_columns_pass(seed):
    """Pass a penalised linear model on correlated blood values (scikit-learn's diabetes)."""
    spec = spec_of("regression", {"linear": {"estimator": "linear"}}, seed=seed)
    rows = rows_of("regression", columns=10)
    found = check(spec, part_rows(rows.frame.drop(columns="text"), rows.y))
    assert found.passed, found.words
