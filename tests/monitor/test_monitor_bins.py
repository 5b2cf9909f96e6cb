"""Show what a column test finds: each of these changes is drift, and an unchanged column is not."""

import numpy as np
import pandas as pd
import pytest
from support.monitor_tables import reference, window

from titlebout.monitor.drifts import find_drifts
from titlebout.spec import Drift

RATE = 0.01
REFERENCE_DAYS, DAYS, ROWS_A_DAY = 60, 20, 30


def days_of(days: int) -> np.ndarray:
    return np.repeat(np.arange(days), ROWS_A_DAY)


def report(kind: str, known, served) -> dict[str, Drift]:
    """Compare `served` with `known`, by day, beside a column that stays as it was."""
    random = np.random.default_rng(9)
    train = {"changed": (kind, known), "same": ("number", random.normal(size=len(known)))}
    found = find_drifts(
        reference(train, days=days_of(REFERENCE_DAYS)),
        window({"changed": served, "same": random.normal(size=len(served))}, days=days_of(DAYS)),
        days=DAYS,
        rate=RATE,
        seed=1,
    )
    return {drift.name: drift for drift in found.drifts}


def rows(make, *, seed: int = 0):
    """Return values of the reference and of a window that is drawn in the same way."""
    random = np.random.default_rng(seed)
    return make(random, REFERENCE_DAYS * ROWS_A_DAY), make(random, DAYS * ROWS_A_DAY)


def amounts(random, count):
    return random.lognormal(3, 1, size=count)


def mostly_zero(share):
    return lambda random, count: np.where(
        random.random(count) < share, 0.0, random.lognormal(size=count)
    )


def flags(share):
    return lambda random, count: (random.random(count) < share).astype(float)


def cities(*names):
    return lambda random, count: random.choice(names, size=count)


def many(random, count):
    """Draw a category of hundreds, most of them rare."""
    return np.array([f"c{number}" for number in random.zipf(1.5, size=count) % 700])


def dates(random, count):
    return pd.Timestamp("2024-01-01") + pd.to_timedelta(
        np.sort(random.integers(0, 60, size=count)), unit="D"
    )


def with_share(values, share, replaced):
    """Replace a share of the values, spread over all rows."""
    chosen = np.random.default_rng(3).random(len(values)) < share
    return pd.Series(values).astype(object).where(~chosen, replaced).infer_objects()


def top_tenth_times(values, factor):
    return np.where(values > np.quantile(values, 0.9), values * factor, values)


