"""Choose the candidate to register, on the validation part. The holdout is for the gate."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from titlebout import metrics
from titlebout.data import PartRows
from titlebout.evaluate.measured import Measured
from titlebout.spec import METRICS, DataError, FittedCandidate, ModelSpec, figure

# From simple to complex. Everything else counts as less simple, in the order of model.yaml.
SIMPLICITY = ("linear", "trees")
# The confidence whose two-sided interval reaches one standard error to each side.
ONE_STANDARD_ERROR = 0.6827


class Choice(NamedTuple):
    """Hold the chosen candidate and why; `passed_over` are those that could not be chosen."""

    name: str
    why: str
    passed_over: dict[str, str]


def choose(
    spec: ModelSpec,
    fitted: Sequence[FittedCandidate],
    measured: Sequence[Measured],
    validation: PartRows,
) -> Choice:
    """Choose the simplest candidate within one standard error of the best (Breiman et al. 1984).

    The standard error is that of the paired difference. A candidate that could not learn a handful
    of rows by heart is passed over, and named, if there is another one.
    """
    broken = {
        one.name: one.overfit_check or "it failed the overfit check"
        for one in fitted
        if not one.fits_batch
    }
    eligible = [one for one in measured if one.name not in broken]
    passed_over = (
        {one.name: broken[one.name] for one in measured if one.name in broken} if eligible else {}
    )
    return Choice(*_choose_of(spec, eligible or list(measured), validation), passed_over)


def _choose_of(
    spec: ModelSpec, eligible: Sequence[Measured], validation: PartRows
) -> tuple[str, str]:
    """Return the name of the chosen candidate, and why it was chosen."""
    by_simplicity = sorted(eligible, key=lambda one: _rank(spec.candidates[one.name].estimator))
    try:
        values = {
            one.name: metrics.score(spec.metric, validation.y, one.scores["validation"])
            for one in by_simplicity
        }
    except DataError as error:
        why = f"the simplest: {spec.metric} is undefined on the validation part ({error.found})"
        return by_simplicity[0].name, why
    best = (max if METRICS[spec.metric].greater_is_better else min)(
        by_simplicity, key=lambda one: values[one.name]
    )
    for one in by_simplicity:
        if one is best:
            break
        if (lead := _lead(spec, best, one, validation)) is not None and lead.low <= 0:
            return (
                one.name,
                f"simpler than {best.name} and within one standard error of it "
                f"on the validation part: {best.name} leads by {figure(lead.value)} {spec.metric}, "
                f"standard error {figure(lead.value - lead.low)}",
            )
    return best.name, f"best {spec.metric} on the validation part: {_listed(values)}"


def _lead(
    spec: ModelSpec, best: Measured, other: Measured, validation: PartRows
) -> metrics.PairedDifference | None:
    """Return the lead, or None if the part has too few rows or days for a standard error.

    The better value decides then.
    """
    pair = best.scores["validation"], other.scores["validation"]
    if np.array_equal(*pair):
        return metrics.PairedDifference(0.0, 0.0, 0.0, "equal predictions", len(validation.y), 0)
    try:
        return metrics.paired_difference(
            spec.metric,
            validation.y,
            *pair,
            blocks=validation.days,
            groups=validation.groups,
            confidence=ONE_STANDARD_ERROR,
            seed=spec.seed,
        )
    except metrics.TooFew:
        return None


def _rank(estimator: str) -> int:
    return SIMPLICITY.index(estimator) if estimator in SIMPLICITY else len(SIMPLICITY)


def _listed(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {figure(value)}" for name, value in values.items())
