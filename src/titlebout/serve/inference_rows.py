"""One answered request as rows of the inference table: ids, time, features as the model read them, prediction and scores.

The rows reach Arrow as JSON lines. pyarrow's conversion of Python lists would import pandas, if it is installed, to ask whether each is
a Series: a second and 60 MB in a server that has no use for it.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.json

from titlebout.serve.values import Reader, reader
from titlebout.spec import Contract, Input, Missing

OWN_COLUMNS = ("request_id", "time", "release", "slot", "prediction", "score", "scores", "latency_ms")
PREFIX = "feature."
READ_BLOCK_BYTES = 64 << 20  # no row is longer: the largest request has 16 MB

_encoder = msgspec.json.Encoder()


class Served(NamedTuple):
    """One answered request: `columns` as the client sent them, `scores` as the predictor gave them, as plain lists."""

    request_id: str
    single: bool
    time: datetime
    columns: Mapping[str, Sequence[Any]]
    predictions: Sequence[Any]
    scores: Sequence[Any]
    latency_ms: float

    @property
    def rows(self) -> int:
        return len(self.predictions)

    @property
    def row_ids(self) -> list[str]:
        return [self.request_id] if self.single else [f"{self.request_id}/{row}" for row in range(self.rows)]


class InferenceRows:
    def __init__(self, contract: Contract, *, release: str, slot: str) -> None:
        self._fixed = {"release": release, "slot": slot}
        self._multiclass = contract.task == "multiclass"
        missing = Missing.of(contract.missing)
        self._features = [(column.name, feature_column(column.name), _kept(column, missing)) for column in contract.inputs]
        self._parse = pyarrow.json.ParseOptions(explicit_schema=_schema(contract), unexpected_field_behavior="error")
        self._read = pyarrow.json.ReadOptions(use_threads=False, block_size=READ_BLOCK_BYTES)

    def table(self, batch: Sequence[Served]) -> pa.Table:
        lines = _encoder.encode_lines(row for served in batch for row in self._plain(served))
        return pyarrow.json.read_json(io.BytesIO(lines), read_options=self._read, parse_options=self._parse)

    def _plain(self, served: Served) -> Iterator[dict[str, Any]]:
        names = [name for _, name, _ in self._features]
        features = zip(*(map(read, served.columns[sent]) for sent, _, read in self._features), strict=True)
        about = {**self._fixed, "time": served.time, "latency_ms": served.latency_ms}
        for request_id, values, prediction, score in zip(served.row_ids, features, served.predictions, served.scores, strict=True):
            row = {"request_id": request_id, **about, **dict(zip(names, values, strict=True)), "prediction": prediction}
            yield row | ({"score": max(score), "scores": score} if self._multiclass else {"score": score})


def feature_column(name: str) -> str:
    """A feature keeps its name, unless that is one of the table's own columns."""
    return f"{PREFIX}{name}" if name in OWN_COLUMNS else name


def feature_of(column: str) -> str | None:
    """The feature that a column of the table holds; None if it is one of the table's own."""
    if column in OWN_COLUMNS:
        return None
    name = column.removeprefix(PREFIX)
    return name if name in OWN_COLUMNS else column


def _schema(contract: Contract) -> pa.Schema:
    text, number = pa.string(), pa.float64()
    features = [(feature_column(column.name), _KEPT[column.type]) for column in contract.inputs]
    return pa.schema(
        [
            ("request_id", text),
            ("time", pa.timestamp("us", tz="UTC")),
            ("release", text),
            ("slot", text),
            *features,
            ("prediction", number if contract.task == "regression" else text),
            ("score", number),
            ("scores", pa.list_(number)),
            ("latency_ms", number),
        ]
    )


def _kept(column: Input, missing: Missing) -> Reader:
    """Return what reads a value for the table: missing words are null, codes and dates as the model's contract reads them."""
    read = reader(column, missing)
    return (lambda value: _float(read(value))) if column.type == "number" else read


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


_KEPT = {"number": pa.float64(), "boolean": pa.bool_(), "category": pa.string(), "date": pa.timestamp("us")}
