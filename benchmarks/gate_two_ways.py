"""Simulate how often the gate accepts an equal where rows share luck; figures of docs/gate.md.

Rows share the luck of their day and of their group.

.venv/bin/python benchmarks/gate_two_ways.py
"""

import json

import numpy as np

from titlebout.metrics import paired_difference

COMPARISONS = 2000
CONFIDENCE = 0.95
ROWS = 1500
WAYS = {
    "rows": (False, False),
    "groups alone": (False, True),
    "days alone": (True, False),
    "both": (True, True),
}


def main() -> None:
    """Print the rates as JSON."""
    for days, groups, persistence, of_day, of_group in (
        (73, 300, 0.35, 0.8, 0.0),
        (73, 300, 0.35, 0.0, 0.8),
        (73, 300, 0.35, 0.5, 0.5),
        (73, 30, 0.35, 0.5, 0.5),
        (24, 300, 0.35, 0.5, 0.5),
        (24, 12, 0.35, 0.5, 0.5),
        (73, 300, 0.35, 0.0, 0.0),
    ):
        rates = false_accepts(
            days=days, groups=groups, persistence=persistence, of_day=of_day, of_group=of_group
        )
        print(
            json.dumps(
                {
                    "days": days,
                    "groups": groups,
                    "luck of the day": of_day,
                    "of the group": of_group,
                    "false accepts": rates,
                }
            )
        )


def false_accepts(
    *, days: int, groups: int, persistence: float, of_day: float, of_group: float
) -> dict[str, float]:
    """Return the share of comparisons between equals that are accepted, by what is taken as shared.

    Lucks are standard deviations; a row's is 1.
    """
    random, accepted = np.random.default_rng(1), dict.fromkeys(WAYS, 0)
    for setup in range(COMPARISONS):
        day, group = np.sort(random.integers(0, days, ROWS)), random.integers(0, groups, ROWS)
        luck = (
            of_day * lasting(random, days, persistence)[day]
            + of_group * random.normal(size=groups)[group]
        )
        losses = 9 + luck + random.normal(size=ROWS), np.full(ROWS, 9.0)
        for name, (by_day, by_group) in WAYS.items():
            lead = paired_difference(
                "mae",
                np.zeros(ROWS),
                *losses,
                blocks=day if by_day else None,
                groups=group if by_group else None,
                confidence=CONFIDENCE,
                seed=setup,
            )
            accepted[name] += lead.low > 0
    return {name: round(count / COMPARISONS, 3) for name, count in accepted.items()}


def lasting(random: np.random.Generator, days: int, persistence: float) -> np.ndarray:
    """Draw one number a day, of variance 1, correlated with the day before."""
    luck = random.normal(size=days)
    for today in range(1, days):
        luck[today] = persistence * luck[today - 1] + np.sqrt(1 - persistence**2) * luck[today]
    return luck


if __name__ == "__main__":
    main()
