"""Warn of what was not known in time, name what is only strong, and pass what is honest."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.evaluated_models import fitted, flights_parts, flights_spec, iris_parts, iris_spec
from support.part_rows import part_rows

from titlebout.data import skill_alone, skill_together
from titlebout.evaluate.importance import permutation_losses
from titlebout.evaluate.leaks import Skills, find_leaks, judge_column
from titlebout.spec import Column

NUMBER = Column(type="number")
ROWS = 600


def levels_of(spec, parts, name) -> dict[str, str]:
    importance = permutation_losses(
        spec, fitted(spec, parts, name), parts["validation"], metric=spec.metric
    )
    return {
        leak.column: leak.level for leak in find_leaks(spec, parts["train"], importance=importance)
    }


def levels_in(columns: dict, y, task: str) -> dict[str, str]:
    """Return the levels in a table of numbers, where every column counts as important."""
    X = pd.DataFrame(columns).astype("float32")
    spec = flights_spec().model_copy(update={"task": task, "columns": dict.fromkeys(X, NUMBER)})
    return {
        leak.column: leak.level
        for leak in find_leaks(spec, part_rows(X, y), importance=dict.fromkeys(X, 1.0))
    }


def test_honest_flights_features_are_not_leaks():
    """Pass what is known when a flight is scheduled, such as carrier and departure_minute."""
    spec = flights_spec()
    assert levels_of(spec, flights_parts(spec), "trees") == {}


@pytest.mark.parametrize("name", ["linear", "trees"])
def test_a_planted_departure_delay_is_suspicious_alone(name):
    """Name `dep_delay`, whatever candidate was chosen, and no honest column."""
    spec = flights_spec(dep_delay=NUMBER)
    assert levels_of(spec, flights_parts(spec), name) == {"dep_delay": "suspicious"}


@pytest.mark.parametrize("planted", ["dep_time", "arr_time"])
def test_a_leak_that_needs_a_partner_is_named_without_the_partner(planted):
    """Name the actual time alone, although it leaks by its distance from the scheduled time."""
    spec = flights_spec(**{planted: NUMBER})
    assert levels_of(spec, flights_parts(spec), "trees") == {planted: "suspicious"}


def test_a_strong_honest_column_is_strong_and_not_suspicious():
    """Call a petal's width strong: it nearly is the species, and its length confirms it."""
    assert set(levels_of(iris_spec(), iris_parts(), "linear").values()) == {"strong"}


@pytest.mark.parametrize("task", ["binary", "regression"])
@pytest.mark.parametrize("share", [0.3, 0.45])
def test_an_honest_column_with_much_of_the_variance_is_not_a_leak(task, share):
    """Pass a column whose share of the skill is its share of the variance."""
    random = np.random.default_rng(3)
    columns = {name: random.normal(size=ROWS) for name in ("much", "a", "b", "c")}
    signal = np.sqrt(share) * columns["much"] + sum(
        np.sqrt((0.9 - share) / 3) * columns[name] for name in ("a", "b", "c")
    )
    y = signal + np.sqrt(0.1) * random.normal(size=ROWS)
    assert levels_in(columns, (y > 0).astype(int) if task == "binary" else y, task) == {}


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("made", ["copy", "monotone", "missing", "category"])
def test_a_column_made_from_the_target_is_suspicious(task, made):
    """Call a copy suspicious: with noise, by a monotone function, with gaps, or as categories."""
    random = np.random.default_rng(4)
    amount = np.exp(random.normal(size=ROWS))
    y = {
        "binary": (amount > 1).astype(int),
        "multiclass": np.digitize(amount, [0.7, 1.5]),
        "regression": amount,
    }[task]
    leak = {
        "copy": y + 0.01 * random.normal(size=ROWS),
        "monotone": np.log1p(3 * y) + (0.0 if task == "regression" else 0.01 * random.random(ROWS)),
        "missing": np.where(y > np.median(y) if task == "regression" else y > 0, y, np.nan),
        "category": np.digitize(y, np.quantile(amount, np.linspace(0, 1, 30)))
        if task == "regression"
        else y,
    }[made]
    kind = object if made == "category" else "float32"
    X = pd.DataFrame(
        {
            "a": random.normal(size=ROWS).astype("float32"),
            "leak": np.asarray(leak).astype(str if made == "category" else float),
        }
    )
    X["leak"] = X["leak"].astype(kind)
    spec = flights_spec().model_copy(
        update={
            "task": task,
            "columns": {
                "a": NUMBER,
                "leak": Column(type="category" if kind is object else "number"),
            },
        }
    )
    found = {
        leak.column: leak.level
        for leak in find_leaks(spec, part_rows(X, y), importance={"a": 1.0, "leak": 0.5})
    }
    if made == "missing" and task == "regression":
        assert (
            found == {"leak": "suspicious"} or skill_alone(X[["leak"]], y, task=task, seed=0) < 0.9
        )
    else:
        assert found == {"leak": "suspicious"}


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=300, deadline=None)
def test_more_of_a_leak_is_never_less_suspicious(alone, together, without):
    """Keep a suspicious column suspicious if it has more skill alone.

    A column that the others confirm is at most strong.
    """
    found = judge_column("c", Skills(alone, together, without), task="binary")
    if found is not None and found.level == "suspicious" and alone >= 0.93 * together:
        more = judge_column("c", Skills(min(1.0, alone + 0.05), together, without), task="binary")
        assert more is not None
        assert more.level == "suspicious"
    if alone < 0.95 and without > 0.5 * together:
        assert found is None or found.level == "strong"


def test_skill_is_zero_for_noise_and_one_for_a_copy():
    """Give noise a skill of 0 and a copy 1, for one column and all, and for every task."""
    random = np.random.default_rng(5)
    noise = pd.DataFrame({"x": random.normal(size=2000)})
    for task, y in (
        ("binary", random.integers(0, 2, 2000)),
        ("multiclass", random.integers(0, 3, 2000)),
        ("regression", random.normal(size=2000)),
    ):
        copy = pd.DataFrame({"x": y.astype(float)})
        assert skill_alone(noise, y, task=task, seed=0) < 0.08
        assert skill_alone(copy, y, task=task, seed=0) > 0.98
        assert skill_together(copy, y, task=task, seed=0) > 0.98


def test_a_column_that_the_model_needs_is_important_and_noise_is_not():
    """Lose most by shuffling the departure's minute, and nearly nothing by the plane's engines."""
    spec = flights_spec()
    parts = flights_parts(spec)
    losses = permutation_losses(
        spec, fitted(spec, parts, "trees"), parts["validation"], metric="roc_auc"
    )
    assert max(losses, key=losses.get) == "departure_minute"
    assert abs(losses["engines"]) < losses["departure_minute"] / 10


@pytest.mark.parametrize(("noise", "found"), [(0.5, {}), (0.01, {"only": "suspicious"})])
def test_the_only_feature_is_suspicious_only_if_nearly_perfect(noise, found):
    """Name the only feature only if it is nearly perfect, as there is no other to compare with."""
    random = np.random.default_rng(0)
    y = random.normal(size=ROWS)
    assert levels_in({"only": y + noise * random.normal(size=ROWS)}, y, "regression") == found
