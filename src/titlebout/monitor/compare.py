"""Compare two releases that answered at the same time, by their losses on labelled rows.

An A/B test gives each release clients of its own. The requests of one client are alike, so clients
are counted: errors are clustered by client (Liang & Zeger 1986). A shadow answers the same requests
as the live release, so the two losses of each request are subtracted first. What makes a request
hard is the same for both, and far fewer requests are enough.
"""

import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from titlebout.monitor.served_rows import Span, read_labels, read_served
from titlebout.spec import (
    DataError,
    Figure,
    Record,
    figure,
    from_to,
    load_environment,
    load_model_spec,
)
from titlebout.storage import open_storage

LEAST_CLUSTERS = 2  # with one client nothing is known of how clients differ
CONFIDENCE = 0.95  # it is a person who decides by it, once
COLUMNS = ["request_id", "time", "release", "slot", "client", "prediction", "score"]
# Of the second release's labelled rows: if the first answered so many of them too, it was a shadow.
SHADOW_SHARE = 0.5


class Group(Record):
    """Hold one release's rows; `loss` is that of the labelled ones.

    It is the share of wrong classes, or the mean absolute error. `clusters` counts the clients
    among the labelled rows. A request without a client counts as a client, and `without_client`
    counts those.
    """

    release: str
    rows: int
    labelled: int
    clusters: int
    without_client: int
    loss: Figure
    loss_error: Figure


class Pairs(Record):
    """Hold what is known of requests that both releases answered, as behind a shadow."""

    rows: int
    labelled: int
    agreement: Figure
    score_difference: Figure


class ReleaseComparison(Record):
    """Compare two groups: `difference` is the second's loss minus the first's, with its interval.

    The interval is of 95 %. `by` says whether pairs or clients were counted for it. The interval is
    NaN where nothing is known of the spread: with one client, or where all losses are equal.
    """

    groups: tuple[Group, Group]
    by: Literal["clients", "pairs"]
    difference: Figure
    low: Figure
    high: Figure
    pairs: Pairs


def compare(
    project: Path, model: str, environment: str, *, releases: tuple[str, str], span: Span | None
) -> ReleaseComparison:
    """Compare the two releases' answers in the span (None: all).

    Raise DataError if one of the releases answered nothing in the span.
    """
    storage = open_storage(project, load_environment(project, environment).storage)
    served = read_served(storage, model, span, columns=COLUMNS)
    labels = read_labels(storage, model).set_index("request_id")["label"]
    regression = load_model_spec(project, model).task == "regression"
    parts = [
        _select_release(
            served, release, labels, subject=f"{model} in {environment}", regression=regression
        )
        for release in releases
    ]
    return compare_rows(*parts, releases=releases, regression=regression)


def compare_rows(
    first: pd.DataFrame, second: pd.DataFrame, *, releases: tuple[str, str], regression: bool
) -> ReleaseComparison:
    """Compare two releases' rows.

    They have the columns request_id, client, prediction, score and loss (NaN without a label).
    """
    groups = _group(first, releases[0]), _group(second, releases[1])
    both = first.merge(second, on="request_id", suffixes=("_1", "_2"))
    both = both.assign(
        loss=both["loss_2"] - both["loss_1"], client=both["client_1"].fillna(both["client_2"])
    )
    pairs = _pairs(both, number="prediction" if regression else "score")
    shadow = pairs.labelled > 0 and pairs.labelled >= SHADOW_SHARE * groups[1].labelled
    difference, error, freedom = (
        _mean(both[both["loss"].notna()]) if shadow else _difference(*groups)
    )
    margin = (
        float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * error
        if freedom >= 1 and error > 0
        else float("nan")
    )
    return ReleaseComparison(
        groups=groups,
        by="pairs" if shadow else "clients",
        difference=difference,
        low=difference - margin,
        high=difference + margin,
        pairs=pairs,
    )


def in_words(found: ReleaseComparison) -> str:
    """Return a line for each group, one for the difference, one for what both answered."""
    lines = [_group_in_words(one) for one in found.groups]
    by = "pair by pair" if found.by == "pairs" else "client by client"
    lines.append(
        _without_interval(found)
        or f"difference {figure(found.difference)}, {by} (95 %: {from_to(found.low, found.high)})"
    )
    pairs = found.pairs
    if pairs.rows:
        lines.append(
            f"{pairs.rows} requests answered by both: {pairs.agreement:.1%} alike, "
            f"scores {figure(pairs.score_difference)} apart"
        )
    else:
        lines.append("no request was answered by both")
    lines += [
        f"warning: {one.without_client} labelled rows of {one.release[:12]} have no client, and "
        "each request counts as a client: if clients send several, the interval is too narrow "
        "(docs/strategies.md)"
        for one in found.groups
        if one.without_client and found.by == "clients"
    ]
    return "\n".join(lines)


