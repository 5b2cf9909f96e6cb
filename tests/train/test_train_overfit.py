"""The overfit check passes what can learn, and names what cannot."""

import numpy as np
import pytest
from real_tables import TASKS, rows_of, spec_of

from titlebout.train.estimators import build_pipeline
from titlebout.train.overfit import overfit_check


def check(spec, rows):
    (name,) = spec.candidates
    return overfit_check(name, lambda X: build_pipeline(name, spec, X=X, settings={}), rows, spec=spec)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("estimator", ["linear", "trees", "lightgbm.LGBMClassifier"])
def test_an_estimator_that_can_learn_passes(task, estimator):
    """Every family learns a handful of rows of every task by heart."""
    if task == "regression":
        estimator = estimator.replace("Classifier", "Regressor")
    spec, rows = spec_of(task, {"tried": {"estimator": estimator}}), rows_of(task)
    found = check(spec, rows)
    assert found.passed, found.words


def test_a_large_minimum_of_rows_per_leaf_does_not_stand_in_the_way():
    """Settings that are right for a million rows still pass on a handful."""
    spec, rows = spec_of("binary", {"trees": {"estimator": "trees", "settings": {"min_samples_leaf": 300}}}), rows_of("binary")
    assert check(spec, rows).passed


def test_an_estimator_that_cannot_learn_is_named():
    """A dummy behind a candidate's name is found out."""
    spec, rows = spec_of("binary", {"guess": {"estimator": "sklearn.dummy.DummyClassifier"}}), rows_of("binary")
    found = check(spec, rows)
    assert not found.passed
    assert found.words.startswith("guess: accuracy 0.5")


def test_a_pipeline_that_destroys_its_features_is_named():
    """If every row looks the same after preprocessing, nothing can be learnt, and the check says why."""
    spec, rows = spec_of("binary", {"linear": {"estimator": "linear"}}), rows_of("binary")
    blind = rows._replace(X=rows.X.assign(**{name: np.float32("nan") for name in rows.X if name != "text"}, text=""))
    found = check(spec, blind)
    assert (found.passed, "look different" in found.words) == (False, True)


def test_collinear_columns_are_no_finding():
    """A linear model is asked for no more than it can do: rows on one line are not all in its batch."""
    spec, rows = spec_of("regression", {"linear": {"estimator": "linear"}}), rows_of("regression", columns=1)
    doubled = rows._replace(X=rows.X.assign(x1=rows.X["x0"] * 2).drop(columns="text"))
    assert check(spec, doubled).passed


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_nearly_collinear_columns_are_no_finding(seed):
    """Blood values that move together: a penalised linear model learns its batch there, too (scikit-learn's diabetes)."""
    spec, rows = spec_of("regression", {"linear": {"estimator": "linear"}}, seed=seed), rows_of("regression", columns=10)
    found = check(spec, rows._replace(X=rows.X.drop(columns="text")))
    assert found.passed, found.words
