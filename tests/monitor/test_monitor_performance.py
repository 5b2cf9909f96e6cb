"""Check that the performance alarm holds its rate, finds a real loss, and says if it cannot."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.monitor_tables import reference, window

from titlebout.monitor import performance
from titlebout.monitor.performance import find_performance
from titlebout.spec import DataError, Performance

RATE = 0.01


@pytest.fixture(autouse=True)
def few_permutations(monkeypatch):
    """Take a fifth of the permutations: these tests need hundreds of reports."""
    monkeypatch.setattr(performance, "PERMUTATIONS", 200)


def drawn(
    random: np.random.Generator,
    rows: int,
    *,
    sure: float,
    luck: np.ndarray | None = None,
    lost: Any = 0.0,
):
    """Draw scores and labels.

    `sure` is how far scores are from a half, `luck` shifts the truth, `lost` weakens it.
    """
    logit = sure * random.normal(size=rows)
    truth = (logit + (0 if luck is None else luck)) * (1 - lost)
    return 1 / (1 + np.exp(-logit)).clip(1e-3, None), (
        random.random(rows) < 1 / (1 + np.exp(-truth))
    ).astype(int)


def found(
    holdout: tuple[np.ndarray, np.ndarray],
    served: tuple[np.ndarray, np.ndarray],
    *,
    metric: str,
    holdout_days: np.ndarray | None = None,
    days: np.ndarray | None = None,
) -> Performance:
    known = reference(
        {},
        days=None if holdout_days is None else np.arange(9),
        y=holdout[1],
        scores=holdout[0],
        holdout_days=holdout_days,
    )
    truth = pd.Series(np.where(served[1] == 1, "yes", "no"))
    return find_performance(
        known, window({}, scores=served[0], days=days), truth, metric=metric, rate=RATE, seed=0
    )


@pytest.mark.parametrize("metric", ["accuracy", "log_loss", "roc_auc"])
def test_a_window_drawn_like_the_holdout_is_no_loss(metric):
    """Alarm in hardly any of 40 reports on 300 rows of a sure model with a small holdout.

    Such a holdout tells little of the model's rare errors.
    """
    random = np.random.default_rng(2)
    alarms = sum(
        found(drawn(random, 80, sure=6), drawn(random, 300, sure=6), metric=metric).drifted
        for _ in range(40)
    )
    assert alarms <= 2


@pytest.mark.parametrize("metric", ["accuracy", "log_loss", "brier", "average_precision"])
def test_a_holdout_without_an_error_promises_nothing(metric):
    """Find no loss in three wrong rows of 300 after 69 rows that were all right and sure."""
    y = np.arange(69) % 2
    served = np.arange(300) % 2
    scores = np.where(served == 1, 0.995, 0.005)
    scores[:3] = 1 - scores[:3]
    assert not found((np.where(y == 1, 0.995, 0.005), y), (scores, served), metric=metric).drifted


def test_equal_losses_are_no_loss():
    """Find no loss among equal losses.

    In a model of three leaves most random samples give the same loss, which must not be beyond
    itself.
    """
    random, alarms = np.random.default_rng(8), 0
    for _ in range(30):
        parts = []
        for count in (20, 300):
            y = random.integers(0, 2, size=count)
            sure = random.choice([0.999, 0.99, 0.7], size=count, p=[0.96, 0.03, 0.01])
            parts.append((np.where(y == 1, sure, 1 - sure), y))
        alarms += found(*parts, metric="log_loss").drifted
    assert alarms <= 1


@pytest.mark.parametrize(
    "metric", ["accuracy", "log_loss", "brier", "roc_auc", "average_precision"]
)
def test_a_real_loss_is_found(metric):
    """Find a model that lost most of its skill, and one that gives the opposite of the truth."""
    random = np.random.default_rng(3)
    holdout, served = drawn(random, 600, sure=3), drawn(random, 600, sure=3, lost=0.8)
    assert found(holdout, served, metric=metric).drifted
    scores, y = drawn(random, 300, sure=3)
    assert found(holdout, (scores, 1 - y), metric=metric).drifted


@pytest.mark.parametrize("few_days", [False, True])
def test_the_luck_of_a_day_is_no_loss(few_days):
    """Alarm no more often where rows of one day are wrong together, on 25 days or on one.

    Taken as independent, such rows alarm more often.
    """
    random, alarms, as_independent = np.random.default_rng(4), 0, 0
    holdout_days, days = (
        np.repeat(np.arange(25), 30),
        np.repeat(np.arange(1 if few_days else 25), 400 if few_days else 30),
    )
    for _ in range(25):
        lost = random.uniform(0, 1.5, size=60)
        holdout = drawn(random, len(holdout_days), sure=2, lost=lost[holdout_days])
        served = drawn(random, len(days), sure=2, lost=lost[30 + days])
        alarms += found(
            holdout, served, metric="log_loss", holdout_days=holdout_days, days=days
        ).drifted
        as_independent += found(holdout, served, metric="log_loss").drifted
    assert alarms <= 1
    assert as_independent >= 4


def test_the_interval_is_the_windows_own():
    """Put the interval around the window's value, within limits, wider for unlike days."""
    random = np.random.default_rng(5)
    days = np.repeat(np.arange(20), 20)
    luck = 2 * random.normal(size=20)[days]
    served = drawn(random, 400, sure=3, luck=luck)
    for metric in ("accuracy", "roc_auc", "log_loss", "brier"):
        alone = found(drawn(random, 400, sure=3), served, metric=metric).window
        by_day = found(
            drawn(random, 400, sure=3), served, metric=metric, holdout_days=days, days=days
        ).window
        assert alone.value == by_day.value
        assert 0 <= by_day.low < alone.low < alone.value < alone.high < by_day.high
        assert metric == "log_loss" or by_day.high <= 1


def test_where_even_a_useless_model_would_not_be_found_it_cannot_tell():
    """Report that a hundred rows of a weak model cannot tell; many rows of a good one can."""
    random = np.random.default_rng(6)
    assert not found(
        drawn(random, 100, sure=0.3), drawn(random, 100, sure=0.3), metric="log_loss"
    ).can_tell
    assert found(
        drawn(random, 2000, sure=2), drawn(random, 2000, sure=2), metric="log_loss"
    ).can_tell


def test_a_holdout_of_few_days_is_said():
    """Refuse a holdout of five days: they tell nothing of how days differ."""
    random = np.random.default_rng(7)
    days = np.repeat(np.arange(5), 40)
    with pytest.raises(DataError, match="at least 8 days or groups; found 5"):
        found(
            drawn(random, 200, sure=1),
            drawn(random, 200, sure=1),
            metric="log_loss",
            holdout_days=days,
            days=days,
        )
