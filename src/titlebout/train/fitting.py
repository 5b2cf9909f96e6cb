"""Fit one pipeline and return its scores, in the shapes that every other room uses."""

import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from titlebout.data import Labels, PartRows
from titlebout.spec import ModelSpec, SpecError
from titlebout.train.float32 import compute_in_float32

if TYPE_CHECKING:
    import pandas as pd

# From the rows that will be fitted to, an unfitted pipeline.
Build = Callable[["pd.DataFrame"], Any]
MEMORY_SAMPLE_SECONDS = 0.02  # how often the process's memory is read while a candidate is fitted


class Cost(NamedTuple):
    """Hold what a fit cost.

    `peak_memory_bytes` is the largest resident size of the whole process while fitting, including
    the data.
    """

    seconds: float
    peak_memory_bytes: int


def fit(name: str, pipeline: Any, *, X: "pd.DataFrame", y: Labels) -> Any:
    """Fit the pipeline, and make it compute in float32.

    Raise SpecError with the estimator's own message if it refuses its settings or the rows.
    """
    try:
        fitted = pipeline.fit(X, y)
    except (ValueError, TypeError) as error:
        raise SpecError(
            f"candidate {name!r}",
            expected="settings with which the estimator can be fitted to these rows",
            found=" ".join(str(error).split()),
            next_step="fix the candidate's settings in model.yaml or settings.lock.yaml",
        ) from error
    compute_in_float32(fitted)
    return fitted


def fit_measured(name: str, pipeline: Any, rows: PartRows) -> tuple[Any, Cost]:
    """Return the fitted pipeline and what the fit cost. Raise SpecError as `fit` does."""
    with _PeakMemory() as memory:
        begin = time.perf_counter()
        fitted = fit(name, pipeline, X=rows.X, y=rows.y)
        seconds = time.perf_counter() - begin
    return fitted, Cost(round(seconds, 3), memory.bytes)


def scores(
    pipeline: Any, X: "pd.DataFrame", *, spec: ModelSpec, classes: int
) -> NDArray[np.float64]:
    """Return numbers or probabilities of the positive class (n,), or of k classes (n, k).

    A class that the pipeline was not fitted on has probability 0.
    """
    if spec.task == "regression":
        return np.asarray(pipeline.predict(X), dtype=np.float64)
    fitted = np.asarray(pipeline.predict_proba(X), dtype=np.float64)
    probabilities = np.zeros((len(X), classes))
    probabilities[:, np.asarray(pipeline.classes_, dtype=np.int64)] = fitted
    return probabilities[:, 1] if spec.task == "binary" else probabilities


class _PeakMemory:
    """Read the process's resident size in a thread.

    Unlike tracemalloc it counts the memory of native code, and does not slow it down.
    """

    def __enter__(self) -> "_PeakMemory":
        import psutil

        self._process, self._stop, self.bytes = psutil.Process(os.getpid()), threading.Event(), 0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while True:
            self.bytes = max(self.bytes, int(self._process.memory_info().rss))
            if self._stop.wait(MEMORY_SAMPLE_SECONDS):
                return

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.bytes = max(self.bytes, int(self._process.memory_info().rss))
