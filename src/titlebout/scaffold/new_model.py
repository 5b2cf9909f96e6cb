"""Write a first model.yaml for any tidy table.

Every decision is a guess that a person can read and change.
"""

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from titlebout.data import MINIMUM_ROWS, normalize_frame, read_table, refuse_absent
from titlebout.scaffold.first_spec import first_spec
from titlebout.scaffold.guess_column import QUESTION, Guess, guess_column
from titlebout.scaffold.guess_missing import guess_missing
from titlebout.scaffold.guess_split import guess_split
from titlebout.scaffold.guess_target import TargetGuess, guess_target, suspected_leak
from titlebout.scaffold.render_yaml import render_yaml
from titlebout.scoring import model_columns
from titlebout.spec import (
    CODE,
    Column,
    DataError,
    Input,
    ModelSpec,
    NotAllowed,
    Source,
    SpecError,
    fault_of_name,
    model_folder,
)

log = logging.getLogger(__name__)


class Inferred(NamedTuple):
    """Hold the guessed spec, a note for each guess, and what a person must decide.

    A note's key is the dotted key of model.yaml.
    """

    spec: ModelSpec
    notes: dict[str, str]
    questions: tuple[str, ...] = ()


class NewModel(NamedTuple):
    """Hold the path of the new model.yaml, its spec, and what a person must decide in it."""

    path: Path
    spec: ModelSpec
    questions: tuple[str, ...]


def new_model(project: Path, *, name: str, data: Path, target: str) -> NewModel:
    """Write models/<name>/model.yaml.

    Raise NotAllowed if there is one, and what `infer_spec` raises.
    """
    _require_free_name(name)
    path = model_folder(project, name) / "model.yaml"
    if path.exists():
        next_step = "choose another name, or delete that file first"
        raise NotAllowed(
            f"model {name}",
            expected="a new name",
            found=f"{path}, which a person may have edited",
            next_step=next_step,
        )
    spec, notes, questions = infer_spec(name, data, target)
    spec = spec.model_copy(
        update={
            "source": Source(
                file=_make_address(data.resolve(), path.parent.resolve(), project.resolve())
            )
        }
    )
    log.info("write %s", path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_yaml(spec, notes), encoding="utf-8")
    return NewModel(path, spec, questions)


def infer_spec(name: str, data: Path, target: str) -> Inferred:
    """Return the guesses for a table and its target.

    Raise SpecError for a wrong name, and DataError for a table from which nothing can be learned.
    Both say how to fix it.
    """
    _require_free_name(name)
    source = read_table(data.resolve(), missing=())
    refuse_absent(
        [target],
        list(source.columns),
        subject=f"the table {data.name}",
        next_step="give --target one of these",
    )
    missing = guess_missing(source, target=target)
    whole = normalize_frame(source, missing=missing.words)
    target_guess = guess_target(target, whole[target])
    table = whole[whole[target].notna()].reset_index(drop=True)
    _refuse_few_rows(table, data)
    guesses = {
        column: guess_column(column, table[column]) for column in table.columns if column != target
    }
    # Refuses a table of identifiers. Otherwise the split would report copies that it cannot split.
    _choose_features(guesses, None, data)
    split = guess_split(table, target=target, target_guess=target_guess, guesses=guesses)
    columns = _choose_features(guesses, split.time_column, data)
    exclude = {column: guess.reason for column, guess in guesses.items() if guess.column is None}
    spec = first_spec(
        name,
        data=data.resolve(),
        table=table,
        target=target,
        target_guess=target_guess,
        split=split,
        columns=columns,
        exclude=exclude,
    )
    spec = _add_formats(spec, missing.words, target_guess, guesses)
    leaks = {column: leak for column in columns if (leak := _find_leak(table, column, spec))}
    notes = {
        "file": f"{len(whole):,} rows, {whole.shape[1]} columns",
        "missing": missing.reason,
        "task": target_guess.reason,
        "split": split.reason,
        **_describe_missing_targets(whole, table),
        **{
            f"columns.{column}": _describe_column(guesses[column], leaks.get(column))
            for column in columns
        },
    }
    if split.time_column is not None:
        notes["time_format"] = guesses[split.time_column].question
    questions = (
        *missing.questions,
        *_gather_questions(target, target_guess, guesses),
        *(f"{column!r}: {leak}" for column, leak in leaks.items()),
    )
    return Inferred(spec, notes, questions)


