"""Build a first ModelSpec from what was guessed of a table.

It adds candidates, a metric, slices and a brief that a person edits.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from titlebout.scaffold.guess_split import SplitGuess
from titlebout.scaffold.guess_target import TargetGuess
from titlebout.spec import (
    DEFAULT_METRIC,
    Brief,
    Candidate,
    Column,
    ModelSpec,
    Range,
    Slices,
    Source,
    Target,
    Task,
)

OWNER = "my-team"
# Few sub-populations, each with rows enough to measure.
SLICE_VALUES = 10
SLICE_COLUMNS = 3
SLICE_MOST_ROWS = 200
SLICE_LEAST_ROWS = 10
SLICE_SHARE_OF_TABLE = 0.02
SMALL_TABLE_ROWS = 500  # below, scikit-learn's 20 rows a leaf leave a tree hardly any splits


def first_spec(
    name: str,
    *,
    data: Path,
    table: pd.DataFrame,
    target: str,
    target_guess: TargetGuess,
    split: SplitGuess,
    columns: Mapping[str, Column],
    exclude: Mapping[str, str],
) -> ModelSpec:
    """Return the first spec of a model with these guesses."""
    return ModelSpec(
        name=name,
        owner=OWNER,
        brief=_make_brief(data, target),
        source=Source(file=str(data)),
        task=target_guess.task,
        target=Target(column=target, positive=target_guess.positive),
        time_column=split.time_column,
        exclude=dict(exclude),
        columns=dict(columns),
        split=split.how,
        candidates=_choose_candidates(target_guess.task, small=len(table) < SMALL_TABLE_ROWS),
        metric=DEFAULT_METRIC[target_guess.task],
        slices=_choose_slices(table, columns, holdout=split.how.holdout),
    )


def _make_brief(data: Path, target: str) -> Brief:
    return Brief(
        question=f"What is {target!r} of a row like those of {data.name}?",
        decided_by="nobody yet: this model was made by `titlebout new`",
        error_cost="not known yet: every error counts the same",
    )


def _choose_candidates(task: Task, *, small: bool) -> dict[str, Candidate]:
    strength = (
        {"alpha": Range(low=0.01, high=100, log=True)}
        if task == "regression"
        else {"C": Range(low=0.01, high=100, log=True)}
    )
    leaf = {"min_samples_leaf": 5} if small else {}
    search = {
        "learning_rate": Range(low=0.03, high=0.3, log=True),
        "max_leaf_nodes": Range(low=4, high=16 if small else 48, integer=True),
        "min_samples_leaf": Range(
            low=2 if small else 10, high=20 if small else 200, log=True, integer=True
        ),
    }
    return {
        "linear": Candidate(estimator="linear", search=strength),
        "trees": Candidate(estimator="trees", settings={"max_iter": 100, **leaf}, search=search),
    }


def _choose_slices(table: pd.DataFrame, columns: Mapping[str, Column], *, holdout: float) -> Slices:
    """Choose columns of which at least two values will have enough holdout rows to be measured."""
    rows = int(len(table) * SLICE_SHARE_OF_TABLE)
    minimum = min(SLICE_MOST_ROWS, max(SLICE_LEAST_ROWS, rows))
    chosen = [
        name
        for name, column in columns.items()
        if _may_be_sliced(table[name], column, rows=minimum / holdout)
    ]
    return Slices(columns=tuple(chosen[:SLICE_COLUMNS]), minimum_rows=minimum)


def _may_be_sliced(values: "pd.Series[Any]", column: Column, *, rows: float) -> bool:
    counts = values.value_counts()
    if column.type == "date":
        return False
    most = 2 if column.type == "number" else SLICE_VALUES
    return 2 <= len(counts) <= most and int((counts >= rows).sum()) >= 2
