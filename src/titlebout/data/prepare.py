"""Prepare a dataset: read the source, check it, take rows, split them and freeze the result."""

import hashlib
import logging
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from titlebout.data.column_reading import with_formats
from titlebout.data.datasets import PartName, freeze, load_dataset, rows_digest
from titlebout.data.hashes import Hashes
from titlebout.data.keys import Keys, keys_of, whole_rows
from titlebout.data.schema import require_columns, wire_frame
from titlebout.data.source import read_source
from titlebout.data.split import SplitInput, split
from titlebout.data.target import classes_of, codes
from titlebout.data.window import fraction_of, in_window, widened
from titlebout.spec import (
    PART_NAMES,
    DataError,
    Dataset,
    Environment,
    ModelSpec,
    PartRecord,
    SpecError,
    find_project,
    load_environment,
    load_model_spec,
)
from titlebout.storage import open_storage

log = logging.getLogger(__name__)

PREPARED = "TITLEBOUT_PREPARED"  # the digest of a dataset that was prepared before
Frozen = dict[PartName, tuple[pd.DataFrame, Hashes]]


class Material(NamedTuple):
    """Hold the rows that will be split, in wire form, and what is known of them.

    `whole` holds the hashes of the source's whole rows.
    """

    frame: pd.DataFrame
    rows: SplitInput
    keys: Keys
    whole: Hashes
    window: tuple[str, str] | None
    without_target: int
    notes: tuple[str, ...]


def prepare_dataset(*, model: str, environment: str, as_of: str | None, out: Path) -> Dataset:
    """Prepare the dataset, and write its record to `out`. This is the pipeline's step.

    With the variable PREPARED, take the dataset with that digest instead.
    Then another process has read the source, which has credentials for data only.
    """
    project = find_project()
    spec, declared = load_model_spec(project, model), load_environment(project, environment)
    prepared = os.environ.get(PREPARED)
    dataset = (
        _load_prepared(project, spec, declared, prepared)
        if prepared
        else prepare(project, spec, declared, as_of=as_of)
    )
    log.info("dataset %s of %s in %s", dataset.digest, model, environment)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(dataset.canonical_json())
    return dataset


def _load_prepared(
    project: Path, model: ModelSpec, environment: Environment, digest: str
) -> Dataset:
    """Return the frozen dataset. Raise DataError if there is none, or if it is another model's."""
    dataset = load_dataset(open_storage(project, environment.storage), digest)
    found = (dataset.model, dataset.order, dataset.target)
    expected = (model.name, tuple(model.columns), model.target.column)
    if found != expected:
        raise DataError(
            f"dataset {digest}",
            expected=f"one of {model.name}, with its columns and its target {model.target.column}",
            found=f"one of {dataset.model}, with target {dataset.target} "
            f"and {len(dataset.order)} columns",
            next_step=f"titlebout prepare {model.name} --env {environment.name}",
        )
    return dataset


def prepare(
    project: Path, model: ModelSpec, environment: Environment, *, as_of: str | None
) -> Dataset:
    """Freeze the environment's rows, and return their record.

    The same rows always give the same digest. Raise DataError if the source cannot be used.
    """
    _require_date_as_time(model)
    subject = f"the data of model {model.name} in {environment.name}"
    raw = read_source(project, model)
    require_columns(raw, model)
    model = with_formats(model, raw)
    material = _take_material(raw, model, environment, as_of=as_of)
    parts = split(material.rows, model.split, subject=subject)
    frozen: Frozen = {
        name: _take_part(material, parts == code) for code, name in enumerate(PART_NAMES)
    }
    dataset = _make_record(model, environment, material, frozen)
    freeze(open_storage(project, environment.storage), dataset, frozen)
    return dataset


