"""Count what the model decides on the holdout, as it is served.

That is the confusion matrix, precision and recall, and the curves of a binary model.
"""

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
    """Return counts and shares at the served threshold, or of the likeliest class.

    Return None for a regression.
    """
    if contract.task == "regression":
        return None
    actual, predicted = holdout.y.astype(np.intp), _codes(contract, scores)
    count = len(contract.classes)
    confusion = np.bincount(actual * count + predicted, minlength=count * count).reshape(
        count, count
    )
    figures = []
    for code, name in enumerate(contract.classes):
        is_predicted, is_actual = predicted == code, actual == code
        figures.append(
            ClassFigures(
                name=name,
                rows=int(is_actual.sum()),
                predicted=int(is_predicted.sum()),
                precision=_share(
                    holdout, is_actual, within=is_predicted, confidence=confidence, seed=seed
                ),
                recall=_share(
                    holdout, is_predicted, within=is_actual, confidence=confidence, seed=seed
                ),
            )
        )
    return Decisions(
        classes=tuple(figures), confusion=tuple(tuple(map(int, row)) for row in confusion)
    )


def curves(contract: Contract, y: NDArray[Any], scores: NDArray[np.float64]) -> Curves | None:
    """Return ROC and precision over recall.

    Return None unless the model is binary and the rows hold both classes.
    """
    if contract.task != "binary" or contract.threshold is None or len(np.unique(y)) < 2:
        return None
    from sklearn.metrics import precision_recall_curve, roc_curve

    false_positive, recall, _ = roc_curve(y, scores)
    precision, found, _ = precision_recall_curve(y, scores)
    predicted, positive = scores >= contract.threshold, y == 1
    return Curves(
        roc=_thinned(false_positive, recall),
        precision_recall=_thinned(found[::-1], precision[::-1]),
        served_false_positive_rate=float(predicted[~positive].mean()),
        served_recall=float(predicted[positive].mean()),
        served_precision=float(positive[predicted].mean()) if predicted.any() else None,
    )


def _codes(contract: Contract, scores: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the code of the class that a client gets as the answer."""
    if scores.ndim == 2:
        return np.asarray(scores.argmax(axis=1))
    threshold = metrics.DECISION_AT if contract.threshold is None else contract.threshold
    return (scores >= threshold).astype(np.intp)


def _share(
    holdout: PartRows,
    hits: NDArray[np.bool_],
    *,
    within: NDArray[np.bool_],
    confidence: float,
    seed: int,
) -> Estimate | None:
    """Return the share of hits in the rows `within`, with its interval, or None without rows."""
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
    positions = np.unique(np.linspace(0, len(across) - 1, CURVE_POINTS).astype(np.intp))
    return tuple((round(float(across[at]), 5), round(float(up[at]), 5)) for at in positions)
