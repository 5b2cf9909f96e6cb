"""Send the flights of a summer to the live endpoint as clients do, and write their labels."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from titlebout.http_client import send_request
from titlebout.rollout import parse_samples
from titlebout.spec import ModelSpec, Progress, RolloutError
from titlebout.waiting import wait_until

ANSWER_SECONDS = 30.0
POLL_SECONDS = 0.2
TIME_COLUMN = "departs"


def scheduled_between(flights: pd.DataFrame, first: str, end: str) -> pd.DataFrame:
    """Return the flights from `first` to before `end`, in order.

    Each has the request id that it is sent under.
    """
    time = flights[TIME_COLUMN]
    chosen = (
        flights[(time >= first) & (time < end)]
        .sort_values(TIME_COLUMN, kind="stable")
        .reset_index(drop=True)
    )
    day = chosen[TIME_COLUMN].dt.strftime("%Y-%m-%d")
    return chosen.assign(day=day, request_id=day + "/" + chosen.groupby(day).cumcount().astype(str))


def as_clients_send(rows: pd.DataFrame, spec: ModelSpec) -> list[dict[str, Any]]:
    """Return the feature columns alone as JSON rows; missing values are None."""
    features = rows[list(spec.columns)].astype(object)
    present = features.where(features.notna(), None)
    return [dict(zip(spec.columns, row, strict=True)) for row in present.itertuples(index=False)]


def score_day_by_day(url: str, rows: pd.DataFrame, spec: ModelSpec, *, progress: Progress) -> int:
    """Send each day's flights in one request that tells the day. Return the number of predictions.

    Raise RolloutError if an answer is no prediction.
    """
    predicted = 0
    for day, flights in rows.groupby("day"):
        predicted += len(
            _predict(
                url,
                as_clients_send(flights, spec),
                request_id=str(day),
                event_time=f"{day}T00:00:00Z",
            )
        )
        if str(day).endswith("-01"):
            progress(f"scoring through {url}: {day}")
    return predicted


def wait_until_written(url: str) -> None:
    """Wait until the server has written all rows to the inference table.

    It writes every few seconds, and its metrics tell how many rows wait. Raise RolloutError after
    ANSWER_SECONDS.
    """

    def is_written() -> bool:
        page = send_request(f"{url}/metrics", seconds=ANSWER_SECONDS).body.decode()
        waiting = parse_samples(page, "titlebout_inference_rows_waiting")
        return bool(waiting) and waiting[0].value == 0

    if not wait_until(is_written, seconds=ANSWER_SECONDS, poll_seconds=POLL_SECONDS):
        raise RolloutError(
            "the inference table",
            expected=f"all rows on disk within {ANSWER_SECONDS:g} s",
            found="rows that still wait",
            next_step="read the slot's log",
        )


def write_labels(rows: pd.DataFrame, spec: ModelSpec, path: Path) -> Path:
    """Write the flights' labels as Parquet. Return the path."""
    rows[["request_id"]].assign(label=rows[spec.target.column]).to_parquet(path)
    return path


def _predict(
    url: str, rows: list[dict[str, Any]], *, request_id: str, event_time: str
) -> list[Any]:
    headers = {
        "Content-Type": "application/json",
        "X-Request-Id": request_id,
        "X-Event-Time": event_time,
    }
    answer = send_request(
        f"{url}/predict",
        seconds=ANSWER_SECONDS,
        method="POST",
        body=json.dumps(rows).encode(),
        headers=headers,
    )
    if not answer.is_success:
        raise RolloutError(
            f"{url}/predict",
            expected="predictions",
            found=f"status {answer.status}: {answer.body.decode(errors='replace')}",
            next_step="read the slot's log",
        )
    predictions: list[Any] = json.loads(answer.body)["predictions"]
    return predictions