def _make_record(
    model: ModelSpec, environment: Environment, material: Material, frozen: Frozen
) -> Dataset:
    return Dataset(
        model=model.name,
        source=f"{model.source.function}() of features.py"
        if model.source.function
        else str(model.source.file),
        window=material.window,
        fraction=environment.data.fraction,
        columns=dict(model.columns),
        order=tuple(model.columns),
        target=model.target.column,
        target_format=model.target.format,
        missing=model.missing,
        time_column=model.time_column,
        group_column=model.group_column,
        split=model.split,
        key_columns=material.keys.columns,
        classes=material.rows.class_names,
        source_digest=hashlib.sha256(np.sort(material.whole).astype("<u8").tobytes()).hexdigest(),
        rows=sum(len(frame) for frame, _ in frozen.values()),
        dropped_without_target=material.without_target,
        notes=material.notes,
        parts={
            name: _make_part_record(*frozen[name], time_column=model.time_column)
            for name in PART_NAMES
        },
    )


def _require_date_as_time(model: ModelSpec) -> None:
    if model.time_column in model.columns and model.columns[model.time_column].type != "date":
        raise SpecError(
            f"time_column {model.time_column!r} of model {model.name}",
            expected="type date, where it is a feature too",
            found=f"type {model.columns[model.time_column].type}",
            next_step="declare it as a date, or take it out of `columns`",
        )


def _take_material(
    raw: pd.DataFrame, model: ModelSpec, environment: Environment, *, as_of: str | None
) -> Material:
    windowed = in_window(raw, model, environment.data, as_of=as_of)
    frame = wire_frame(windowed.rows, model)
    known = frame[model.target.column].notna().to_numpy()
    names = classes_of(frame[model.target.column], model)
    raw, frame = windowed.rows[known], frame[known]
    whole = whole_rows(raw)
    keys = keys_of(raw, frame, model, whole=whole)
    every = _make_split_input(keys, frame, model, names)
    share = widened(environment.data.fraction, rows=len(every.hashes))
    taken = fraction_of(every.hashes, every.groups, every.classes, share=share)
    wider = (
        f"the fraction of {environment.data.fraction:g} was widened to {share:.3g}: "
        "there are few rows",
    )
    return Material(
        frame=frame[taken],
        rows=every.take(taken),
        keys=keys._replace(hashes=keys.hashes[taken]),
        whole=whole.hashes[taken],
        window=windowed.window,
        without_target=int((~known).sum()),
        notes=windowed.notes + keys.notes + (wider if share > environment.data.fraction else ()),
    )


def _make_split_input(
    keys: Keys, frame: pd.DataFrame, model: ModelSpec, names: tuple[str, ...]
) -> SplitInput:
    classes = codes(frame[model.target.column], names).astype(np.int64) if names else None
    times = (
        frame[model.time_column].to_numpy(dtype="datetime64[us]").astype(np.int64)
        if model.time_column
        else None
    )
    groups = keys.hashes if model.split.by == "group" else None
    return SplitInput(
        hashes=keys.hashes, classes=classes, class_names=names, times=times, groups=groups
    )


def _take_part(material: Material, chosen: NDArray[np.bool_]) -> tuple[pd.DataFrame, Hashes]:
    """Return the part's rows in the order of time, then of the hashes.

    So the order of the source does not change the digest.
    """
    hashes = material.keys.hashes[chosen]
    times = (
        material.rows.times[chosen] if material.rows.times is not None else np.zeros(len(hashes))
    )
    order = np.lexsort((material.whole[chosen], hashes, times))
    return material.frame[chosen].iloc[order].reset_index(drop=True), hashes[order]


def _make_part_record(
    frame: pd.DataFrame, hashes: Hashes, *, time_column: str | None
) -> PartRecord:
    times = frame[time_column] if time_column is not None else None
    return PartRecord(
        rows=len(frame),
        rows_digest=rows_digest(frame, hashes),
        first_time=None if times is None else times.iloc[0].isoformat(),
        last_time=None if times is None else times.iloc[-1].isoformat(),
    )
