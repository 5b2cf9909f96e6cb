"""Preprocess such that ONNX predicts what scikit-learn does, also for what training never saw."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import BaggingClassifier, HistGradientBoostingClassifier
from support.part_rows import part_rows
from support.real_tables import TASKS, rows_of, spec_of

from titlebout.data import PartRows
from titlebout.packaging.model_folder import write_model
from titlebout.spec import Contract, Dataset, Engine, Input, PartRecord
from titlebout.train.estimators import baseline_pipeline, build_pipeline
from titlebout.train.fitting import fit
from titlebout.train.float32 import compute_in_float32
from titlebout.train.make_contract import UNKNOWN_CATEGORY, make_contract, parity_rows


def many_categories(rows):
    """Add a column of 60 categories, missing numbers, and a column of missing numbers alone.

    By the 60 categories the target encoder is in the pipeline.
    """
    X = rows.X.assign(
        many=[f"c{i * 7 % 60}" for i in range(len(rows.y))], nothing=np.float32("nan")
    )
    X.loc[::9, "x1"] = float("nan")
    return part_rows(X, rows.y)


def contract_of(spec, X, y) -> Contract:
    classes = () if spec.task == "regression" else tuple(map(str, np.unique(y)))
    inputs = tuple(
        Input(name=name, type="number" if X[name].dtype.kind == "f" else "category") for name in X
    )
    return Contract(
        model="tried",
        task=spec.task,
        target="y",
        inputs=inputs,
        classes=classes,
        engine=Engine(name="sklearn", reason=""),
    )


@pytest.mark.parametrize("estimator", ["linear", "trees"])
@pytest.mark.parametrize("task", TASKS)
def test_the_built_in_candidates_are_served_by_onnx(tmp_path, task, estimator):
    """Agree to 1e-5 on known rows, unknown categories and missing values, for every task."""
    spec, rows = spec_of(task, {"tried": {"estimator": estimator}}), many_categories(rows_of(task))
    pipeline = build_pipeline("tried", spec, X=rows.X, settings={}).fit(rows.X, rows.y)
    sample = parity_rows(rows.X, seed=0)
    assert (sample == UNKNOWN_CATEGORY).to_numpy().sum() > 20
    engine = write_model(
        tmp_path, pipeline=pipeline, contract=contract_of(spec, rows.X, rows.y), sample=sample
    ).engine
    assert (engine.name, engine.largest_difference <= 1e-5) == ("onnx", True), engine.reason


@pytest.mark.parametrize("task", TASKS)
def test_the_baseline_is_served_by_onnx(tmp_path, task):
    """Serve the baseline by ONNX, so that the gate loads it without scikit-learn."""
    spec, rows = spec_of(task, {"tried": {"estimator": "linear"}}), rows_of(task)
    pipeline = baseline_pipeline(spec, X=rows.X).fit(rows.X, rows.y)
    engine = write_model(
        tmp_path,
        pipeline=pipeline,
        contract=contract_of(spec, rows.X, rows.y),
        sample=parity_rows(rows.X, seed=0),
    ).engine
    assert engine.name == "onnx", engine.reason


def test_the_contract_shows_a_complete_row_as_clients_send_it():
    """Take the example from a row without missing values, as plain JSON values."""
    spec, rows = spec_of("binary", {"tried": {"estimator": "linear"}}), rows_of("binary")
    part = PartRecord(rows=1, rows_digest="")
    dataset = Dataset(
        model="tried",
        source="",
        fraction=1,
        columns=spec.columns,
        target="y",
        classes=("0", "1"),
        rows=1,
        parts={"train": part, "validation": part, "holdout": part},
    )
    frame = rows.X.copy()
    frame.loc[0, "x3"] = float("nan")
    contract = make_contract("tried", spec, dataset, frame=frame, threshold=0.5)
    assert [one.example for one in contract.inputs][:1] == [float(frame.loc[1, "x0"])]
    assert {type(one.example) for one in contract.inputs} == {float, str}
    assert (contract.positive, contract.threshold) == ("1", 0.5)


def close_numbers(task: str, *, seed: int, categories: int) -> PartRows:
    """Return numbers that are nearly neighbours in float32, and many categories.

    So thresholds fall on the numbers or between them, and there are many target means.
    """
    random = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "near one": random.uniform(0.999999, 1.00001, 2000).astype(np.float32),
            "seconds": random.uniform(1.6e7, 1.7e7, 2000).astype(np.float32),
            "many": [f"c{code}" for code in random.integers(0, categories, 2000)],
        }
    )
    value = (X["near one"] - 1.000005) * 4e5 + random.normal(size=2000)
    y = {"binary": value > 0, "multiclass": np.digitize(value, [-1, 1]), "regression": value}[task]
    return part_rows(X, np.asarray(y, dtype=np.float64 if task == "regression" else np.int64))


TREES = {
    "binary": [
        "trees",
        "sklearn.ensemble.GradientBoostingClassifier",
        "sklearn.ensemble.RandomForestClassifier",
    ],
    "multiclass": [
        "trees",
        "sklearn.ensemble.ExtraTreesClassifier",
        "sklearn.ensemble.BaggingClassifier",
    ],
    "regression": [
        "trees",
        "sklearn.ensemble.GradientBoostingRegressor",
        "sklearn.tree.DecisionTreeRegressor",
    ],
}


@pytest.mark.parametrize(
    ("task", "estimator"), [(task, estimator) for task in TREES for estimator in TREES[task]]
)
def test_every_row_takes_the_same_branch_in_both_engines(tmp_path, task, estimator):
    """Take the same branch under ONNX Runtime at a threshold between float32 neighbours.

    The same holds for a threshold on a target mean.
    """
    columns = {
        "near one": {"type": "number"},
        "seconds": {"type": "number"},
        "many": {"type": "category"},
    }
    settings = (
        {"max_iter": 20}
        if estimator == "trees"
        else {"n_estimators": 10}
        if "ensemble" in estimator
        else {}
    )
    spec = spec_of(task, {"tried": {"estimator": estimator, "settings": settings}}, columns=columns)
    for seed in range(3):
        rows, unseen = (close_numbers(task, seed=one, categories=400) for one in (seed, seed + 100))
        pipeline = fit(
            "tried", build_pipeline("tried", spec, X=rows.X, settings={}), X=rows.X, y=rows.y
        )
        sample = parity_rows(pd.concat([rows.X, unseen.X], ignore_index=True), seed=0)
        engine = write_model(
            tmp_path / str(seed),
            pipeline=pipeline,
            contract=contract_of(spec, rows.X, rows.y),
            sample=sample,
        ).engine
        assert (engine.name, engine.largest_difference <= 1e-5) == ("onnx", True), engine.reason


def test_rounding_to_float32_leaves_predictions_bit_equal():
    """Decide float32 columns as before by a threshold rounded down, at any depth of ensembles."""
    rows = close_numbers("binary", seed=0, categories=5)
    numbers, unseen = (
        one.X[["near one", "seconds"]]
        for one in (rows, close_numbers("binary", seed=1, categories=5))
    )
    pipeline = BaggingClassifier(
        HistGradientBoostingClassifier(max_iter=10), n_estimators=2, random_state=0
    ).fit(numbers, rows.y)
    thresholds = [nodes["num_threshold"].copy() for nodes in nodes_of(pipeline)]
    before = pipeline.predict_proba(unseen)
    compute_in_float32(pipeline)
    assert np.array_equal(pipeline.predict_proba(unseen), before)
    rounded = [nodes["num_threshold"] for nodes in nodes_of(pipeline)]
    assert all(np.array_equal(one, one.astype(np.float32)) for one in rounded)
    assert any((one != other).any() for one, other in zip(rounded, thresholds, strict=True))


def nodes_of(bagging):
    return [
        tree.nodes
        for member in bagging.estimators_
        for iteration in member._predictors
        for tree in iteration
    ]
