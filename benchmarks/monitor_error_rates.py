"""Simulate how often the monitor's alarms and comparisons are false, and what they find.

Nothing is timed. It takes about two minutes of one core; `--reports 400` gives figures to a
percent.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests")]

from support.monitor_tables import reference, window  # noqa: E402  the tests' own tables

from titlebout.monitor import calibrate, performance  # noqa: E402
from titlebout.monitor.compare import compare_rows  # noqa: E402
from titlebout.monitor.drifts import find_drifts  # noqa: E402
from titlebout.monitor.performance import find_performance  # noqa: E402

RATE = 0.05  # stated here: 1 % would need five times as many reports for figures as sure
DAYS, WINDOW_DAYS = 60, 20
Random = np.random.Generator


def columns(random: Random, days: np.ndarray, luck: np.ndarray) -> dict[str, np.ndarray]:
    """Draw eight columns as tables have them; the luck of a day moves some of them."""
    rows, moved = len(days), luck[days]
    return {
        "normal": random.normal(size=rows) + moved,
        "amount": random.lognormal(3, 1, size=rows) * np.exp(moved),
        "mostly zero": np.where(random.random(rows) < 0.92, 0.0, random.lognormal(size=rows)),
        "rare flag": (random.random(rows) < 0.05).astype(float),
        "count": random.poisson(3, size=rows).astype(float),
        "constant": np.full(rows, 1.0),
        "city": random.choice(list("abcdefgh"), size=rows),
        "many": np.array([f"c{number}" for number in random.zipf(1.5, size=rows) % 700]),
    }


def drift_report(
    random: Random, *, rows: int, window_rows: int, days: int, luck: float, change: bool = False
) -> bool:
    """Tell whether a drift report alarms."""
    lucks = luck * random.normal(size=DAYS + days)
    known = columns(random, np.repeat(np.arange(DAYS), rows), lucks)
    served = columns(random, np.repeat(np.arange(days), window_rows), lucks[DAYS:])
    if change:
        served["amount"] *= 1.5
    kinds = {
        name: ("category" if name in ("city", "many") else "number", values)
        for name, values in known.items()
    }
    held = reference(kinds, days=np.repeat(np.arange(DAYS), rows))
    found = find_drifts(
        held,
        window(served, days=np.repeat(np.arange(days), window_rows)),
        days=days,
        rate=RATE,
        seed=0,
    )
    return any(drift.drifted for drift in found.drifts)


def performance_report(
    random: Random,
    *,
    metric: str,
    holdout: int,
    rows: int,
    sure: float,
    by_day: int = 0,
    lost: float = 0.0,
) -> bool:
    """Tell whether the performance alarms.

    `by_day` is the rows of each day, which share how good the model is on that day.
    """
    known = _answers(random, holdout, sure, by_day)
    served = _answers(random, rows, sure, by_day, lost=lost)
    days = [np.arange(len(part[0])) // by_day if by_day else None for part in (known, served)]
    held = reference(
        {}, days=np.arange(9) if by_day else None, y=known[1], scores=known[0], holdout_days=days[0]
    )
    truth = pd.Series(np.where(served[1] == 1, "yes", "no"))
    return find_performance(
        held, window({}, scores=served[0], days=days[1]), truth, metric=metric, rate=RATE, seed=0
    ).drifted


def _answers(
    random: Random, rows: int, sure: float, by_day: int, *, lost: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    logit = sure * random.normal(size=rows)
    fades = random.uniform(0, 1.2, size=rows)[np.arange(rows) // by_day] if by_day else 0.0
    truth = logit * (1 - fades) * (1 - lost)
    return (1 / (1 + np.exp(-logit))).clip(0.001, 0.999), (
        random.random(rows) < 1 / (1 + np.exp(-truth))
    ).astype(int)


def rarely_unsure(random: Random, *, holdout: int, rows: int) -> bool:
    """Tell whether a model that is always right alarms.

    It is a model of trees that is unsure of one row in a hundred: a small holdout holds none of
    those, or one.
    """
    parts = []
    for count in (holdout, rows):
        y = random.integers(0, 2, size=count)
        sure = random.choice([0.999, 0.99, 0.7], size=count, p=[0.96, 0.03, 0.01])
        parts.append((np.where(y == 1, sure, 1 - sure), y))
    held = reference({}, y=parts[0][1], scores=parts[0][0])
    truth = pd.Series(np.where(parts[1][1] == 1, "yes", "no"))
    return find_performance(
        held, window({}, scores=parts[1][0]), truth, metric="log_loss", rate=RATE, seed=0
    ).drifted


def comparison(random: Random, *, named: bool, alike: float, better: float = 0.0) -> bool:
    """Tell whether a comparison finds a difference.

    There are 500 clients of 20 requests each, half of them with each release.
    """
    groups = []
    for number in range(2):
        client = np.repeat(np.arange(250), 20)
        hard = alike * random.normal(size=250)[client]
        loss = (random.random(len(client)) < 1 / (1 + np.exp(1.5 - hard)) - better * number).astype(
            float
        )
        ids = pd.Series(np.arange(len(client))).map(f"{number}-{{}}".format)
        names = pd.Series(client).map("c{}".format) if named else None
        groups.append(
            pd.DataFrame(
                {
                    "request_id": ids,
                    "client": names,
                    "prediction": "yes",
                    "score": 0.9,
                    "loss": loss,
                }
            )
        )
    found = compare_rows(*groups, releases=("a" * 64, "b" * 64), regression=False)
    return not found.low <= 0 <= found.high


def main() -> None:
    """Print the share of reports that alarm, case by case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=int, default=100)
    reports = parser.parse_args().reports
    # A rate of 5 % needs fewer than one of 1 %.
    calibrate.RESAMPLES = 1000
    performance.PERMUTATIONS = 300
    cases: dict[str, Callable[[Random], bool]] = {
        "drift: 60 days of 30 rows, window 20 of 30": lambda r: drift_report(
            r, rows=30, window_rows=30, days=20, luck=0.0
        ),
        "drift: the same, days of their own luck": lambda r: drift_report(
            r, rows=30, window_rows=30, days=20, luck=0.3
        ),
        "drift: 60 days of 8 rows, one day of 600": lambda r: drift_report(
            r, rows=8, window_rows=600, days=1, luck=0.0
        ),
        "drift: that day, days of their own luck": lambda r: drift_report(
            r, rows=8, window_rows=600, days=1, luck=0.3
        ),
        "drift found: amounts times 1.5": lambda r: drift_report(
            r, rows=30, window_rows=30, days=20, luck=0.1, change=True
        ),
        "accuracy: holdout 69, window 300, sure": lambda r: performance_report(
            r, metric="accuracy", holdout=69, rows=300, sure=8
        ),
        "log loss: holdout 69, window 300, sure": lambda r: performance_report(
            r, metric="log_loss", holdout=69, rows=300, sure=8
        ),
        "log loss: holdout 69, window 300, never wrong": lambda r: rarely_unsure(
            r, holdout=69, rows=300
        ),
        "log loss: 25 days of 30 each, luck of a day": lambda r: performance_report(
            r, metric="log_loss", holdout=750, rows=750, sure=2, by_day=30
        ),
        "log loss found: half of the skill is gone": lambda r: performance_report(
            r, metric="log_loss", holdout=500, rows=500, sure=2, lost=0.5
        ),
        "compare: 500 clients x 20, a little alike": lambda r: comparison(r, named=True, alike=0.7),
        "compare: the same without clients": lambda r: comparison(r, named=False, alike=0.7),
        "compare: 500 clients x 20, much alike": lambda r: comparison(r, named=True, alike=2.0),
        "compare: the same without clients, much alike": lambda r: comparison(
            r, named=False, alike=2.0
        ),
        "compare found: better by 0.1": lambda r: comparison(r, named=True, alike=0.7, better=0.1),
    }
    print(f"stated rate {RATE:.0%}, {reports} reports each")
    for name, case in cases.items():
        random = np.random.default_rng(11)
        print(f"{name:48} {np.mean([case(random) for _ in range(reports)]):.3f}", flush=True)


if __name__ == "__main__":
    main()
