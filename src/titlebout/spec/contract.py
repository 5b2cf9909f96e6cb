"""The contract of a fitted model: what it takes, what it gives. It travels inside the model folder as `contract.json`."""

from typing import Literal

from titlebout.spec.formats import MISSING_WORDS, ColumnType
from titlebout.spec.metric import Task
from titlebout.spec.record import Record

CONTRACT_FILE, SKOPS_FILE, ONNX_FILE = "contract.json", "model.skops", "model.onnx"


class Input(Record):
    """One column as clients send it; `format` is how files and requests write it, as training declared or found it."""

    name: str
    type: ColumnType
    format: str | None = None
    example: float | bool | str | None = None


class Engine(Record):
    """What computes predictions, and why: ONNX Runtime where parity with scikit-learn held, else scikit-learn."""

    name: Literal["onnx", "sklearn"]
    reason: str
    largest_difference: float | None = None


class Contract(Record):
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
