"""Turn scores into what a client reads: the predicted class and each class's probability."""

from typing import Any

import numpy as np

from titlebout.scoring.predictor import Scores
from titlebout.spec import Contract

DEFAULT_THRESHOLD = 0.5  # the more probable class, where no costs were declared
PROBABILITY_DIGITS = 7  # what float32 can tell; more would be noise


class Decision:
    """Decide by `threshold`, the probability from which on the positive class is predicted.

    It is None for a task that is not binary.
    """

    def __init__(self, contract: Contract, threshold: float | None) -> None:
        self._task, self._classes = contract.task, contract.classes
        self.threshold = (
            (DEFAULT_THRESHOLD if threshold is None else threshold)
            if contract.task == "binary"
            else None
        )

    def predictions(self, scores: Scores) -> list[str] | list[float]:
        """Return one class name per row, or one number per row for regression."""
        if self._task == "regression":
            return [float(score) for score in scores.tolist()]
        if self._task == "binary":
            negative, positive = self._classes
            return [positive if score >= self.threshold else negative for score in scores.tolist()]
        return [self._classes[code] for code in scores.argmax(axis=1).tolist()]

    def probabilities(self, scores: Scores) -> list[dict[str, float]] | None:
        """Return one mapping of class to probability per row; None for regression."""
        if self._task == "regression":
            return None
        if self._task == "binary":
            negative, positive = self._classes
            return [
                {
                    negative: round(1 - score, PROBABILITY_DIGITS),
                    positive: round(score, PROBABILITY_DIGITS),
                }
                for score in scores.tolist()
            ]
        rounded = np.round(scores, PROBABILITY_DIGITS).tolist()
        return [dict(zip(self._classes, row, strict=True)) for row in rounded]

    def records(self, scores: Scores) -> list[dict[str, Any]]:
        """Return rows of the output that the MLflow signature promises.

        A row holds `prediction` and, for classes, `score.<class>`.
        """
        predictions, probabilities = self.predictions(scores), self.probabilities(scores)
        if probabilities is None:
            return [{"prediction": prediction} for prediction in predictions]
        return [
            {"prediction": prediction, **{f"score.{name}": share for name, share in row.items()}}
            for prediction, row in zip(predictions, probabilities, strict=True)
        ]
