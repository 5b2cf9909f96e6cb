"""Simulate how often the gate accepts a Challenger that is no better; figures of docs/gate.md.

It compares what is taken as independent: rows, days or runs of days.

.venv/bin/python benchmarks/gate_error_rates.py
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from titlebout.data import read_source
from titlebout.metrics import paired_difference
from titlebout.metrics import spread as metrics_spread
from titlebout.spec import load_model_spec

PROJECT = Path(__file__).parents[1]
COMPARISONS = 1000
ROWS_A_DAY = 10
CONFIDENCE = 0.95
TEXTS = ["carrier", "origin", "dest", "weekday"]
NUMBERS = ["distance", "departure_minute", "arrival_minute", "plane_built", "seats", "engines"]


def main() -> None:
    """Print the correlations on the flights, and the rates, as JSON."""
    correlations = measured_on_flights()
    print(
        json.dumps(
            {"lag-1 correlation of daily differences in log loss, July to December": correlations},
            indent=1,
        )
    )
    for days in (24, 73):
        for persistence in (0.0, 0.35):
            rates = {
                name: false_accepts(days, persistence, name) for name in ("rows", "days", "runs")
            }
            print(json.dumps({"days": days, "persistence": persistence, "false accepts": rates}))


def measured_on_flights() -> dict[str, float]:
    """Return the lag-1 correlation of pairs of models on the flights of July to December.

    The models are of January to April and of January to June.
    """
    flights = read_source(PROJECT, load_model_spec(PROJECT, "flights")).sort_values("departs")
    late, day = (
        (flights["late"] == "late").to_numpy(dtype=float),
        flights["departs"].dt.dayofyear.to_numpy(),
    )
    later = day > 181
    fits = {
        f"{name} {until}": (make, day <= until)
        for name, make in (("linear", linear), ("trees", trees))
        for until in (120, 181)
    }
    losses = {}
    for name, (make, rows) in fits.items():
        scores = make().fit(flights[rows], late[rows]).predict_proba(flights[later])[:, 1]
        losses[name] = (
            pd.Series(-np.log(np.where(late[later] == 1, scores, 1 - scores)))
            .groupby(day[later])
            .mean()
        )
    names = sorted(losses)
    pairs = [(first, second) for index, first in enumerate(names) for second in names[index + 1 :]]
    return {
        f"{first} - {second}": round(float((losses[first] - losses[second]).autocorr()), 2)
        for first, second in pairs
    }


def linear() -> Pipeline:
    """Return the linear model, not fitted."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    prepared = make_column_transformer(
        (numbers, NUMBERS), (OneHotEncoder(handle_unknown="ignore"), TEXTS)
    )
    return make_pipeline(prepared, LogisticRegression(max_iter=300))


def trees() -> Pipeline:
    """Return the boosted trees, not fitted."""
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return make_pipeline(
        make_column_transformer((ordinal, TEXTS), ("passthrough", NUMBERS)),
        HistGradientBoostingClassifier(max_iter=80),
    )


def false_accepts(days: int, persistence: float, unit: str) -> float:
    """Return the share of comparisons between equals that are accepted.

    `unit` is what is taken as independent: rows, single days or runs of days.
    """
    random, accepted = np.random.default_rng(1), 0
    metrics_spread.RUN_BLOCKS = 1 if unit == "days" else 7
    day = np.repeat(np.arange(days), ROWS_A_DAY)
    for setup in range(COMPARISONS):
        luck = random.normal(size=days)
        for today in range(1, days):
            luck[today] = persistence * luck[today - 1] + np.sqrt(1 - persistence**2) * luck[today]
        losses = 5 + luck[day] + random.normal(size=len(day)), 5 + random.normal(size=len(day))
        lead = paired_difference(
            "mae",
            np.zeros(len(day)),
            *losses,
            blocks=None if unit == "rows" else day,
            confidence=CONFIDENCE,
            seed=setup,
        )
        accepted += lead.low > 0
    return accepted / COMPARISONS


if __name__ == "__main__":
    main()
