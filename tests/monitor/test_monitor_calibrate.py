"""Check that thresholds hold their rate: how often a report alarms without any drift."""

import numpy as np
import pytest

from titlebout.monitor.calibrate import Binned, block_codes, calibrate, distance

REFERENCE_DAYS, WINDOW_DAYS, ROWS_A_DAY, BINS, COLUMNS = 120, 14, 100, 6, 4
RATE = 0.05


def test_distance_of_distributions():
    """Return 0 for the same shares, 1 for nothing in common, and the same in both directions.

    An empty bin is no problem.
    """
    shares = np.array([[4.0, 4.0, 0.0], [8.0, 8.0, 0.0], [0.0, 0.0, 5.0], [1.0, 0.0, 1.0]])
    assert distance(shares[0], shares[1]) == pytest.approx(0)
    assert distance(shares[0], shares[2]) == pytest.approx(1)
    assert distance(shares[0], shares[3]) == pytest.approx(float(distance(shares[3], shares[0])))
    assert 0 < distance(shares[0], shares[3]) < 1


def days_without_drift(random: np.random.Generator) -> np.ndarray:
    """Draw rows per day and bin of one column whose mix follows a weather that lasts for days.

    Its persistence is 0.35.
    """
    days = REFERENCE_DAYS + WINDOW_DAYS
    weather = random.normal(size=days)
    for today in range(1, days):
        weather[today] = 0.35 * weather[today - 1] + np.sqrt(1 - 0.35**2) * weather[today]
    mixes = np.exp(0.3 * weather[:, None] * random.normal(size=BINS))
    return random.multinomial(ROWS_A_DAY, mixes / mixes.sum(axis=1, keepdims=True)).astype(float)


def alarms(reports: int, *, by_day: bool) -> float:
    """Return the share of reports that name a column, though nothing drifted."""
    random, found = np.random.default_rng(4), 0
    for report in range(reports):
        columns = []
        for _ in range(COLUMNS):
            days = days_without_drift(random)
            known, window = days[:REFERENCE_DAYS], days[REFERENCE_DAYS:].sum(axis=0)
            columns.append(
                Binned(known if by_day else as_independent(known, random), window, WINDOW_DAYS)
            )
        found += any(
            one.distance > one.threshold for one in calibrate(columns, rate=RATE, seed=report)
        )
    return found / reports


def as_independent(known: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the broken variant: independent rows, so that each block has the mix of all days."""
    total = known.sum(axis=0)
    return random.multinomial(ROWS_A_DAY, total / total.sum(), size=len(known)).astype(float)


def test_false_alarms_are_near_the_stated_rate():
    """Alarm in about 5 % of reports; rows taken as independent alarm in most."""
    assert alarms(50, by_day=True) <= 2 * RATE
    assert alarms(12, by_day=False) > 0.5


def test_a_shift_is_found():
    """Find it if a tenth of one column's rows move from its first bin to its last."""
    random = np.random.default_rng(5)
    columns = [days_without_drift(random) for _ in range(COLUMNS)]
    windows = [days[REFERENCE_DAYS:].sum(axis=0) for days in columns]
    moved = 0.1 * windows[0].sum()
    windows[0] += np.array([-moved, *np.zeros(BINS - 2), moved])
    binned = [
        Binned(days[:REFERENCE_DAYS], window, WINDOW_DAYS)
        for days, window in zip(columns, windows, strict=True)
    ]
    found = [one.distance > one.threshold for one in calibrate(binned, rate=RATE, seed=1)]
    assert found == [True, False, False, False]


def test_fewer_rows_make_a_wider_threshold():
    """Set a wider threshold for the same days with less traffic."""
    known = days_without_drift(np.random.default_rng(6))[:REFERENCE_DAYS]
    full, thin = (
        calibrate([Binned(known, known[:7].sum(axis=0) // share, 7)], rate=RATE, seed=1)[0]
        for share in (1, 50)
    )
    assert thin.threshold > 1.5 * full.threshold


def test_a_denser_window_is_as_large_as_it_is():
    """Find drift in a thousand rows of one day that are all in one bin.

    The reference has a hundred days of eight rows each. So the window is not taken for eight rows.
    """
    random = np.random.default_rng(6)
    known = random.multinomial(8, np.full(10, 0.1), size=100).astype(float)
    everything, without_drift = (
        np.eye(10)[0] * 1000,
        random.multinomial(1000, np.full(10, 0.1)).astype(float),
    )
    for window, drifted in ((everything, True), (without_drift, False)):
        (found,) = calibrate([Binned(known, window, 1)], rate=0.01, seed=1)
        assert (found.distance > found.threshold) is drifted
        assert found.threshold < 0.5


@pytest.mark.parametrize("bins", [1, 2])
def test_what_never_varied_can_alarm(bins):
    """Set a threshold far below the largest distance for a column with one value.

    A few new rows are tolerated.
    """
    known = np.zeros((60, bins + 1))
    known[:, 0] = 30
    for new, drifted in ((0, False), (2, False), (60, True), (600, True)):
        window = np.zeros(bins + 1)
        window[0], window[-1] = 600 - new, new
        (found,) = calibrate([Binned(known, window, 20)], rate=0.01, seed=1)
        assert (found.distance > found.threshold) is drifted
        assert found.smallest_change < 0.05


def test_a_constant_column_leaves_the_others_their_thresholds():
    """Measure each column in its own deviations, also one that leaps now and then."""
    steady = days_without_drift(np.random.default_rng(6))
    leaps = np.zeros((REFERENCE_DAYS, 2))
    leaps[:, 0] = ROWS_A_DAY
    leaps[7] = 0, ROWS_A_DAY
    alone, beside = (
        calibrate(
            [
                Binned(steady[:REFERENCE_DAYS], steady[REFERENCE_DAYS:].sum(axis=0), WINDOW_DAYS),
                *more,
            ],
            rate=RATE,
            seed=1,
        )[0]
        for more in ((), (Binned(leaps, leaps[:14].sum(axis=0), WINDOW_DAYS),))
    )
    assert beside.threshold < 1.3 * alone.threshold


def test_blocks_become_few_codes():
    """Number blocks in their order, at most 500; spread independent rows, two or more to each."""
    assert block_codes(np.array([9, 9, 3, 5]), 4).tolist() == [2, 2, 0, 1]
    assert block_codes(np.arange(2000), 2000).max() == 499
    assert np.bincount(block_codes(None, 1000)).tolist() == [2] * 500
    assert np.bincount(block_codes(None, 20)).tolist() == [2] * 10
