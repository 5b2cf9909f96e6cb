"""Choose on the validation part, and the simpler candidate if the lead is only noise."""

from pathlib import Path

import numpy as np
import pytest
from support.evaluated_models import flights_spec
from support.part_rows import part_rows

from titlebout.data import PartRows
from titlebout.evaluate.choose import choose
from titlebout.evaluate.measured import Measured
from titlebout.spec import FittedCandidate

ROWS = 4000


@pytest.fixture
def y():
    return (np.random.default_rng(0).random(ROWS) < 0.4).astype(int)


def part_of(y) -> PartRows:
    return part_rows(None, y)


def measured(name: str, scores, holdout=None) -> Measured:
    return Measured(
        name,
        Path(),
        "",
        None,
        {"validation": scores, "holdout": scores if holdout is None else holdout},
    )


def record(name: str, **more) -> FittedCandidate:
    cost = {"settings": {}, "cross_validated": None, "fit_seconds": 0.0, "peak_memory_bytes": 0}
    return FittedCandidate(name=name, estimator=name, **cost, **more)


def chosen(y, scores: dict, **records) -> tuple[str, str]:
    fitted = [record(name, **records.get(name, {})) for name in scores]
    return choose(
        flights_spec(),
        fitted,
        [measured(name, values) for name, values in scores.items()],
        part_of(y),
    )


def towards(y, strength: float, seed: int):
    noise = np.random.default_rng(seed).normal(0, 1, ROWS)
    return 1 / (1 + np.exp(-(strength * (2 * y - 1) + noise)))


def test_a_clear_lead_wins(y):
    """Choose the better candidate, and give the values as the reason."""
    choice = chosen(y, {"linear": towards(y, 0.5, 1), "trees": towards(y, 1.0, 2)})
    assert choice.name == "trees"
    assert choice.why.startswith("best log_loss on the validation part: linear 0.")


def test_the_simpler_one_wins_within_one_standard_error(y):
    """Choose the simpler candidate if the lead is smaller than its own standard error."""
    linear = towards(y, 1.0, 1)
    trees = np.clip(
        linear + np.random.default_rng(3).normal(0, 0.05, ROWS) + 0.0005 * (2 * y - 1), 0.001, 0.999
    )
    better = np.clip(linear + 0.004 * (2 * y - 1), 0.001, 0.999)
    assert chosen(y, {"linear": linear, "trees": better}).name == "trees"
    nearly = np.where(
        np.arange(ROWS) == int(np.flatnonzero(y)[0]), np.clip(linear + 0.01, 0, 1), linear
    )
    assert chosen(y, {"linear": linear, "trees": nearly}).name == "linear"
    assert chosen(y, {"linear": linear, "trees": trees}).name == "linear"


@pytest.mark.parametrize("better", ["linear", "trees"])
def test_the_holdout_does_not_choose(y, better):
    """Pass over a candidate that is worse on validation, however good it is on the holdout."""
    truth = y.astype(float)
    candidates = [
        measured(
            name,
            towards(y, 1.0 if name == better else 0.5, 1),
            holdout=1 - truth if name == better else truth,
        )
        for name in ("linear", "trees")
    ]
    assert (
        choose(flights_spec(), [record("linear"), record("trees")], candidates, part_of(y)).name
        == better
    )


def test_a_candidate_that_cannot_learn_is_passed_over(y):
    """Pass over a candidate that failed the overfit check, even if its value is the best."""
    scores = {"linear": towards(y, 0.5, 1), "trees": towards(y, 1.0, 2)}
    choice = chosen(
        y, scores, trees={"fits_batch": False, "overfit_check": "trees: skill 0.00 on 9 rows"}
    )
    assert choice.name == "linear"
    assert choice.passed_over == {"trees": "trees: skill 0.00 on 9 rows"}


def test_nobody_is_passed_over_where_nobody_else_is_left(y):
    """Choose the best candidate if all failed the overfit check; validation refuses it."""
    scores = {"linear": towards(y, 0.5, 1), "trees": towards(y, 1.0, 2)}
    choice = chosen(y, scores, linear={"fits_batch": False}, trees={"fits_batch": False})
    assert (choice.name, choice.passed_over) == ("trees", {})
