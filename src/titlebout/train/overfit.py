"""The first question to any training code: can it learn a handful of rows by heart? If not, the pipeline or the labels are broken.

The handful is chosen so that even a linear model can: distinct rows, after preprocessing affinely independent, at least two labels.
Each row is repeated, so that a minimum of rows per leaf or a penalty does not stand in the way.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from titlebout.spec import ModelSpec
from titlebout.train.fitting import Build, fit
from titlebout.train.rows import Rows

BATCH_ROWS = 16
REPEATS = 400  # more than any sensible minimum of rows per leaf
CANDIDATE_ROWS = 256  # the batch is chosen among so many
# of a row's length must be new for it to count as independent of the rows before; with less, a linear model's penalty stands in the way
INDEPENDENT_SHARE = 0.1
LEARNT_ACCURACY, LEARNT_R2 = 0.95, 0.95


class OverfitCheck(NamedTuple):
    passed: bool
    words: str


def overfit_check(name: str, build: Build, rows: Rows, *, spec: ModelSpec) -> OverfitCheck:
    """Fits a pipeline to the batch and asks it for the same rows again."""
    batch = _batch(build, rows, seed=spec.seed)
    if len(batch.y) < 2 or len(np.unique(batch.y)) < 2:
        return OverfitCheck(False, f"{name}: no two rows with different labels look different after preprocessing")
    pipeline = fit(name, build(batch.X), batch.take(np.tile(np.arange(len(batch.y)), REPEATS)))
    predicted = np.asarray(pipeline.predict(batch.X))
    if spec.task == "regression":
        reached, wanted, what = _r2(batch.y, predicted), LEARNT_R2, "R²"
    else:
        reached, wanted, what = float(np.mean(predicted == batch.y)), LEARNT_ACCURACY, "accuracy"
    passed = reached >= wanted
    return OverfitCheck(passed, f"{name}: {what} {reached:.2f} on the {len(batch.y)} rows it was fitted to" + _blame(passed, wanted))


def _blame(passed: bool, wanted: float) -> str:
    return "" if passed else f", expected {wanted}: its preprocessing, the estimator or the labels are broken"


def _batch(build: Build, rows: Rows, *, seed: int) -> Rows:
    pool = rows.take(_alternating(rows.y, seed=seed)[:CANDIDATE_ROWS])
    prepared = build(pool.X)[:-1].fit_transform(pool.X, pool.y)
    dense = np.asarray(prepared.toarray() if hasattr(prepared, "toarray") else prepared, dtype=np.float64)
    return pool.take(_independent(np.nan_to_num(dense)))


def _alternating(y: NDArray[Any], *, seed: int) -> NDArray[np.int64]:
    """All positions, shuffled, such that labels take turns: the n-th row of every label comes before the (n+1)-th of any."""
    shuffled = np.random.default_rng(seed).permutation(len(y))
    by_label = shuffled[np.argsort(y[shuffled], kind="stable")]
    _, starts, counts = np.unique(y[by_label], return_index=True, return_counts=True)
    turn = np.arange(len(y)) - np.repeat(starts, counts)
    return by_label[np.argsort(turn, kind="stable")]


def _independent(prepared: NDArray[np.float64]) -> NDArray[np.int64]:
    """Positions of up to BATCH_ROWS rows of which none is an affine combination of the others (Gram-Schmidt)."""
    spread = prepared.std(axis=0)
    scaled = (prepared - prepared.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    chosen, basis = [0], np.empty((0, prepared.shape[1]))
    for position in range(1, len(scaled)):
        step = scaled[position] - scaled[0]
        new = step - basis.T @ (basis @ step)
        if len(chosen) < BATCH_ROWS and np.linalg.norm(new) > INDEPENDENT_SHARE * max(1.0, float(np.linalg.norm(step))):
            chosen.append(position)
            basis = np.vstack([basis, new / np.linalg.norm(new)])
    return np.array(chosen, dtype=np.int64)


def _r2(y: NDArray[Any], predicted: NDArray[Any]) -> float:
    return float(1 - np.sum((y - predicted) ** 2) / np.sum((y - y.mean()) ** 2))
