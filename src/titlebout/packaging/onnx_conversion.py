"""From a scikit-learn pipeline to ONNX, and how far the two are apart."""

from typing import Any

import numpy as np

from titlebout.packaging.reproducible_bytes import stable_onnx
from titlebout.scoring import OnnxPredictor, Scores, model_columns, predictor_columns
from titlebout.spec import Contract, Engine

# Two float32 computations of one model differ by rounding alone, about 1e-7; a wrong conversion differs by far more.
LARGEST_PARITY_DIFFERENCE = 1e-5
REASON_CHARACTERS = (
    200  # of a converter's message: its first sentence, not its list of every operator
)


class NotConvertible(Exception):
    """The converter does not know this pipeline; says why."""


def choose_engine(
    pipeline: Any, contract: Contract, *, X: Any, expected: Scores
) -> tuple[Engine, bytes | None]:
    """ONNX and its graph where it agrees with the pipeline's scores on X (model columns), else scikit-learn and why."""
    try:
        graph = to_onnx(pipeline, contract)
        difference = parity_difference(
            contract, OnnxPredictor(contract, graph).scores(predictor_columns(X)), expected
        )
    except NotConvertible as error:
        return Engine(name="sklearn", reason=str(error)), None
    except Exception as error:  # noqa: BLE001 (onnxruntime raises its own classes for graphs that it cannot load or run)
        return Engine(
            name="sklearn",
            reason=f"ONNX Runtime cannot run the converted pipeline: {_short(error)}",
        ), None
    rows = f"{len(X):,} rows"
    if difference <= LARGEST_PARITY_DIFFERENCE:
        return Engine(
            name="onnx", reason=f"agrees with scikit-learn on {rows}", largest_difference=difference
        ), graph
    reason = f"ONNX differs from scikit-learn by {difference:.2g} on {rows}, more than {LARGEST_PARITY_DIFFERENCE:g}"
    return Engine(name="sklearn", reason=reason, largest_difference=difference), None


def to_onnx(pipeline: Any, contract: Contract) -> bytes:
    """A graph with one input of shape (n, 1) per model column, in order; raises NotConvertible."""
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
        raise NotConvertible(f"skl2onnx cannot convert the pipeline: {_short(error)}") from error
    return stable_onnx(graph)


def parity_difference(contract: Contract, found: Scores, expected: Scores) -> float:
    """The largest: of probabilities absolute; of values relative to their size, or to the mean size where they are smaller."""
    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    apart = np.abs(found - expected)
    if contract.task == "regression":
        apart = apart / np.maximum(np.abs(expected), np.abs(expected).mean() or 1.0)
    return float(apart.max())


def _short(error: Exception) -> str:
    return (
        " ".join(str(error).split()).partition(". ")[0][:REASON_CHARACTERS] or type(error).__name__
    )
