"""Fit train's own pipelines to real tables, and wrap them in the served predictor."""

import functools
import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import datasets
from support.part_rows import part_rows

from titlebout.data import PartRows
from titlebout.evaluate.measured import Measured
from titlebout.scoring import predictor_columns
from titlebout.scoring.predictor import SklearnPredictor
from titlebout.spec import Column, Contract, Engine, Input, ModelSpec, load_model_spec
from titlebout.train.estimators import build_pipeline

PROJECT = Path(__file__).resolve().parents[2]


def flights_spec(**planted: Column) -> ModelSpec:
    """Return the flights model's spec, with columns that leak the target added."""
    spec = load_model_spec(PROJECT, "flights")
    left_out = {name: why for name, why in spec.exclude.items() if name not in planted}
    return spec.model_copy(update={"columns": {**spec.columns, **planted}, "exclude": left_out})


@functools.cache
def flights_table() -> pd.DataFrame:
    """Return 12,000 flights in the order of time."""
    path = PROJECT / "models" / "flights" / "features.py"
    spec = importlib.util.spec_from_file_location("flights_features", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    flights: pd.DataFrame = (
        module.scheduled_flights()
        .sample(12_000, random_state=0)
        .sort_values("departs")
        .reset_index(drop=True)
    )
    return flights


def flights_parts(spec: ModelSpec) -> dict[str, PartRows]:
    """Return 8,000 training, 2,000 validation and 2,000 holdout rows in the order of time."""
    table = flights_table()
    y = (table["late"] == "late").astype(int).to_numpy()
    days = pd.factorize(table["departs"].dt.date)[0]
    cuts = {
        "train": slice(0, 8000),
        "validation": slice(8000, 10_000),
        "holdout": slice(10_000, 12_000),
    }
    return {
        name: PartRows(
            frame=table[cut].reset_index(drop=True),
            columns=spec.columns,
            y=y[cut].astype(np.int64),
            hashes=np.arange(len(y), dtype=np.uint64)[cut],
            days=days[cut],
        )
        for name, cut in cuts.items()
    }


def iris_spec() -> ModelSpec:
    """Return the spec of a multiclass model on iris."""
    loaded = datasets.load_iris()
    return flights_spec().model_copy(
        update={
            "task": "multiclass",
            "metric": "log_loss",
            "columns": {name: Column(type="number") for name in loaded.feature_names},
            "candidates": {"linear": flights_spec().candidates["linear"]},
        }
    )


def iris_parts() -> dict[str, PartRows]:
    """Return 90 training, 30 validation and 30 holdout rows of iris."""
    loaded = datasets.load_iris()
    order = np.random.default_rng(0).permutation(150)
    X = pd.DataFrame(loaded.data[order].astype(np.float32), columns=loaded.feature_names)
    cuts = {"train": slice(0, 90), "validation": slice(90, 120), "holdout": slice(120, 150)}
    return {name: part_rows(X[cut], loaded.target[order][cut]) for name, cut in cuts.items()}


def fitted(spec: ModelSpec, parts: dict[str, PartRows], name: str) -> Measured:
    """Return the candidate `name`, fitted to the training rows, with its scores on each part."""
    train = parts["train"]
    quick = {"max_iter": 40} if name == "trees" else {}
    pipeline = build_pipeline(name, spec, X=train.X, settings=quick).fit(train.X, train.y)
    contract = Contract(
        model=spec.name,
        task=spec.task,
        target="y",
        inputs=tuple(Input(name=column, type=kind.type) for column, kind in spec.columns.items()),
        classes=tuple(map(str, np.unique(train.y))),
        engine=Engine(name="sklearn", reason="a test"),
    )
    predictor = SklearnPredictor(contract, pipeline)
    return Measured(
        name,
        Path(),
        "",
        predictor,
        {part: predictor.scores(predictor_columns(rows.X)) for part, rows in parts.items()},
    )