def _without_interval(found: ReleaseComparison) -> str:
    """Say why the difference has no interval, and what is needed; empty if it has one."""
    if not math.isnan(found.low):
        return ""
    if lacking := [one for one in found.groups if not one.labelled]:
        return (
            f"cannot tell a difference: {lacking[0].release[:12]} has no labelled rows. "
            "Give labels: titlebout label"
        )
    few = min(found.groups, key=lambda one: one.clusters)
    begin = f"difference {figure(found.difference)}, cannot tell"
    if few.clusters < LEAST_CLUSTERS:
        return (
            f"{begin}: the labelled rows of {few.release[:12]} are of one client, "
            f"and {LEAST_CLUSTERS} are needed"
        )
    return f"{begin} how sure that is: every loss is the same. Give more labels"


def _group_in_words(one: Group) -> str:
    loss = f", loss {figure(one.loss)}" if one.labelled else ""
    labelled = f"{one.labelled} labelled, from {one.clusters} clients"
    return f"{one.release[:12]}: {one.rows} rows, {labelled}{loss}"


def _select_release(
    served: pd.DataFrame, release: str, labels: "pd.Series[Any]", *, subject: str, regression: bool
) -> pd.DataFrame:
    """Return the release's rows, each request once, with the loss by the label that came for it.

    Raise DataError if there are none.
    """
    rows = served[served["release"].str.startswith(release)] if len(served) else served
    if rows.empty:
        raise DataError(
            f"the inference table of {subject}",
            expected=f"answers of release {release[:12]}",
            found="none",
            next_step="check the release's id with `titlebout history`",
        )
    rows = rows.drop_duplicates("request_id")
    return rows.assign(
        loss=_loss(rows["prediction"], rows["request_id"].map(labels), regression=regression)
    )


def _loss(
    predictions: "pd.Series[Any]", truth: "pd.Series[Any]", *, regression: bool
) -> "pd.Series[float]":
    if regression:
        return (predictions.astype(float) - truth.astype(float)).abs()
    return (predictions.astype(str) != truth.astype(str)).astype(float).where(truth.notna())


def _group(rows: pd.DataFrame, release: str) -> Group:
    known = rows[rows["loss"].notna()]
    loss, error, freedom = _mean(known)
    return Group(
        release=release,
        rows=len(rows),
        labelled=len(known),
        clusters=int(freedom) + 1,
        without_client=int(known["client"].isna().sum()),
        loss=loss,
        loss_error=error,
    )


def _mean(rows: pd.DataFrame) -> tuple[float, float, float]:
    """Return the mean of the column `loss`, its standard error over clients, degrees of freedom.

    They are NaN where there are too few clients.
    """
    loss, codes = rows["loss"].to_numpy(dtype=np.float64), _clusters(rows)
    count = int(codes.max(initial=-1)) + 1
    if count < LEAST_CLUSTERS:
        return float(loss.mean()) if len(loss) else float("nan"), float("nan"), count - 1
    sums = np.bincount(codes, weights=loss - loss.mean())
    return (
        float(loss.mean()),
        float(np.sqrt(count / (count - 1) * (sums**2).sum()) / len(loss)),
        count - 1,
    )


def _clusters(rows: pd.DataFrame) -> NDArray[np.intp]:
    """Return the client of each row as a code.

    Rows of one request (`<request id>/<row>`) belong together if they have no client.
    """
    codes, clients = pd.factorize(rows["client"])
    unnamed = codes < 0
    requests = rows["request_id"][unnamed].str.replace(r"/\d+$", "", regex=True)
    codes[unnamed] = len(clients) + pd.factorize(requests)[0]
    return np.asarray(codes, dtype=np.intp)


def _difference(first: Group, second: Group) -> tuple[float, float, float]:
    """Return the second's loss minus the first's, its standard error, and degrees of freedom.

    They are Welch's, and 0 where there are too few clients.
    """
    squares = np.array([group.loss_error**2 for group in (first, second)])
    counts = np.array([group.clusters - 1 for group in (first, second)])
    difference, error = second.loss - first.loss, float(np.sqrt(squares.sum()))
    if counts.min() < 1:
        return difference, error, 0.0
    below = float((squares**2 / counts).sum())
    return (
        difference,
        error,
        float(squares.sum() ** 2 / below) if below > 0 else float(counts.sum()),
    )


def _pairs(both: pd.DataFrame, *, number: str) -> Pairs:
    if both.empty:
        return Pairs(rows=0, labelled=0, agreement=float("nan"), score_difference=float("nan"))
    return Pairs(
        rows=len(both),
        labelled=int(both["loss"].notna().sum()),
        agreement=float((both["prediction_1"] == both["prediction_2"]).mean()),
        score_difference=float((both[f"{number}_1"] - both[f"{number}_2"]).abs().mean()),
    )
