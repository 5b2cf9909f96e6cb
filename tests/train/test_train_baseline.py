"""Fit the trivial model as the baseline, whatever the first column holds."""

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from support.real_tables import TASKS, rows_of, spec_of

from titlebout.train.estimators import baseline_pipeline


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("first", ["x0", "text", "nothing"])
def test_it_predicts_what_a_dummy_predicts(task, first):
    """Predict class shares or the median, also from a first column of text or of missing values."""
    rows, spec = rows_of(task), spec_of(task, {"linear": {"estimator": "linear"}})
    X = rows.X.assign(nothing=np.float32("nan"))[[first]]
    found = baseline_pipeline(spec, X=X).fit(X, rows.y)
    if task == "regression":
        assert np.allclose(
            found.predict(X), DummyRegressor(strategy="median").fit(X, rows.y).predict(X)
        )
    else:
        assert np.allclose(
            found.predict_proba(X),
            DummyClassifier(strategy="prior").fit(X, rows.y).predict_proba(X),
        )


def test_a_metric_whose_best_constant_is_the_mean_gets_the_mean():
    """Predict the mean for squared errors, as it is their best constant."""
    rows = rows_of("regression")
    spec = spec_of("regression", {"linear": {"estimator": "linear"}}, metric="rmse")
    fitted = baseline_pipeline(spec, X=rows.X).fit(rows.X, rows.y)
    assert np.allclose(fitted.predict(rows.X), rows.y.mean())
