"""Read what was served and what became of it: the inference table and its labels."""

import io
from datetime import UTC, datetime
from typing import Any, Self

import pandas as pd
from pydantic import model_validator

from titlebout.spec import EVENT_TIME_AHEAD, EVENT_TIME_BEHIND, Record, SpecError
from titlebout.storage import Storage, layout

LABEL_COLUMNS = ["request_id", "label", "revision", "time", "by", "reason"]
EARLIEST = datetime(1, 1, 3, tzinfo=UTC)  # there is no date long before it


class Span(Record):
    """Describe requests whose events were from `since` to before `until`, ISO 8601 with zone."""

    since: str
    until: str

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        if _utc(self.since) >= _utc(self.until):
            raise SpecError(
                "the window",
                expected="a beginning before its end",
                found=f"{self.since} to {self.until}",
                next_step="correct --since or --until",
            )
        return self

    @property
    def first_date(self) -> str:
        """Return the first day on which one of its requests can have arrived, ISO 8601.

        An event's time may be long past, but never far in the future.
        """
        return (max(_utc(self.since), EARLIEST) - EVENT_TIME_AHEAD).date().isoformat()

    def holds(self, times: "pd.Series[Any]") -> "pd.Series[bool]":
        """Return which times are in the span, shape (rows,)."""
        return (times >= _utc(self.since)) & (times < _utc(self.until))


def read_served(
    storage: Storage, model: str, span: Span | None = None, *, columns: list[str] | None = None
) -> pd.DataFrame:
    """Return the rows of the span (None: all) in the order of their files.

    Without rows the frame is empty, and has no columns.
    """
    frames = []
    for day in storage.names(*layout.inference(model)):
        if span is None or span.first_date <= day.removeprefix("date="):
            files = [
                name
                for name in storage.names(*layout.inference(model, day))
                if name.endswith(".parquet")
            ]
            frames += [
                _parquet(storage, *layout.inference(model, day, name), columns=columns)
                for name in files
            ]
    if not frames:
        return pd.DataFrame()
    rows = pd.concat(frames, ignore_index=True)
    return rows if span is None else rows[span.holds(rows["time"])].reset_index(drop=True)


def plausible(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Return which rows' event times can be true, by the server's clock at their arrival."""
    ahead = rows["time"] - rows["arrived"]
    return (ahead <= EVENT_TIME_AHEAD) & (ahead >= -EVENT_TIME_BEHIND)


def read_labels(storage: Storage, model: str) -> pd.DataFrame:
    """Return the columns request_id and label: the newest label of each request."""
    return newest(read_label_history(storage, model))[["request_id", "label"]]


def read_label_history(storage: Storage, model: str) -> pd.DataFrame:
    """Return every label ever added, with revision (0 is the first), time, by and reason."""
    frames = [
        _parquet(storage, *layout.labels(model, name), columns=LABEL_COLUMNS)
        for name in storage.names(*layout.labels(model))
    ]
    if not frames:
        return pd.DataFrame({name: [] for name in LABEL_COLUMNS}, dtype=object).astype(
            {"request_id": "str"}
        )
    return pd.concat(frames, ignore_index=True)


def newest(history: pd.DataFrame) -> pd.DataFrame:
    """Return the label with the highest revision of each request.

    Of two that were given at once, the later one counts.
    """
    ordered = history.sort_values(["revision", "time"], kind="stable")
    return ordered.drop_duplicates("request_id", keep="last").reset_index(drop=True)


def _parquet(storage: Storage, *parts: str, columns: list[str] | None) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(storage.read(*parts)), columns=columns)


def _utc(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise SpecError(
            "the window",
            expected="ISO 8601, such as 2013-07-04T17:30:00Z",
            found=repr(text),
            next_step="correct --since or --until",
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
