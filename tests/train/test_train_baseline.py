"""The baseline is the trivial model, whatever the first column holds."""

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from support.real_tables import TASKS, rows_of, spec_of

from titlebout.train.estimators import baseline_pipeline


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("first", ["x0", "text", "nothing"])
def test_it_predicts_what_a_dummy_predicts(task, first):
    """Class shares or the median, also from a first column of text or of nothing but missing values."""
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


def test_a_metric_that_likes_the_mean_gets_the_mean():
    """For squared errors the best constant is the mean."""
    rows, spec = (
        rows_of("regression"),
        spec_of("regression", {"linear": {"estimator": "linear"}}, metric="rmse"),
    )
    assert np.allclose(
        baseline_pipeline(spec, X=rows.X).fit(rows.X, rows.y).predict(rows.X), rows.y.mean()
    )
