"""Compare the metrics with scikit-learn's, and refuse what they are not defined on."""

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from titlebout.metrics import LOG_LOSS_EPSILON, score
from titlebout.metrics.scores import MOST_PAIRED_BLOCKS, statistic
from titlebout.spec import METRICS, DataError

ROWS = 600


@pytest.fixture
def random():
    return np.random.default_rng(7)


@pytest.fixture
def binary(random):
    labels = random.integers(0, 2, ROWS)
    probability = 1 / (1 + np.exp(-(labels - 0.5 + random.normal(size=ROWS))))
    return labels, np.round(probability, 2)  # rounded, so that scores tie


@pytest.fixture
def multiclass(random):
    labels = random.integers(0, 3, ROWS)
    raised = np.exp(np.eye(3)[labels] + random.normal(size=(ROWS, 3)))
    return labels, raised / raised.sum(axis=1, keepdims=True)


@pytest.fixture
def numbers(random):
    labels = random.normal(1e6, 3, ROWS)
    return labels, labels + random.normal(0, 1, ROWS)


@pytest.mark.parametrize(
    ("metric", "reference"),
    [
        ("roc_auc", sklearn_metrics.roc_auc_score),
        ("average_precision", sklearn_metrics.average_precision_score),
        ("log_loss", sklearn_metrics.log_loss),
        ("brier", sklearn_metrics.brier_score_loss),
        ("accuracy", lambda y, s: sklearn_metrics.accuracy_score(y, s >= 0.5)),
    ],
)
def test_binary_metrics_agree_with_sklearn(binary, metric, reference):
    """Agree with scikit-learn, also where scores tie."""
    assert score(metric, *binary) == pytest.approx(reference(*binary), abs=1e-12)


@pytest.mark.parametrize(
    ("metric", "reference"),
    [
        ("log_loss", sklearn_metrics.log_loss),
        ("brier", sklearn_metrics.brier_score_loss),
        ("accuracy", lambda y, s: sklearn_metrics.accuracy_score(y, s.argmax(axis=1))),
    ],
)
def test_multiclass_metrics_agree_with_sklearn(multiclass, metric, reference):
    """Agree with scikit-learn for three classes, with one row of probabilities per label."""
    assert score(metric, *multiclass) == pytest.approx(reference(*multiclass), abs=1e-12)


@pytest.mark.parametrize(
    ("metric", "reference"),
    [
        ("mae", sklearn_metrics.mean_absolute_error),
        ("rmse", sklearn_metrics.root_mean_squared_error),
        ("r2", sklearn_metrics.r2_score),
    ],
)
def test_regression_metrics_agree_with_sklearn(numbers, metric, reference):
    """Agree with scikit-learn far from zero, where a difference of large sums loses digits."""
    assert score(metric, *numbers) == pytest.approx(reference(*numbers), rel=1e-9)


@pytest.mark.parametrize(
    "metric", ["roc_auc", "average_precision", "log_loss", "brier", "accuracy"]
)
def test_counting_a_block_twice_is_the_same_as_repeating_its_rows(binary, metric):
    """Equal the metric of the resample by the weighted form, by which resamples are made."""
    labels, scores = binary
    blocks = np.arange(ROWS) // 100
    repeated = np.concatenate([np.flatnonzero(blocks == block) for block in (0, 0, 3, 4, 4, 4)])
    weighted = statistic(metric, labels.astype(float), scores, blocks)(
        np.array([2.0, 0, 0, 1, 3, 0])
    )
    assert weighted == pytest.approx(score(metric, labels[repeated], scores[repeated]), abs=1e-12)


def test_a_certain_wrong_answer_costs_much_but_not_infinitely():
    """Clip log loss at LOG_LOSS_EPSILON."""
    assert score("log_loss", [0], [1.0]) == pytest.approx(-np.log(LOG_LOSS_EPSILON))


@pytest.mark.parametrize("metric", sorted(METRICS))
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_score_that_is_no_number_is_refused(metric, bad):
    """Refuse a score that is no finite number, for every metric."""
    with pytest.raises(DataError, match="finite scores"):
        score(metric, [0, 1, 1], [0.2, bad, 0.7])


@pytest.mark.parametrize(
    ("metric", "labels", "scores", "found"),
    [
        ("roc_auc", [1, 1], [0.1, 0.2], "one and the same label"),
        ("average_precision", [0, 0], [0.1, 0.2], "one and the same label"),
        ("r2", [3.0, 3.0], [1.0, 2.0], "one and the same label"),
        ("log_loss", [0, np.nan], [0.1, 0.2], "NaN"),
        ("log_loss", [0, 1], [0.1, 1.2], "1.2"),
        ("log_loss", [0, 2], [0.1, 0.2], "labels from 0 to 2"),
        ("log_loss", [0, 1], [[0.5, 0.5, 0.5], [0.2, 0.3, 0.5]], "adds up to 1.5"),
        ("mae", [1.0, 2.0], [1.0], "shapes"),
        ("roc_auc", [0, 1], [[0.5, 0.5], [0.1, 0.9]], "shapes"),
        ("mae", [], [], "shapes"),
        ("f1", [0, 1], [0.1, 0.9], "unknown metric"),
    ],
)
def test_what_a_metric_is_not_defined_on_is_refused(metric, labels, scores, found):
    """Refuse with a message that says what was found."""
    with pytest.raises(DataError, match=found):
        score(metric, labels, scores)


def test_roc_auc_from_pairs_of_blocks_is_that_of_the_weighted_rows(random, binary):
    """Give the same ROC AUC by pairs of blocks and by weighted rows, however blocks are counted."""
    labels, predicted = (column.astype(float) for column in binary)
    blocks = random.integers(0, 12, ROWS)
    # The same blocks, with a number that is too high for the short way.
    renumbered = np.where(blocks == 11, MOST_PAIRED_BLOCKS, blocks)
    short = statistic("roc_auc", labels, predicted, blocks)
    long = statistic("roc_auc", labels, predicted, renumbered)
    for _ in range(20):
        counted = random.integers(0, 4, 12).astype(float)
        assert short(counted) == pytest.approx(
            long(np.append(counted, np.full(MOST_PAIRED_BLOCKS - 11, counted[11])))
        )
