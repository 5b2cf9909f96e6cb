"""What is answered on the holdout, as it is served: confusion matrix, precision, recall, and the curves of a binary model."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from titlebout import metrics
from titlebout.data import PartRows
from titlebout.spec import ClassFigures, Contract, Curves, Decisions, Estimate

CURVE_POINTS = 200  # more than a screen can show


def decisions(
    contract: Contract,
    holdout: PartRows,
    scores: NDArray[np.float64],
    *,
    confidence: float,
    seed: int,
) -> Decisions | None:
    """Return counts and shares at the served threshold, or of the likeliest class; None for a regression."""
    if contract.task == "regression":
        return None
    actual, predicted = holdout.y.astype(np.intp), _codes(contract, scores)
    count = len(contract.classes)
    confusion = np.bincount(actual * count + predicted, minlength=count * count).reshape(
        count, count
    )
    figures = []
    for code, name in enumerate(contract.classes):
        called, real = predicted == code, actual == code
        shares = [
            _share(holdout, real, within=called, confidence=confidence, seed=seed),
            _share(holdout, called, within=real, confidence=confidence, seed=seed),
        ]
        figures.append(
            ClassFigures(
                name=name,
                rows=int(real.sum()),
                predicted=int(called.sum()),
                precision=shares[0],
                recall=shares[1],
            )
        )
    return Decisions(
        classes=tuple(figures), confusion=tuple(tuple(map(int, row)) for row in confusion)
    )


def curves(contract: Contract, y: NDArray[Any], scores: NDArray[np.float64]) -> Curves | None:
    """Return ROC and precision over recall; None unless the model is binary and the rows hold both classes."""
    if contract.task != "binary" or contract.threshold is None or len(np.unique(y)) < 2:
        return None
    from sklearn.metrics import precision_recall_curve, roc_curve

    false_positive, recall, _ = roc_curve(y, scores)
    precision, found, _ = precision_recall_curve(y, scores)
    called, positive = scores >= contract.threshold, y == 1
    return Curves(
        roc=_thinned(false_positive, recall),
        precision_recall=_thinned(found[::-1], precision[::-1]),
        served_false_positive_rate=float(called[~positive].mean()),
        served_recall=float(called[positive].mean()),
        served_precision=float(positive[called].mean()) if called.any() else None,
    )


def _codes(contract: Contract, scores: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the code of the class that a client is answered."""
    if scores.ndim == 2:
        return np.asarray(scores.argmax(axis=1))
    return (
        scores >= (metrics.DECISION_AT if contract.threshold is None else contract.threshold)
    ).astype(np.intp)


def _share(
    holdout: PartRows,
    hits: NDArray[np.bool_],
    *,
    within: NDArray[np.bool_],
    confidence: float,
    seed: int,
) -> Estimate | None:
    """Return which share of the rows `within` are hits, as accuracy is measured; None without rows."""
    if not within.any():
        return None
    blocks, groups = (
        None if codes is None else codes[within] for codes in (holdout.days, holdout.groups)
    )
    right = hits[within].astype(np.float64)
    return metrics.interval(
        "accuracy",
        np.ones(len(right)),
        right,
        blocks=blocks,
        groups=groups,
        confidence=confidence,
        seed=seed,
    )


def _thinned(
    across: NDArray[np.float64], up: NDArray[np.float64]
) -> tuple[tuple[float, float], ...]:
    picked = np.unique(np.linspace(0, len(across) - 1, CURVE_POINTS).astype(np.intp))
    return tuple((round(float(across[place]), 5), round(float(up[place]), 5)) for place in picked)
