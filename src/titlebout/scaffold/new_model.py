"""A first model.yaml for any tidy table: every decision is a guess that a person can read, and change."""

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
    """The guessed spec, per guess (a dotted key of model.yaml) a sentence that says why, and what a person must decide."""

    spec: ModelSpec
    notes: dict[str, str]
    questions: tuple[str, ...] = ()


class Written(NamedTuple):
    """Where the new model.yaml stands, what it says, and what a person must decide in it."""

    path: Path
    spec: ModelSpec
    questions: tuple[str, ...]


def new_model(project: Path, *, name: str, data: Path, target: str) -> Written:
    """Write models/<name>/model.yaml; raises NotAllowed if there is one, and what `infer_spec` raises."""
    refuse_name(name)
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
                file=_address(data.resolve(), path.parent.resolve(), project.resolve())
            )
        }
    )
    log.info("write %s", path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_yaml(spec, notes), encoding="utf-8")
    return Written(path, spec, questions)


def infer_spec(name: str, data: Path, target: str) -> Inferred:
    """Raises SpecError for a wrong name, DataError for a table that cannot be learned from; both say how to mend it."""
    refuse_name(name)
    written = read_table(data.resolve(), missing=())
    refuse_absent(
        [target],
        list(written.columns),
        subject=f"the table {data.name}",
        next_step="give --target one of these",
    )
    missing = guess_missing(written, target=target)
    whole = normalize_frame(written, missing=missing.words)
    asked = guess_target(target, whole[target])
    table = whole[whole[target].notna()].reset_index(drop=True)
    _refuse_few_rows(table, data)
    guesses = {
        column: guess_column(column, table[column]) for column in table.columns if column != target
    }
    _features(
        guesses, None, data
    )  # refuses a table of identifiers before it is found that copies cannot be split
    split = guess_split(table, target=target, asked=asked, guesses=guesses)
    columns = _features(guesses, split.time_column, data)
    exclude = {column: guess.reason for column, guess in guesses.items() if guess.column is None}
    spec = first_spec(
        name,
        data=data.resolve(),
        table=table,
        target=target,
        asked=asked,
        split=split,
        columns=columns,
        exclude=exclude,
    )
    when = guesses[split.time_column].column if split.time_column is not None else None
    own = spec.target.model_copy(update={"format": None if asked.format == CODE else asked.format})
    spec = spec.model_copy(
        update={
            "missing": missing.words,
            "time_format": when.format if when is not None else None,
            "target": own,
        }
    )
    leaks = {column: leak for column in columns if (leak := _leak(table, column, spec))}
    words = {f"columns.{column}": _words(guesses[column], leaks.get(column)) for column in columns}
    notes = {
        "file": _size(whole),
        "missing": missing.reason,
        "task": asked.reason,
        "split": split.reason,
        **_missing(whole, table),
        **words,
    }
    if split.time_column is not None:
        notes["time_format"] = guesses[split.time_column].question
    told = tuple(f"{column!r}: {leak}" for column, leak in leaks.items())
    return Inferred(spec, notes, (*missing.questions, *_questions(target, asked, guesses), *told))


def _questions(target: str, asked: TargetGuess, guesses: Mapping[str, Guess]) -> tuple[str, ...]:
    ambiguous = (
        (
            f"{target!r}: {QUESTION}: was read as {asked.format}; it may be {' or '.join(asked.rivals)}",
        )
        if asked.rivals
        else ()
    )
    return (
        *ambiguous,
        *(f"{column!r}: {guess.question}" for column, guess in guesses.items() if guess.question),
    )


def refuse_name(name: str) -> None:
    if fault := fault_of_name(name):
        near = re.sub(r"[^a-z0-9]+", "-", name.lower()).lstrip("-0123456789")[:40].strip("-")
        tries = [one for one in (near, f"{near[:34]}-model") if near and fault_of_name(one) is None]
        raise SpecError(
            f"model name {name!r}",
            expected="a name of its own for the model's address, and for its slots",
            found=fault,
            next_step=f"try {tries[0]!r}" if tries else "choose another name",
        )


def _refuse_few_rows(table: pd.DataFrame, data: Path) -> None:
    if len(table) < MINIMUM_ROWS:
        raise DataError(
            str(data),
            expected=f"at least {MINIMUM_ROWS} rows with a target",
            found=f"{len(table)}",
            next_step="collect more rows; fewer cannot be split into rows to train on, to choose by and to judge by",
        )


def _features(
    guesses: Mapping[str, Guess], time_column: str | None, data: Path
) -> dict[str, Column]:
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
    model_columns(
        [Input(name=name, type=column.type) for name, column in columns.items()]
    )  # refuses names that would clash
    return columns


def _leak(table: pd.DataFrame, column: str, spec: ModelSpec) -> str:
    return suspected_leak(
        table[column], spec.columns[column].type, table[spec.target.column], spec.task
    )


def _words(guess: Guess, leak: str | None) -> str:
    return f"{leak} ({guess.reason})" if leak else guess.reason


def _size(whole: pd.DataFrame) -> str:
    return f"{len(whole):,} rows, {whole.shape[1]} columns"


def _missing(whole: pd.DataFrame, table: pd.DataFrame) -> dict[str, str]:
    lost = len(whole) - len(table)
    return {"target": f"{lost:,} of {len(whole):,} rows have none and are left out"} if lost else {}


def _address(data: Path, folder: Path, project: Path) -> str:
    """Relative to the model's folder for a file of the project, so that the project can be cloned elsewhere; else absolute."""
    return (
        Path(os.path.relpath(data, folder)).as_posix()
        if data.is_relative_to(project)
        else str(data)
    )
