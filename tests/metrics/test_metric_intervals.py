"""Cover the truth as often as intervals say, by the method that the rows allow."""

import numpy as np
import pytest
from scipy import stats

from titlebout.metrics import TooFew, interval, paired_difference, statistic
from titlebout.metrics.influence import influence
from titlebout.metrics.spread import runs_of
from titlebout.spec import METRICS, DataError

CONFIDENCE, SEED = 0.95, 11


@pytest.fixture
def two_models():
    """Return (labels, better scores, worse scores) of 4,000 binary rows in 40 blocks."""
    random = np.random.default_rng(3)
    labels = random.integers(0, 2, 4000)
    signal = labels - 0.5 + random.normal(size=4000)
    better, worse = (
        1 / (1 + np.exp(-(signal + random.normal(0, noise, 4000)))) for noise in (0.1, 0.6)
    )
    return labels, better, worse


def log_losses(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    return -np.log(np.where(labels == 1, scores, 1 - scores))


def blocks_of(rows: int, count: int) -> np.ndarray:
    return np.arange(rows) * count // rows


@pytest.mark.parametrize(
    "metric", ["roc_auc", "average_precision", "log_loss", "brier", "accuracy"]
)
@pytest.mark.parametrize("blocked", [True, False])
def test_the_better_model_leads_whichever_way_the_metric_runs(two_models, metric, blocked):
    """Give the better model a positive lead, and the worse one the same with the other sign."""
    labels, better, worse = two_models
    blocks = blocks_of(len(labels), 40) if blocked else None
    lead = paired_difference(
        metric, labels, better, worse, blocks=blocks, confidence=CONFIDENCE, seed=SEED
    )
    lag = paired_difference(
        metric, labels, worse, better, blocks=blocks, confidence=CONFIDENCE, seed=SEED
    )
    assert lead.low > 0 > lag.high
    assert (lead.low, lead.value, lead.high) == pytest.approx((-lag.high, -lag.value, -lag.low))


@pytest.mark.parametrize("metric", ["mae", "rmse", "r2"])
def test_regression_models_are_compared_too(metric):
    """Compare regression models: RMSE and R² by resampling, MAE by its rows."""
    random = np.random.default_rng(5)
    labels = random.normal(size=500)
    better, worse = labels + random.normal(0, 0.3, 500), labels + random.normal(0, 0.6, 500)
    lead = paired_difference(
        metric, labels, better, worse, blocks=None, confidence=CONFIDENCE, seed=SEED
    )
    assert 0 < lead.low < lead.value < lead.high


def test_independent_rows_of_a_mean_get_the_paired_t_interval(two_models):
    """Agree with scipy's paired t interval."""
    labels, better, worse = two_models
    ours = paired_difference(
        "log_loss", labels, better, worse, blocks=None, confidence=CONFIDENCE, seed=SEED
    )
    theirs = stats.ttest_rel(
        log_losses(labels, worse), log_losses(labels, better)
    ).confidence_interval(CONFIDENCE)
    assert (ours.low, ours.high, ours.method) == (
        pytest.approx(theirs.low),
        pytest.approx(theirs.high),
        "t over rows",
    )


def test_delong_agrees_with_resampling_the_rows(two_models):
    """Agree with resampling on the error of a difference of areas.

    Where each row is a block of its own, the block bootstrap is the row bootstrap.
    """
    labels, better, worse = two_models
    formula = paired_difference(
        "roc_auc", labels, better, worse, blocks=None, confidence=CONFIDENCE, seed=SEED
    )
    resampled = paired_difference(
        "roc_auc", labels, better, worse, blocks=np.arange(4000), confidence=CONFIDENCE, seed=SEED
    )
    assert formula.method == "DeLong over rows"
    assert formula.value == resampled.value
    assert formula.high - formula.low == pytest.approx(resampled.high - resampled.low, rel=0.1)


def test_the_block_error_of_a_mean_is_the_cluster_formula(two_models):
    """Find the standard error of the blocks' means for 10 equal blocks, each a run of its own."""
    labels, better, worse = two_models
    lead = paired_difference(
        "brier", labels, better, worse, blocks=blocks_of(4000, 10), confidence=CONFIDENCE, seed=SEED
    )
    means = ((worse - labels) ** 2 - (better - labels) ** 2).reshape(10, 400).mean(axis=1)
    exact = stats.t.ppf(0.975, 9) * means.std(ddof=1) / np.sqrt(10)
    assert lead.high - lead.value == pytest.approx(exact, rel=0.08)
    assert (lead.rows, lead.blocks) == (4000, 10)


@pytest.mark.parametrize(
    ("days", "length", "count"), [(8, 1, 8), (24, 3, 8), (73, 7, 10), (365, 7, 52)]
)
def test_neighbouring_days_stand_together(days, length, count):
    """Join days to nearly equal runs of up to a week, at least as many as an interval needs."""
    runs = runs_of(np.repeat(np.arange(days) * 3 + 5, 4))
    sizes = np.bincount(runs.codes) / 4
    assert (runs.length, runs.number, len(sizes)) == (length, count, count)
    assert sizes.max() - sizes.min() <= 1
    assert np.all(np.diff(runs.codes) >= 0)


def test_the_same_seed_gives_the_same_interval(two_models):
    """Give the same interval for the same seed, and another one for another seed."""
    labels, better, worse = (rows[:400] for rows in two_models)
    draws = [
        paired_difference(
            "average_precision",
            labels,
            better,
            worse,
            blocks=None,
            confidence=CONFIDENCE,
            seed=seed,
        )
        for seed in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]


def test_a_model_does_not_lead_itself(two_models):
    """Give an interval of no width at 0 to a model that is compared with itself."""
    labels, better, _ = two_models
    lead = paired_difference(
        "roc_auc", labels, better, better, blocks=None, confidence=CONFIDENCE, seed=SEED
    )
    assert (lead.low, lead.value, lead.high) == (0, 0, 0)


def test_too_few_blocks_give_a_value_but_no_interval(two_models):
    """Show the value alone in an evaluation, and refuse a comparison."""
    labels, better, worse = two_models
    estimate = interval(
        "brier", labels, better, blocks=blocks_of(4000, 7), confidence=CONFIDENCE, seed=SEED
    )
    assert estimate.low is None
    assert estimate.value > 0
    with pytest.raises(TooFew, match="at least 8 blocks"):
        paired_difference(
            "brier",
            labels,
            better,
            worse,
            blocks=blocks_of(4000, 7),
            confidence=CONFIDENCE,
            seed=SEED,
        )


def test_a_resample_without_a_class_gives_no_interval():
    """Give no interval for three positives in one block: half of the resamples hold none."""
    labels, scores = np.zeros(200), np.linspace(0, 1, 200)
    labels[:3] = 1
    assert (
        interval(
            "roc_auc", labels, scores, blocks=blocks_of(200, 20), confidence=CONFIDENCE, seed=SEED
        ).low
        is None
    )


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_no_interval_comes_out_of_a_nan(metric):
    """Raise DataError instead of returning an interval of NaN."""
    labels, scores = np.arange(40) % 2, np.full(40, 0.5)
    with pytest.raises(DataError):
        paired_difference(
            metric,
            labels,
            scores,
            np.where(labels == 1, np.nan, 0.5),
            blocks=None,
            confidence=CONFIDENCE,
            seed=SEED,
        )


@pytest.mark.parametrize(("metric", "worlds"), [("log_loss", 250), ("roc_auc", 60)])
def test_the_interval_covers_the_truth_where_days_share_their_weather(metric, worlds):
    """Cover the truth in about 95 % of the worlds with days as blocks.

    With rows taken as independent (the broken variant) far fewer are covered.
    """
    random = np.random.default_rng(1)
    covered = {"days": 0, "rows": 0}
    day = np.repeat(np.arange(40), 25)
    for _ in range(worlds):
        labels = random.integers(0, 2, len(day))
        weather = weather_of(random, days=40, persistence=0.35)[day]
        first, second = (
            1
            / (
                1
                + np.exp(
                    -(labels - 0.5) * 2 * (1 + side * weather) - random.normal(size=labels.size)
                )
            )
            for side in (1, -1)
        )
        for name, blocks in (("days", day), ("rows", None)):
            lead = paired_difference(
                metric, labels, first, second, blocks=blocks, confidence=CONFIDENCE, seed=SEED
            )
            covered[name] += lead.low <= 0 <= lead.high
    assert covered["days"] >= 0.9 * worlds
    assert covered["rows"] < 0.8 * worlds


def weather_of(random: np.random.Generator, *, days: int, persistence: float) -> np.ndarray:
    """Return one number per day.

    One model errs with it and the other against it, so that neither is better in the long run.
    """
    weather = random.normal(0, 0.8, days)
    for today in range(1, days):
        weather[today] = (
            persistence * weather[today - 1] + np.sqrt(1 - persistence**2) * weather[today]
        )
    return weather


METRICS_AND_TASKS = [(metric, "regression" in METRICS[metric].tasks) for metric in sorted(METRICS)]


@pytest.mark.parametrize(("metric", "regression"), METRICS_AND_TASKS)
def test_an_influence_is_the_derivative_of_the_metric_by_a_rows_weight(metric, regression):
    """Compare with the derivative by each of a hundred rows, ties included; the sum is 0."""
    random = np.random.default_rng(8)
    labels = random.normal(size=100) if regression else random.integers(0, 2, 100).astype(float)
    scores = labels + random.normal(size=100) if regression else random.integers(1, 20, 100) / 20
    weighted, step = statistic(metric, labels, scores, np.arange(100)), 1e-6
    slopes = [
        (weighted(1 + step * row) - weighted(1 - step * row)) / (2 * step) for row in np.eye(100)
    ]
    found = influence(metric, labels, scores)
    assert found == pytest.approx(slopes, abs=1e-7)
    assert found.sum() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("metric", ["log_loss", "roc_auc", "average_precision"])
def test_copies_are_no_further_witnesses(two_models, metric):
    """Give rows that are copied three times the interval of the rows once, with copies as groups.

    If the copies are taken as independent, the interval is too narrow.
    """
    once = [rows[:600] for rows in two_models]
    copied = [np.repeat(rows, 3) for rows in once]
    how = {"blocks": None, "confidence": CONFIDENCE, "seed": SEED}
    single = paired_difference(metric, *once, **how)
    grouped = paired_difference(metric, *copied, groups=np.arange(1800) // 3, **how)
    assert grouped.value == pytest.approx(single.value)
    assert grouped.high - grouped.low == pytest.approx(single.high - single.low, rel=0.05)
    naive = paired_difference(metric, *copied, **how)
    assert naive.high - naive.low < 0.7 * (single.high - single.low)


def test_equals_are_seldom_accepted_where_days_and_groups_share_their_luck():
    """Accept equals in at most 4.5 % of 400 worlds, where 2.5 % is stated.

    By groups alone or by days alone far more are accepted. 2,000 worlds of several kinds are in
    benchmarks/gate_two_ways.py.
    """
    random, worlds, bad = np.random.default_rng(4), 400, {"both": 0, "groups": 0, "days": 0}
    for _ in range(worlds):
        day, group = random.integers(0, 60, 1_500), random.integers(0, 80, 1_500)
        luck = weather_of(random, days=60, persistence=0.35)[day] + random.normal(0, 0.8, 80)[group]
        losses = 9 + luck + random.normal(size=1_500), 9 + random.normal(size=1_500)
        for name, ways in (
            ("both", (day, group)),
            ("groups", (None, group)),
            ("days", (day, None)),
        ):
            lead = paired_difference(
                "mae",
                np.zeros(1_500),
                *losses,
                blocks=ways[0],
                groups=ways[1],
                confidence=CONFIDENCE,
                seed=SEED,
            )
            bad[name] += lead.low > 0
    assert bad["both"] <= 0.045 * worlds
    assert min(bad["groups"], bad["days"]) > 0.06 * worlds
