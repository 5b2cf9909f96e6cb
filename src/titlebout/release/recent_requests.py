"""Read the rows that clients lately sent to a release back from its inference table, as sent."""

import io
import json
import math
from collections.abc import Iterator
from datetime import datetime
from itertools import zip_longest
from typing import Any

import pyarrow.parquet as pq

from titlebout.serve import NAMED_CHARACTERS, feature_of
from titlebout.storage import Storage, layout

MOST_FILES = 100  # a quiet model's files hold a row each
MOST_DAYS = 7  # older requests say little about what comes now
ARRIVED = "arrived"  # by the server's clock, which no client decides

Row = dict[str, Any]


def recent_rows(storage: Storage, model: str, *, release: str, most: int) -> list[Row]:
    """Return up to `most` different rows, with all the columns that clients sent.

    Files are written every few seconds while requests come, by arrival. The sample takes as much
    from each of many files, and within a file as much from each request. So a client that sends
    much, or much at once, does not decide what is compared.
    """
    files = _spread(list(_files(storage, model, release=release)), most=MOST_FILES)
    rows, seen = list[Row](), set[str]()
    for number, (day, name) in enumerate(files):
        share = math.ceil((most - len(rows)) / (len(files) - number))
        for row in _one_of_each(
            _requests(storage.read(*layout.inference(model, day, name)), release=release)
        ):
            if share == 0:
                break
            if (same := json.dumps(row, sort_keys=True, default=str)) not in seen:
                seen.add(same)
                rows.append(row)
                share -= 1
    return rows


def _files(storage: Storage, model: str, *, release: str) -> Iterator[tuple[str, str]]:
    """Yield day and name of the release's files of the last days, the newest first.

    A file's name begins with the release that wrote it.
    """
    for day in storage.names(*layout.inference(model))[: -MOST_DAYS - 1 : -1]:
        for name in reversed(storage.names(*layout.inference(model, day))):
            if name.startswith(release[:NAMED_CHARACTERS]) and name.endswith(".parquet"):
                yield day, name


def _spread(files: list[tuple[str, str]], *, most: int) -> list[tuple[str, str]]:
    """Return so many of the files, as far apart as they can be."""
    if len(files) <= most:
        return files
    return [files[number * len(files) // most] for number in range(most)]


def _requests(content: bytes, *, release: str) -> list[list[Row]]:
    """Return the rows of each request, in the order of arrival."""
    file = pq.ParquetFile(io.BytesIO(content))
    kept = {
        column: feature
        for column in file.schema_arrow.names
        if (feature := feature_of(column)) is not None
    }
    table = file.read(columns=["release", "request_id", ARRIVED, *kept]).sort_by(ARRIVED)
    requests = dict[str, list[Row]]()
    for row in table.to_pylist():
        if row["release"] == release:
            request, _, number = row["request_id"].rpartition("/")
            is_of_list = request and number.isdigit()
            sent = {kept[name]: _to_json(row[name]) for name in kept}
            requests.setdefault(request if is_of_list else row["request_id"], []).append(sent)
    return list(requests.values())


def _one_of_each(requests: list[list[Row]]) -> Iterator[Row]:
    """Yield the first row of every request, then the second of each, and so on."""
    return (row for turn in zip_longest(*requests) for row in turn if row is not None)


def _to_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