def _add_formats(
    spec: ModelSpec,
    missing: tuple[str, ...],
    target_guess: TargetGuess,
    guesses: Mapping[str, Guess],
) -> ModelSpec:
    time_column = guesses[spec.time_column].column if spec.time_column is not None else None
    target_format = None if target_guess.format == CODE else target_guess.format
    return spec.model_copy(
        update={
            "missing": missing,
            "time_format": time_column.format if time_column is not None else None,
            "target": spec.target.model_copy(update={"format": target_format}),
        }
    )


def _gather_questions(
    target: str, target_guess: TargetGuess, guesses: Mapping[str, Guess]
) -> tuple[str, ...]:
    questions = [
        f"{column!r}: {guess.question}" for column, guess in guesses.items() if guess.question
    ]
    if target_guess.rivals:
        rivals = " or ".join(target_guess.rivals)
        questions.insert(
            0, f"{target!r}: {QUESTION}: was read as {target_guess.format}; it may be {rivals}"
        )
    return tuple(questions)


def _require_free_name(name: str) -> None:
    """Raise SpecError, with a free name, if no model can have this name."""
    if fault := fault_of_name(name):
        near = re.sub(r"[^a-z0-9]+", "-", name.lower()).lstrip("-0123456789")[:40].strip("-")
        tries = [one for one in (near, f"{near[:34]}-model") if near and fault_of_name(one) is None]
        raise SpecError(
            f"model name {name!r}",
            expected="a free name, since it becomes the model's address and names its slots",
            found=fault,
            next_step=f"try {tries[0]!r}" if tries else "choose another name",
        )


def _refuse_few_rows(table: pd.DataFrame, data: Path) -> None:
    if len(table) < MINIMUM_ROWS:
        raise DataError(
            str(data),
            expected=f"at least {MINIMUM_ROWS} rows with a target",
            found=f"{len(table)}",
            next_step="collect more rows; "
            "fewer cannot be split into rows to train on, to choose by and to evaluate by",
        )


def _choose_features(
    guesses: Mapping[str, Guess], time_column: str | None, data: Path
) -> dict[str, Column]:
    """Return the columns that models see.

    Raise DataError if there is none, or if the names of model columns would be equal.
    """
    columns = {
        name: guess.column
        for name, guess in guesses.items()
        if guess.column is not None and name != time_column
    }
    if not columns:
        left_out = "; ".join(
            f"{name!r} {guess.reason}" for name, guess in guesses.items() if guess.column is None
        )
        raise DataError(
            str(data),
            expected="a column to predict from",
            found=left_out or "none beside the target and the time",
            next_step="add columns that describe the rows",
        )
    # Refuses two columns that would have the same model column.
    model_columns([Input(name=name, type=column.type) for name, column in columns.items()])
    return columns


def _find_leak(table: pd.DataFrame, column: str, spec: ModelSpec) -> str:
    return suspected_leak(
        table[column], spec.columns[column].type, table[spec.target.column], spec.task
    )


def _describe_column(guess: Guess, leak: str | None) -> str:
    return f"{leak} ({guess.reason})" if leak else guess.reason


def _describe_missing_targets(whole: pd.DataFrame, table: pd.DataFrame) -> dict[str, str]:
    lost = len(whole) - len(table)
    return {"target": f"{lost:,} of {len(whole):,} rows have none and are left out"} if lost else {}


def _make_address(data: Path, folder: Path, project: Path) -> str:
    """Return the path relative to the model's folder for a file of the project, else absolute.

    So the project can be cloned elsewhere.
    """
    return (
        Path(os.path.relpath(data, folder)).as_posix()
        if data.is_relative_to(project)
        else str(data)
    )
