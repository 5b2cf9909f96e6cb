"""Turn one answered request into rows of the inference table.

A row holds ids, time, features as the model read them, prediction and scores. The rows reach Arrow
as JSON lines. To convert Python lists, pyarrow would import pandas where it is installed. That
takes a second and 60 MB of a server that has no use for pandas.
"""

import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.json

from titlebout.scoring import Reader, reader
from titlebout.spec import Contract, Input, Missing

# Before every feature's name, so that none of them can be one of the table's own columns.
PREFIX = "feature."
KEPT_CHARACTERS = 1_000  # of a text; longer ones are cut, and say so
# A Python number and its entry in a list; as JSON it is smaller, but has its column's name with it.
VALUE_BYTES = 48
READ_BLOCK_BYTES = 64 << 20  # Arrow wants whole rows in a block; a flush is smaller

_encoder = msgspec.json.Encoder()


class Served(NamedTuple):
    """Hold one answered request.

    `columns` is as the client sent them, `scores` as the predictor gave them, as plain lists.
    `time` is the event's, which the client may give. `client` is its key (clients.py), if it has
    one.
    """

    request_id: str
    single: bool
    time: datetime
    columns: Mapping[str, Sequence[Any]]
    predictions: Sequence[Any]
    scores: Sequence[Any]
    latency_ms: float
    client: str | None = None

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return len(self.predictions)

    @property
    def row_ids(self) -> list[str]:
        """Return one id per row; the request's own id for a single row."""
        return (
            [self.request_id]
            if self.single
            else [f"{self.request_id}/{row}" for row in range(self.rows)]
        )


class QueuedRequest(NamedTuple):
    """Hold a request that waits to be written.

    `arrived` is by the server's clock; `size` is about how many bytes of memory it takes.
    """

    served: Served
    arrived: datetime
    size: int


class InferenceRows:
    """Make rows of the inference table for one release in one slot."""

    def __init__(self, contract: Contract, *, release: str, slot: str) -> None:
        self._fixed = {"release": release, "slot": slot}
        self._multiclass = contract.task == "multiclass"
        missing = Missing.of(contract.missing)
        self._features = [
            (column.name, feature_column(column.name), _make_reader(column, missing))
            for column in contract.inputs
        ]
        self._texts = [column.name for column in contract.inputs if column.type == "category"]
        self._row_bytes = sum(
            VALUE_BYTES + len(name)
            for name in (*OWN_COLUMNS, *(name for _, name, _ in self._features))
        )
        self._empty = _empty_request(contract)
        self._parse = pyarrow.json.ParseOptions(
            explicit_schema=_schema(contract), unexpected_field_behavior="error"
        )
        self._read = pyarrow.json.ReadOptions(use_threads=False, block_size=READ_BLOCK_BYTES)

    def cut_and_measure(self, served: Served, *, arrived: datetime) -> QueuedRequest:
        """Cut texts that are too long to keep, and measure what is left."""
        cut = {
            name: _cut_texts(served.columns[name])
            for name in self._texts
            if any(map(_is_long, served.columns[name]))
        }
        if cut:
            served = served._replace(columns={**served.columns, **cut})
        texts = sum(sum(map(sys.getsizeof, served.columns[name])) for name in self._texts)
        return QueuedRequest(served, arrived, texts + self._row_bytes * served.rows)

    def table(self, batch: Sequence[QueuedRequest]) -> pa.Table:
        """Return the requests as an Arrow table, one row per prediction."""
        lines = _encoder.encode_lines(row for queued in batch for row in self._make_rows(queued))
        return pyarrow.json.read_json(
            io.BytesIO(lines), read_options=self._read, parse_options=self._parse
        )

    def check(self) -> None:
        """Raise the error that keeps even a request of missing values from becoming a row.

        Then the content is not at fault.
        """
        self.table([QueuedRequest(self._empty, self._empty.time, 0)])

    def _make_rows(self, queued: QueuedRequest) -> Iterator[dict[str, Any]]:
        served = queued.served
        names = [name for _, name, _ in self._features]
        features = zip(
            *(map(read, served.columns[sent]) for sent, _, read in self._features), strict=True
        )
        about = {
            **self._fixed,
            "time": served.time,
            "arrived": queued.arrived,
            "latency_ms": served.latency_ms,
            "client": served.client,
        }
        for request_id, values, prediction, score in zip(
            served.row_ids, features, served.predictions, served.scores, strict=True
        ):
            row = {
                "request_id": request_id,
                **about,
                **dict(zip(names, values, strict=True)),
                "prediction": prediction,
            }
            yield row | (
                {"score": max(score), "scores": score} if self._multiclass else {"score": score}
            )


def feature_column(name: str) -> str:
    """Return the column that holds a feature."""
    return f"{PREFIX}{name}"


def feature_of(column: str) -> str | None:
    """Return the feature that a column holds; None if the column is one of the table's own."""
    return column.removeprefix(PREFIX) if column.startswith(PREFIX) else None


def _own_columns(contract: Contract | None = None) -> list[tuple[str, pa.DataType]]:
    text, number, moment = pa.string(), pa.float64(), pa.timestamp("us", tz="UTC")
    return [
        ("request_id", text),
        ("time", moment),
        ("arrived", moment),
        ("release", text),
        ("slot", text),
        ("client", text),
        ("prediction", number if contract is not None and contract.task == "regression" else text),
        ("score", number),
        ("scores", pa.list_(number)),
        ("latency_ms", number),
    ]


OWN_COLUMNS = tuple(name for name, _ in _own_columns())


def _schema(contract: Contract) -> pa.Schema:
    features = [(feature_column(column.name), _KEPT[column.type]) for column in contract.inputs]
    return pa.schema([*_own_columns(contract), *features])


def _empty_request(contract: Contract) -> Served:
    """Return a request of one row in which everything is missing."""
    score = [0.0] * len(contract.classes) if contract.task == "multiclass" else 0.0
    columns = {column.name: [None] for column in contract.inputs}
    return Served("", True, datetime.now(UTC), columns, [None], [score], 0.0)


def _is_long(value: Any) -> bool:
    return isinstance(value, str) and len(value) > KEPT_CHARACTERS


def _cut_texts(values: Sequence[Any]) -> list[Any]:
    return [
        f"{value[:KEPT_CHARACTERS]}… [cut: {len(value):,} characters]" if _is_long(value) else value
        for value in values
    ]


def _make_reader(column: Input, missing: Missing) -> Reader:
    """Return the function that reads a value for the table.

    Missing words become null; codes and dates are read as the model's contract says.
    """
    read = reader(column, missing)
    return (lambda value: _to_float(read(value))) if column.type == "number" else read


def _to_float(value: float | None) -> float | None:
    return None if value is None else float(value)


_KEPT = {
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "category": pa.string(),
    "date": pa.timestamp("us"),
}
