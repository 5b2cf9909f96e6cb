"""Describe what a fitted model takes and gives.

This contract travels inside the model folder as `contract.json`.
"""

from typing import Literal

from titlebout.spec.formats import MISSING_WORDS, ColumnType
from titlebout.spec.metric import Task
from titlebout.spec.record import Record

CONTRACT_FILE = "contract.json"
SKOPS_FILE = "model.skops"
ONNX_FILE = "model.onnx"


class Input(Record):
    """Describe one column as clients send it.

    `format` is how files and requests write it. model.yaml declares it, or training finds it.
    """

    name: str
    type: ColumnType
    format: str | None = None
    example: float | bool | str | None = None


class Engine(Record):
    """Name what computes predictions, and why.

    It is ONNX Runtime if its predictions equalled scikit-learn's, else scikit-learn.
    `largest_difference` is the largest one that was found between the two.
    """

    name: Literal["onnx", "sklearn"]
    reason: str
    largest_difference: float | None = None


class Contract(Record):
    """Describe a fitted model to whatever serves it.

    `missing` holds the texts that mean a missing value. `classes` is in the order of the
    probabilities, and empty for a regression. `threshold` applies to `positive`, if binary.
    """

    model: str
    task: Task
    target: str
    inputs: tuple[Input, ...]
    missing: tuple[str, ...] = MISSING_WORDS
    classes: tuple[str, ...] = ()
    positive: str | None = None
    threshold: float | None = None
    engine: Engine
    trusted_types: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
