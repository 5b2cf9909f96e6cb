"""Reading what was served and what became of it: the inference table and its labels."""

import io
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from titlebout.spec import EVENT_TIME_AHEAD, Record
from titlebout.storage import Storage

INFERENCE, LABELS = "inference", "labels"


class Span(Record):
    """Requests from `since` to before `until`, ISO 8601 with zone."""

    since: str
    until: str

    @property
    def first_date(self) -> str:
        """Return the day before which none of its requests can have arrived: an event's time may be long past, but never to come."""
        return (_utc(self.since) - EVENT_TIME_AHEAD).date().isoformat()

    def holds(self, times: "pd.Series[Any]") -> "pd.Series[bool]":
        return (times >= _utc(self.since)) & (times < _utc(self.until))


def read_served(storage: Storage, model: str, span: Span | None = None, *, columns: list[str] | None = None) -> pd.DataFrame:
    """The rows of the span (None: all) in the order of their files; empty, with no columns, if there are none."""
    frames = []
    for day in storage.names(INFERENCE, model):
        if span is None or span.first_date <= day.removeprefix("date="):
            files = [name for name in storage.names(INFERENCE, model, day) if name.endswith(".parquet")]
            frames += [_parquet(storage, INFERENCE, model, day, name, columns=columns) for name in files]
    if not frames:
        return pd.DataFrame()
    rows = pd.concat(frames, ignore_index=True)
    return rows if span is None else rows[span.holds(rows["time"])].reset_index(drop=True)


def read_labels(storage: Storage, model: str) -> pd.DataFrame:
    """Columns request_id and label; one row per request id."""
    frames = [_parquet(storage, LABELS, model, name, columns=["request_id", "label"]) for name in storage.names(LABELS, model)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame({"request_id": pd.Series(dtype="str"), "label": []})


def _parquet(storage: Storage, *parts: str, columns: list[str] | None) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(storage.read(*parts)), columns=columns)


def _utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
