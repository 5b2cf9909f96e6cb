"""Check whether a candidate can learn a handful of rows by heart.

If it cannot, the pipeline or the labels are broken. The handful is chosen so that even a linear
model can learn it: distinct rows, affinely independent after preprocessing, with at least two
labels. Each row is repeated, so that a minimum of rows per leaf is no obstacle. The pipeline is
built without the candidate's own settings and with the weakest regularisation. So the answer is
the same with tuned, committed and untuned settings.
"""

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from titlebout.data import PartRows
from titlebout.spec import ModelSpec, SpecError
from titlebout.train.fitting import Build, fit

BATCH_ROWS = 16
REPEATS = 400  # more than any sensible minimum of rows per leaf
CANDIDATE_ROWS = 256  # the batch is chosen among so many
# The share of a row's length that must be new, for the row to be independent of those before it.
# With less, a linear model's penalty hinders learning.
INDEPENDENT_SHARE = 0.1
# Half of the way from guessing to perfection. Naive Bayes and PLS reach 0.6 to 0.75 on a handful,
# trees 1, a broken pipeline 0.
LEARNT_SKILL = 0.5


class OverfitCheck(NamedTuple):
    """Say whether the candidate can learn a handful of rows, and explain it in `words`."""

    passed: bool
    words: str


def overfit_check(name: str, build: Build, rows: PartRows, *, spec: ModelSpec) -> OverfitCheck:
    """Fit a pipeline to the batch, and let it predict the same rows.

    `build` returns a pipeline with the weakest regularisation.
    """
    batch = _batch(build, rows, seed=spec.seed)
    if len(batch.y) < 2 or len(np.unique(batch.y)) < 2:
        return OverfitCheck(
            False, f"{name}: no two rows with different labels look different after preprocessing"
        )
    try:
        with warnings.catch_warnings():
            # A handful of rows without regularisation is ill-conditioned on purpose.
            warnings.simplefilter("ignore")
            repeated = np.tile(np.arange(len(batch.y)), REPEATS)
            X, y = batch.X.iloc[repeated].reset_index(drop=True), batch.y[repeated]
            pipeline = fit(name, build(batch.X), X=X, y=y)
    except SpecError as error:
        # Some estimators need more rows. A broken one fails on all rows, too.
        return OverfitCheck(
            True,
            f"{name}: not checked, its estimator cannot be fitted to {len(batch.y)} rows "
            f"({error.found})",
        )
    skill = _skill(batch.y, np.asarray(pipeline.predict(batch.X)), spec=spec)
    passed = skill >= LEARNT_SKILL
    return OverfitCheck(
        passed,
        f"{name}: skill {skill:.2f} on the {len(batch.y)} rows it was fitted to" + _cause(passed),
    )


def _cause(passed: bool) -> str:
    if passed:
        return ""
    return f", expected {LEARNT_SKILL}: its preprocessing, the estimator or the labels are broken"


def _skill(y: NDArray[Any], predicted: NDArray[Any], *, spec: ModelSpec) -> float:
    """Return the way from guessing (0) to perfection (1).

    It is R², or the share of errors avoided compared with always naming the commonest class.
    """
    if spec.task == "regression":
        return float(1 - np.sum((y - predicted) ** 2) / np.sum((y - y.mean()) ** 2))
    guessed = np.unique(y, return_counts=True)[1].max() / len(y)
    return float((np.mean(predicted == y) - guessed) / (1 - guessed))


def _batch(build: Build, rows: PartRows, *, seed: int) -> PartRows:
    pool = rows.take(_alternating(rows.y, seed=seed)[:CANDIDATE_ROWS])
    prepared = build(pool.X)[:-1].fit_transform(pool.X, pool.y)
    dense = np.asarray(
        prepared.toarray() if hasattr(prepared, "toarray") else prepared, dtype=np.float64
    )
    return pool.take(_independent(np.nan_to_num(dense)))


def _alternating(y: NDArray[Any], *, seed: int) -> NDArray[np.int64]:
    """Return all positions, shuffled, such that labels take turns.

    The n-th row of every label comes before the (n+1)-th of any.
    """
    shuffled = np.random.default_rng(seed).permutation(len(y))
    by_label = shuffled[np.argsort(y[shuffled], kind="stable")]
    _, starts, counts = np.unique(y[by_label], return_index=True, return_counts=True)
    turn = np.arange(len(y)) - np.repeat(starts, counts)
    return by_label[np.argsort(turn, kind="stable")]


def _independent(prepared: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return positions of up to BATCH_ROWS rows, none an affine combination of the others.

    They are found by Gram-Schmidt.
    """
    spread = prepared.std(axis=0)
    scaled = (prepared - prepared.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    chosen, basis = [0], np.empty((0, prepared.shape[1]))
    for position in range(1, len(scaled)):
        step = scaled[position] - scaled[0]
        new = step - basis.T @ (basis @ step)
        if len(chosen) < BATCH_ROWS and np.linalg.norm(new) > INDEPENDENT_SHARE * max(
            1.0, float(np.linalg.norm(step))
        ):
            chosen.append(position)
            basis = np.vstack([basis, new / np.linalg.norm(new)])
    return np.array(chosen, dtype=np.int64)