CHANGES = {
    "a constant number becomes another": (
        "number",
        lambda: rows(lambda _, count: np.full(count, 5.0))[0],
        lambda: np.full(600, 6.0),
    ),
    "a constant category becomes another": (
        "category",
        lambda: ["US"] * 1800,
        lambda: ["CA"] * 600,
    ),
    "a twentieth of a constant category becomes another": (
        "category",
        lambda: ["US"] * 1800,
        lambda: with_share(["US"] * 600, 0.05, "CA"),
    ),
    "a constant flag becomes the other": (
        "boolean",
        lambda: pd.array([True] * 1800, dtype="boolean"),
        lambda: [False] * 600,
    ),
    "95 % one value become 80 %": (
        "number",
        lambda: rows(mostly_zero(0.95))[0],
        lambda: rows(mostly_zero(0.8))[1],
    ),
    "92 % zeros become 40 %": (
        "number",
        lambda: rows(mostly_zero(0.92))[0],
        lambda: rows(mostly_zero(0.4))[1],
    ),
    "5 % ones become all ones": ("number", lambda: rows(flags(0.05))[0], lambda: np.ones(600)),
    "2 % ones become a tenth": (
        "number",
        lambda: rows(flags(0.02))[0],
        lambda: rows(flags(0.1))[1],
    ),
    "the top tenth times 1,000": (
        "number",
        lambda: rows(amounts)[0],
        lambda: top_tenth_times(rows(amounts)[1], 1000),
    ),
    "the top tenth times 3": (
        "number",
        lambda: rows(amounts)[0],
        lambda: top_tenth_times(rows(amounts)[1], 3),
    ),
    "everything at one huge value": ("number", lambda: rows(amounts)[0], lambda: np.full(600, 1e6)),
    "a frozen number": ("number", lambda: rows(amounts)[0], lambda: np.full(600, 20.0)),
    "cents instead of euros": ("number", lambda: rows(amounts)[0], lambda: rows(amounts)[1] * 100),
    "dates frozen in 1970": ("date", lambda: rows(dates)[0], lambda: [pd.Timestamp(0)] * 600),
    "a third of the dates in 1970": (
        "date",
        lambda: rows(dates)[0],
        lambda: with_share(rows(dates)[1], 0.33, pd.Timestamp(0)),
    ),
    "dates frozen on one day": (
        "date",
        lambda: rows(dates)[0],
        lambda: [pd.Timestamp("2024-06-03")] * 600,
    ),
    "a third of the dates at the end of time": (
        "date",
        lambda: rows(dates)[0],
        lambda: with_share(rows(dates)[1], 0.33, pd.Timestamp("9999-12-31")),
    ),
    "new categories": (
        "category",
        lambda: rows(cities("a", "b"))[0],
        lambda: rows(cities("a", "b", *"cdefgh"))[1],
    ),
    "new ones among hundreds": (
        "category",
        lambda: rows(many)[0],
        lambda: [f"new{c}" for c in rows(many)[1][:120]] + list(rows(many)[1][120:]),
    ),
    "a category that is gone": (
        "category",
        lambda: rows(cities("a", "b", "c"))[0],
        lambda: rows(cities("a", "b"))[1],
    ),
    "missing values appear": (
        "number",
        lambda: rows(amounts)[0],
        lambda: with_share(rows(amounts)[1], 0.1, np.nan),
    ),
    "missing categories appear": (
        "category",
        lambda: rows(cities("a", "b"))[0],
        lambda: with_share(rows(cities("a", "b"))[1], 0.1, None),
    ),
    "all is missing": ("number", lambda: rows(amounts)[0], lambda: np.full(600, np.nan)),
    "what was always missing is there": (
        "number",
        lambda: np.full(1800, np.nan),
        lambda: np.full(600, 1.0),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(change):
    """Find the changed column, and not the unchanged one beside it."""
    kind, known, served = CHANGES[change]
    found = report(kind, known(), served())
    assert found["changed"].drifted
    assert not found["same"].drifted
    assert found["same"].can_tell


STEADY = {
    "amounts": ("number", amounts),
    "mostly zero": ("number", mostly_zero(0.92)),
    "a rare flag": ("number", flags(0.03)),
    "cities": ("category", cities("a", "b", "c")),
    "hundreds of categories": ("category", many),
    "always the same": ("category", cities("US")),
    "always missing": ("number", lambda _, count: np.full(count, np.nan)),
    "whole numbers": ("number", lambda random, count: random.poisson(3, size=count).astype(float)),
}


@pytest.mark.parametrize("name", STEADY)
def test_no_change_is_no_drift(name):
    """Find no drift in values drawn in the same way, and be able to tell."""
    kind, make = STEADY[name]
    found = report(kind, *rows(make, seed=7))["changed"]
    assert not found.drifted
    assert found.can_tell


def test_the_calendar_moves_on():
    """Find no drift in dates months after all that were known, if weekdays are as they were."""
    later = rows(dates)[1] + pd.Timedelta(weeks=22)
    assert not report("date", rows(dates)[0], later)["changed"].drifted


def test_names_of_ours_are_no_names_of_theirs():
    """Treat a category that is called as one of the monitor's own bins as a category."""
    known = ["new", "missing", "(new)", "(missing)", "(other known)"] * 360
    found = report("category", known, (known * 2)[:600])["changed"]
    assert not found.drifted
    assert found.distance < 0.02


def thin(*, days: int = 100, rows: int = 8, window_rows: int = 1000, served: dict | None = None):
    """Compare a window of one day with many rows with a reference of few rows a day."""
    random = np.random.default_rng(8)
    known = {name: ("number", random.normal(size=days * rows)) for name in ("a", "b")}
    same = {name: random.normal(size=window_rows) for name in known}
    held = reference(known, days=np.repeat(np.arange(days), rows))
    return find_drifts(held, window(same | (served or {})), days=1, rate=RATE, seed=1)


def test_a_day_of_many_rows_is_held_against_days_of_few():
    """Find a column at 1e6 in 1,000 rows of one day, where training had 8 rows a day.

    The other columns can tell that they did not drift.
    """
    found = thin(served={"a": np.full(1000, 1e6)})
    assert {
        drift.name: (drift.drifted, drift.can_tell)
        for drift in found.drifts
        if drift.kind == "column"
    } == {
        "a": (True, True),
        "b": (False, True),
    }


def test_a_reference_of_few_days_cannot_tell():
    """Set no threshold for a reference of few days, and say what is needed."""
    found = thin(days=5, served={"a": np.full(1000, 1e6)})
    columns = [drift for drift in found.drifts if drift.kind == "column"]
    assert all(
        drift.threshold is None and not drift.drifted and not drift.can_tell for drift in columns
    )
    assert found.cannot_tell == (
        "a, b: the reference has 5 days or groups, and at least 8 are needed: "
        "train on a longer window",
    )


def test_a_window_of_few_rows_cannot_tell_and_says_how_many_would_do():
    """Say how many rows are needed if five are too few; with so many, drift is found."""
    reason = thin(window_rows=5).cannot_tell[0]
    assert reason.startswith("the predictions, a, b: even if 50% of the rows were new")
    advice = reason.partition("wait for about ")[2]
    needed = int(advice.partition(" predictions")[0].replace(",", ""))
    assert 5 < needed <= 80
