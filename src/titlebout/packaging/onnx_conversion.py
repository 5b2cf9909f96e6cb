"""Convert a scikit-learn pipeline to ONNX, and measure how far the two differ."""

from typing import Any

import numpy as np

from titlebout.packaging.reproducible_bytes import stable_onnx
from titlebout.scoring import OnnxPredictor, Scores, model_columns, predictor_columns
from titlebout.spec import Contract, Engine

# Two float32 computations of one model differ by rounding alone, about 1e-7; a wrong conversion
# differs by far more.
LARGEST_PARITY_DIFFERENCE = 1e-5
# Of a converter's message: its first sentence, not its list of every operator.
REASON_CHARACTERS = 200


class NotConvertible(Exception):
    """Say why the converter cannot convert this pipeline."""


def choose_engine(
    pipeline: Any, contract: Contract, *, X: Any, expected: Scores
) -> tuple[Engine, bytes | None]:
    """Return ONNX and its graph if its scores agree with the pipeline's, else scikit-learn and why.

    The scores are compared on X, a DataFrame of model columns.
    """
    try:
        graph = to_onnx(pipeline, contract)
        difference = parity_difference(
            contract, OnnxPredictor(contract, graph).scores(predictor_columns(X)), expected
        )
    except NotConvertible as error:
        return Engine(name="sklearn", reason=str(error)), None
    # onnxruntime raises its own classes for graphs that it cannot load or run.
    except Exception as error:  # noqa: BLE001
        return Engine(
            name="sklearn",
            reason=f"ONNX Runtime cannot run the converted pipeline: {_shorten(error)}",
        ), None
    rows = f"{len(X):,} rows"
    if difference <= LARGEST_PARITY_DIFFERENCE:
        return Engine(
            name="onnx", reason=f"agrees with scikit-learn on {rows}", largest_difference=difference
        ), graph
    reason = (
        f"ONNX differs from scikit-learn by {difference:.2g} on {rows}, "
        f"more than {LARGEST_PARITY_DIFFERENCE:g}"
    )
    return Engine(name="sklearn", reason=reason, largest_difference=difference), None


def to_onnx(pipeline: Any, contract: Contract) -> bytes:
    """Return a graph with one input of shape (n, 1) per model column, in order.

    Raise NotConvertible if the converter does not know the pipeline.
    """
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    kinds = {"number": FloatTensorType, "text": StringTensorType}
    try:
        graph = convert_sklearn(
            pipeline,
            name=contract.model,  # otherwise a random one
            initial_types=[
                (name, kinds[kind]([None, 1])) for name, kind in model_columns(contract.inputs)
            ],
            options=None if contract.task == "regression" else {id(pipeline): {"zipmap": False}},
        )
    except Exception as error:  # skl2onnx has no base class for "I cannot convert this"
        raise NotConvertible(f"skl2onnx cannot convert the pipeline: {_shorten(error)}") from error
    return stable_onnx(graph)


def parity_difference(contract: Contract, found: Scores, expected: Scores) -> float:
    """Return the largest difference between two arrays of scores.

    It is absolute for probabilities. For values it is relative to their size, or to the mean size
    where they are smaller.
    """
    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    differences = np.abs(found - expected)
    if contract.task == "regression":
        differences = differences / np.maximum(np.abs(expected), np.abs(expected).mean() or 1.0)
    return float(differences.max())


def _shorten(error: Exception) -> str:
    return (
        " ".join(str(error).split()).partition(". ")[0][:REASON_CHARACTERS] or type(error).__name__
    )
