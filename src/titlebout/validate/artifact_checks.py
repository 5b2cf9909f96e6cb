"""Check that the registered artifact is whole, can be loaded and is described.

The checks read what the registry returns, not what training wrote.
"""

import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from titlebout.registry import Version
from titlebout.scoring import Encoder, Predictor, load_predictor
from titlebout.spec import SPEED_WINDOWS, Check, Contract, Dataset, ModelSpec, TitleboutError

REQUIRED_TAGS = (
    "model_digest",
    "dataset",
    "code_version",
    "settings_digest",
    "candidate",
    "baseline_digest",
)
# A release brings the model as one image layer to every replica. If it is larger, a node's pull
# takes longer than its start-up probe waits.
MAXIMUM_BYTES = 500_000_000
TIMED_CALLS, WARM_UP_CALLS = 300, 20


def format_check(folder: Path, *, digest: str) -> tuple[Check, Predictor | None]:
    """Check that the contract can be read, the digest is right, and the model predicts its example.

    Return the predictor, too, if all that holds.
    """
    try:
        predictor = load_predictor(folder, digest=digest)
        predicted = np.asarray(predictor.scores(_example(predictor.contract)))
    except TitleboutError as error:
        return Check(name="format", passed=False, detail=str(error)), None
    shape = (
        (1, len(predictor.contract.classes)) if predictor.contract.task == "multiclass" else (1,)
    )
    if predicted.shape != shape or not np.all(np.isfinite(predicted)):
        detail = (
            f"its own example gives {predicted.tolist()}, expected finite scores of shape {shape}"
        )
        return Check(name="format", passed=False, detail=detail), None
    engine = predictor.contract.engine
    return Check(
        name="format",
        passed=True,
        detail=f"digest right, predicts its own example by {engine.name} ({engine.reason})",
    ), predictor


def metadata_check(
    version: Version, contract: Contract, *, spec: ModelSpec, dataset: Dataset
) -> Check:
    """Check that the signature is the dataset's, and that no tag is missing."""
    wrong = [f"tag {tag} is missing" for tag in REQUIRED_TAGS if tag not in version.tags]
    declared = [(name, column.type, column.format) for name, column in dataset.columns.items()]
    if (found := [(one.name, one.type, one.format) for one in contract.inputs]) != declared:
        wrong.append(f"inputs {found}, expected {declared}")
    if (contract.model, contract.task, contract.target) != (spec.name, spec.task, dataset.target):
        wrong.append(f"signature of {contract.model}, {contract.task}, {contract.target}")
    if contract.missing != dataset.missing:
        wrong.append(f"missing words {contract.missing}, expected {dataset.missing}")
    if contract.classes != dataset.classes:
        wrong.append(f"classes {contract.classes}, expected {dataset.classes}")
    if spec.task == "binary" and (
        contract.threshold is None or contract.positive != spec.target.positive
    ):
        wrong.append(
            f"threshold {contract.threshold} for {contract.positive!r}, "
            f"expected one for {spec.target.positive!r}"
        )
    return Check(
        name="signature and metadata", passed=not wrong, detail="; ".join(wrong) or "complete"
    )


def latency_check(predictor: Predictor, *, p99_ms: float) -> Check:
    """Check the 99th percentile of the model's time for one row, in ms.

    What the service adds is tested at release. The best of several windows counts, as other
    processes of the machine may slow down a window.
    """
    row = _example(predictor.contract)
    _timed(predictor, row, calls=WARM_UP_CALLS)
    found = math.inf
    for _ in range(SPEED_WINDOWS):
        found = min(
            found, float(np.percentile(_timed(predictor, row, calls=TIMED_CALLS), 99)) * 1000
        )
        if found <= p99_ms:
            break
    return Check(
        name="latency",
        passed=found <= p99_ms,
        detail=f"p99 of one row {found:.2f} ms, allowed {p99_ms:g} ms",
    )


def _timed(predictor: Predictor, row: dict[str, Any], *, calls: int) -> list[float]:
    """Return the seconds of each call."""
    times = [time.perf_counter()]
    for _ in range(calls):
        predictor.scores(row)
        times.append(time.perf_counter())
    return np.diff(times).tolist()


def size_check(folder: Path) -> Check:
    """Check that the folder's files have at most MAXIMUM_BYTES."""
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Check(
        name="size",
        passed=size <= MAXIMUM_BYTES,
        detail=f"{size:,} bytes, allowed {MAXIMUM_BYTES:,}",
    )


def _example(contract: Contract) -> dict[str, Any]:
    return Encoder(contract.inputs, missing=contract.missing).encode(
        {one.name: [one.example] for one in contract.inputs}
    )
