"""Two releases that answered at the same time, compared: the groups of an A/B by their labels, a shadow by the very same requests."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from titlebout.monitor.table import Span, read_labels, read_served, with_labels
from titlebout.spec import DataError, Record, load_environment, load_model_spec
from titlebout.spec.record import Figure
from titlebout.storage import open_storage

CONFIDENCE_Z = 1.96  # 95 %: it is a person who decides by it, once
COLUMNS = ["request_id", "time", "release", "slot", "prediction", "score"]


class Group(Record):
    """One release's rows; `loss` is the share of wrong classes, or the mean absolute error, of the labelled ones."""

    release: str
    rows: int
    labelled: int
    loss: Figure
    loss_error: Figure


class Pairs(Record):
    """Requests that both releases answered: what a shadow leaves."""

    rows: int
    agreement: Figure
    score_difference: Figure


class ReleaseComparison(Record):
    """`difference` is the second group's loss minus the first's, with its 95 % interval."""

    groups: tuple[Group, Group]
    difference: Figure
    low: Figure
    high: Figure
    pairs: Pairs


def compare(project: Path, model: str, environment: str, *, releases: tuple[str, str], span: Span | None) -> ReleaseComparison:
    """Raises DataError if one of the releases answered nothing in the span."""
    storage = open_storage(project, load_environment(project, environment).storage)
    served = read_served(storage, model, span, columns=COLUMNS)
    parts = [_of(served, release, subject=f"{model} in {environment}") for release in releases]
    labels = read_labels(storage, model)
    regression = load_model_spec(project, model).task == "regression"
    first, second = (_group(part, labels, release, regression=regression) for part, release in zip(parts, releases, strict=True))
    difference = second.loss - first.loss
    margin = CONFIDENCE_Z * float(np.hypot(first.loss_error, second.loss_error))
    return ReleaseComparison(
        groups=(first, second),
        difference=difference,
        low=difference - margin,
        high=difference + margin,
        pairs=_pairs(*parts, regression=regression),
    )


def in_words(found: ReleaseComparison) -> str:
    """A line for each group, one for the difference, one for the requests that both answered."""
    lines = [f"{one.release[:12]}: {one.rows} rows, {one.labelled} labelled, loss {one.loss:.4g}" for one in found.groups]
    lines.append(f"difference {found.difference:.4g} (95 %: {found.low:.4g} to {found.high:.4g})")
    pairs = found.pairs
    lines.append(f"{pairs.rows} requests answered by both: {pairs.agreement:.1%} alike, scores {pairs.score_difference:.4g} apart")
    return "\n".join(lines)


def _of(served: pd.DataFrame, release: str, *, subject: str) -> pd.DataFrame:
    rows = served[served["release"].str.startswith(release)] if len(served) else served
    if rows.empty:
        raise DataError(
            f"the inference table of {subject}", expected=f"answers of release {release[:12]}", found="none", next_step="check the id"
        )
    return rows.drop_duplicates("request_id")


def _group(rows: pd.DataFrame, labels: pd.DataFrame, release: str, *, regression: bool) -> Group:
    """Each request counted once, with the label that came for it."""
    known = with_labels(rows, labels)
    loss = _loss(known, regression=regression).to_numpy(dtype=float)
    error = float(loss.std(ddof=1) / np.sqrt(len(loss))) if len(loss) > 1 else float("nan")
    return Group(
        release=release,
        rows=len(rows),
        labelled=len(known),
        loss=float(loss.mean()) if len(loss) else float("nan"),
        loss_error=error,
    )


def _loss(known: pd.DataFrame, *, regression: bool) -> "pd.Series[Any]":
    if regression:
        return (known["prediction"].astype(float) - known["label"].astype(float)).abs()
    return (known["prediction"].astype(str) != known["label"].astype(str)).astype(float)


def _pairs(first: pd.DataFrame, second: pd.DataFrame, *, regression: bool) -> Pairs:
    both = first.merge(second, on="request_id", suffixes=("_1", "_2"))
    if both.empty:
        return Pairs(rows=0, agreement=float("nan"), score_difference=float("nan"))
    number = "prediction" if regression else "score"
    return Pairs(
        rows=len(both),
        agreement=float((both["prediction_1"] == both["prediction_2"]).mean()),
        score_difference=float((both[f"{number}_1"] - both[f"{number}_2"]).abs().mean()),
    )
