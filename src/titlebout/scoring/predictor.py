"""Load a fitted model and compute its scores with the engine of its contract.

A model is loaded from its folder only after the folder's digest matched. The ONNX engine imports
neither scikit-learn nor pandas: a server with it is ready sooner and half as large.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from titlebout.scoring.columns import model_columns
from titlebout.spec import (
    CONTRACT_FILE,
    ONNX_FILE,
    SKOPS_FILE,
    Contract,
    IntegrityError,
    digest_of_folder,
)

Scores = NDArray[np.float64]
# ONNX Runtime reads it once, when it is loaded. Without it, it keeps a device id in the home folder
# and reports each model to its makers.
NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"
# On onnxruntime's scale of severity. Its warnings about the machine's devices help nobody who reads
# a server's log.
ONNX_FATAL_ONLY = 4


class Predictor(ABC):
    """Compute scores from encoded model columns."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.columns = [name for name, _ in model_columns(contract.inputs)]

    @abstractmethod
    def scores(self, encoded: Mapping[str, NDArray[Any]]) -> Scores:
        """Return the scores of encoded model columns, each of shape (n,).

        Binary: (n,), the probability of the positive class. Multiclass: (n, k), in the order of
        `contract.classes`. Regression: (n,).
        """


class OnnxPredictor(Predictor):
    """Compute scores with ONNX Runtime."""

    def __init__(self, contract: Contract, graph: bytes) -> None:
        os.environ[NO_TELEMETRY] = "1"
        import onnxruntime

        super().__init__(contract)
        options = onnxruntime.SessionOptions()
        # A slot has about one CPU; more threads wait for each other.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = ONNX_FATAL_ONLY
        self._session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )
        # The converter changes names that are no identifiers, and keeps their order.
        self._feeds = list(
            zip([given.name for given in self._session.get_inputs()], self.columns, strict=True)
        )
        self._output = [self._session.get_outputs()[-1].name]

    def scores(self, encoded: Mapping[str, NDArray[Any]]) -> Scores:
        """Return the scores that ONNX Runtime computes."""
        given = {name: encoded[column].reshape(-1, 1) for name, column in self._feeds}
        return _shape_scores(self.contract, self._session.run(self._output, given)[0])


class SklearnPredictor(Predictor):
    """Compute scores with the scikit-learn pipeline."""

    def __init__(self, contract: Contract, pipeline: Any) -> None:
        super().__init__(contract)
        self._pipeline = pipeline

    def scores(self, encoded: Mapping[str, NDArray[Any]]) -> Scores:
        """Return the scores that the pipeline computes."""
        import pandas as pd
        import sklearn

        table = pd.DataFrame({name: encoded[name] for name in self.columns})
        # What overflows on the way is not finite in the end, as with ONNX Runtime.
        with sklearn.config_context(assume_finite=True):
            return pipeline_scores(self.contract, self._pipeline, table)


def load_predictor(folder: Path, *, digest: str) -> Predictor:
    """Load the predictor of a model folder.

    Raise IntegrityError, before anything is deserialised, if the folder's content has another
    digest.
    """
    contract = _read_contract(folder, digest)
    if contract.engine.name == "onnx":
        return OnnxPredictor(contract, (folder / ONNX_FILE).read_bytes())
    return SklearnPredictor(contract, _load_skops(folder, contract))


def load_pipeline(folder: Path, *, digest: str) -> Any:
    """Load the fitted scikit-learn Pipeline of a model folder.

    Raise IntegrityError as `load_predictor` does.
    """
    return _load_skops(folder, _read_contract(folder, digest))


def pipeline_scores(contract: Contract, pipeline: Any, X: Any) -> Scores:
    """Return what `Predictor.scores` gives, from the scikit-learn Pipeline itself.

    X is a DataFrame of model columns.
    """
    return _shape_scores(
        contract,
        pipeline.predict(X) if contract.task == "regression" else pipeline.predict_proba(X),
    )


def _shape_scores(contract: Contract, output: Any) -> Scores:
    scores = np.asarray(output, dtype=np.float64)
    if contract.task == "regression":
        return scores.reshape(-1)
    return scores[:, 1] if contract.task == "binary" else scores


def _read_contract(folder: Path, digest: str) -> Contract:
    found = digest_of_folder(folder)
    if found != digest:
        raise IntegrityError(
            f"the model in {folder}",
            expected=f"digest {digest}",
            found=f"digest {found}",
            next_step="fetch the model again from the registry; its files were altered",
        )
    return Contract.from_json(folder / CONTRACT_FILE)


def _load_skops(folder: Path, contract: Contract) -> Any:
    import skops.io

    return skops.io.load(folder / SKOPS_FILE, trusted=list(contract.trusted_types))
