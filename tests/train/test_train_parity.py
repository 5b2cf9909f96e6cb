"""Preprocessing is such that ONNX predicts what scikit-learn does, also for what training never saw."""

import numpy as np
import pytest
from real_tables import TASKS, rows_of, spec_of

from titlebout.serve.model_folder import write_model
from titlebout.spec import Contract, Dataset, Engine, Input, Part
from titlebout.train.contract import UNKNOWN_CATEGORY, make_contract, parity_rows
from titlebout.train.estimators import baseline_pipeline, build_pipeline


def many_categories(rows):
    """A column of 60 categories, so that the target encoder is in the pipeline, holes in a number, and a number that is never there."""
    X = rows.X.assign(many=[f"c{i * 7 % 60}" for i in range(len(rows.y))], nothing=np.float32("nan"))
    X.loc[::9, "x1"] = float("nan")
    return rows._replace(X=X)


def contract_of(spec, X, y) -> Contract:
    classes = () if spec.task == "regression" else tuple(map(str, np.unique(y)))
    inputs = tuple(Input(name=name, type="number" if X[name].dtype.kind == "f" else "category") for name in X)
    return Contract(model="tried", task=spec.task, target="y", inputs=inputs, classes=classes, engine=Engine(name="sklearn", reason=""))


@pytest.mark.parametrize("estimator", ["linear", "trees"])
@pytest.mark.parametrize("task", TASKS)
def test_the_built_in_candidates_are_served_by_onnx(tmp_path, task, estimator):
    """Parity to 1e-5 on known rows, unknown categories and missing values, for every task."""
    spec, rows = spec_of(task, {"tried": {"estimator": estimator}}), many_categories(rows_of(task))
    pipeline = build_pipeline("tried", spec, X=rows.X, settings={}).fit(rows.X, rows.y)
    sample = parity_rows(rows.X, seed=0)
    assert (sample == UNKNOWN_CATEGORY).to_numpy().sum() > 20
    engine = write_model(tmp_path, pipeline=pipeline, contract=contract_of(spec, rows.X, rows.y), sample=sample).engine
    assert (engine.name, engine.largest_difference <= 1e-5) == ("onnx", True), engine.reason


@pytest.mark.parametrize("task", TASKS)
def test_the_baseline_is_served_by_onnx(tmp_path, task):
    """The gate loads its stand-in opponent without scikit-learn."""
    spec, rows = spec_of(task, {"tried": {"estimator": "linear"}}), rows_of(task)
    pipeline = baseline_pipeline(spec, X=rows.X).fit(rows.X, rows.y)
    engine = write_model(tmp_path, pipeline=pipeline, contract=contract_of(spec, rows.X, rows.y), sample=parity_rows(rows.X, seed=0)).engine
    assert engine.name == "onnx", engine.reason


def test_the_contract_shows_a_complete_row_as_clients_send_it():
    """The example skips rows with holes, and holds plain JSON values."""
    spec, rows = spec_of("binary", {"tried": {"estimator": "linear"}}), rows_of("binary")
    part = Part(rows=1, rows_digest="")
    dataset = Dataset(
        model="tried", source="", fraction=1, columns=spec.columns, target="y", classes=("0", "1"), rows=1,
        parts={"train": part, "validation": part, "holdout": part},
    )  # fmt: skip
    frame = rows.X.copy()
    frame.loc[0, "x3"] = float("nan")
    contract = make_contract("tried", spec, dataset, frame=frame, threshold=0.5)
    assert [one.example for one in contract.inputs][:1] == [float(frame.loc[1, "x0"])]
    assert {type(one.example) for one in contract.inputs} == {float, str}
    assert (contract.positive, contract.threshold) == ("1", 0.5)
