"""Find what an engineer must know first, for the top of the report page.

Each finding is one row, marked good, bad or warning.
"""

from typing import Literal, NamedTuple

import numpy as np

from titlebout.spec import (
    METRICS,
    CandidateEvaluation,
    Estimate,
    Evaluation,
    FittedCandidate,
    ModelSpec,
    SliceResult,
    Training,
    Validation,
    figure,
    from_to,
    percent,
)

Mark = Literal["good", "bad", "warn", "plain"]
MINIMUM_FOLDS = 3  # the spread of two folds says nothing
FOLDS_QUANTILE = 0.975  # the upper end of a two-sided 95 % interval
# Of probability. A calibration error that is shown but smaller than this changes few decisions.
MATERIAL_ERROR = 0.02
# Of ten bins. Each is outside in 1 of 20 tables of a perfect model, three or more in 1 of 90.
MOST_BINS_OUTSIDE = 2
SHOWN_SLICES = 5
ENGINES = {"onnx": "ONNX Runtime", "sklearn": "scikit-learn"}


class Finding(NamedTuple):
    """Describe one row of the page; `words` are its lines."""

    what: str
    mark: Mark
    words: tuple[str, ...]


def findings(
    spec: ModelSpec, evaluation: Evaluation, training: Training, validation: Validation | None
) -> list[Finding]:
    """Return the rows in the order in which they are read."""
    rows = [
        _validation(validation),
        _against_baseline(evaluation),
        _choice(evaluation),
        _engine(evaluation),
        *_decision(evaluation),
        calibration_finding(evaluation),
        _weak_spots(spec, evaluation, training),
    ]
    return [row for row in rows if row.words]


def estimate(one: Estimate | None) -> str:
    """Return a value and its interval as text."""
    if one is None:
        return "–"
    return (
        figure(one.value)
        if one.low is None or one.high is None
        else f"{figure(one.value)} ({from_to(one.low, one.high)})"
    )


def measured(evaluation: Evaluation, name: str) -> CandidateEvaluation:
    """Return what was measured of the candidate."""
    return next(one for one in evaluation.candidates if one.name == name)


def _validation(validation: Validation | None) -> Finding:
    if validation is None:
        return Finding("Validation", "plain", ("not yet run",))
    failed = [
        f"failed: {check.name}: {check.detail}" for check in validation.checks if not check.passed
    ]
    warned = [check.name for check in validation.checks if check.passed and check.warning]
    passed = sum(check.passed for check in validation.checks)
    summary = f"{validation.status}, {passed} of {len(validation.checks)} checks"
    words = (summary + (f"; with a warning: {', '.join(warned)}" if warned else ""), *failed)
    return Finding("Validation", "bad" if failed else "warn" if warned else "good", words)


def _against_baseline(evaluation: Evaluation) -> Finding:
    metric, lead = evaluation.metric, evaluation.lead
    chosen, baseline = (
        measured(evaluation, name).metrics["holdout"][metric]
        for name in (evaluation.chosen, "baseline")
    )
    greater_is_better = METRICS[metric].greater_is_better
    words = (
        f"{metric} {estimate(chosen)} on the holdout, the baseline {estimate(baseline)}; "
        f"{'more' if greater_is_better else 'less'} is better"
    )
    better = chosen.value > baseline.value if greater_is_better else chosen.value < baseline.value
    if lead is None or lead.low is None or lead.high is None:
        return Finding("Figures", "warn" if better else "bad", (words,))
    comparison = (
        f"row by row {'better' if lead.value > 0 else 'worse'} by {figure(abs(lead.value))}, "
        f"interval {from_to(lead.low, lead.high)}"
    )
    return Finding(
        "Figures",
        "good" if lead.low > 0 else "bad" if lead.high <= 0 or not better else "warn",
        (words, comparison),
    )


def _choice(evaluation: Evaluation) -> Finding:
    passed_over = [
        f"passed over: {name}: {why.removeprefix(f'{name}: ')}"
        for name, why in sorted(evaluation.passed_over.items())
    ]
    unable = (
        []
        if evaluation.fits_batch
        else ["it could not learn a handful of rows by heart: check its preprocessing and labels"]
    )
    words = (f"{evaluation.chosen}: {evaluation.why_chosen}", *passed_over, *unable)
    return Finding("Chosen", "bad" if unable else "warn" if passed_over else "plain", words)


def _engine(evaluation: Evaluation) -> Finding:
    engine = measured(evaluation, evaluation.chosen).engine
    if engine is None:
        return Finding("Served by", "plain", ())
    slower = "; it is much slower per row than ONNX Runtime" if engine.name == "sklearn" else ""
    return Finding(
        "Served by",
        "warn" if slower else "good",
        (f"{ENGINES[engine.name]}: {engine.reason}{slower}",),
    )


def _decision(evaluation: Evaluation) -> list[Finding]:
    """Return what a binary model decides at the threshold that it serves."""
    if evaluation.threshold is None or evaluation.decisions is None:
        return []
    positive = evaluation.decisions.classes[1]
    words = (
        f"predicts {positive.name!r} from a probability of {figure(evaluation.threshold)}: "
        f"precision {estimate(positive.precision)}, recall {estimate(positive.recall)}, "
        f"accuracy {estimate(evaluation.accuracy_served)}"
    )
    return [Finding("Decides", "plain" if positive.predicted else "warn", (words,))]


def calibration_finding(evaluation: Evaluation) -> Finding:
    """Say whether predicted values are wrong by more than chance explains on so many rows."""
    error, perfect = evaluation.calibration_error, evaluation.calibration_perfect
    if error is None or perfect is None:
        return _calibration_by_bins(evaluation)
    chance = (
        f"a perfect model shows {percent(perfect.usual)} on as many rows, "
        f"and at most {percent(perfect.most)} in 97.5 of 100 tables"
    )
    if error <= perfect.most:
        return Finding(
            "Calibration", "good", (f"no error shown: {percent(error)} on average, and {chance}",)
        )
    if error - perfect.usual < MATERIAL_ERROR:
        return Finding(
            "Calibration", "plain", (f"off by little: {percent(error)} on average; {chance}",)
        )
    return Finding(
        "Calibration",
        "bad",
        (f"BAD: its probabilities are off by {percent(error)} on average; {chance}",),
    )


def _calibration_by_bins(evaluation: Evaluation) -> Finding:
    outside = [
        one
        for one in evaluation.calibration
        if one.low is not None and one.high is not None and not one.low <= one.observed <= one.high
    ]
    off = (
        f"{len(outside)} of {len(evaluation.calibration)} bins of predictions "
        "lie outside the band of a perfect model"
    )
    if len(outside) > MOST_BINS_OUTSIDE:
        return Finding(
            "Calibration", "bad", (f"BAD: {off}; by chance at most {MOST_BINS_OUTSIDE} do",)
        )
    return Finding("Calibration", "good", (f"no error shown: {off}, as chance allows",))


def _weak_spots(spec: ModelSpec, evaluation: Evaluation, training: Training) -> Finding:
    suspicious = [leak.evidence for leak in evaluation.leaks if leak.level == "suspicious"]
    fitted = [one for one in training.candidates if one.name != "baseline"]
    gaps = [
        one.name
        for one in fitted
        if worse_than_folds(one, measured(evaluation, one.name), evaluation.metric)
    ]
    drift = spec.time_column is not None and spec.split.by == "time"
    why = (
        "the data drift, or training saw too much"
        if drift
        else f"training saw too much: by {spec.split.by} the parts cannot drift"
    )
    words = [f"may know too much: {evidence}" for evidence in suspicious]
    words += (
        [
            "worse on the holdout than cross-validation predicted, beyond chance: "
            f"{', '.join(gaps)}; {why}"
        ]
        if gaps
        else []
    )
    slices = [
        f"slice {one.column} = {one.value}: {evaluation.metric} {estimate(one.metric)} "
        f"on {one.rows:,} rows"
        for one in weak_slices(evaluation)[:SHOWN_SLICES]
    ]
    mark: Mark = "bad" if words else "warn" if slices else "good"
    return Finding(
        "Weak spots",
        mark,
        tuple(words + slices)
        or ("none shown: no suspicious column, no slice shown worse than the whole",),
    )


def weak_slices(evaluation: Evaluation) -> list[SliceResult]:
    """Return the slices whose whole interval is worse than the holdout's value, the worst first."""
    metric = evaluation.metric
    overall = measured(evaluation, evaluation.chosen).metrics["holdout"][metric].value
    greater = METRICS[metric].greater_is_better
    weak = []
    for one in evaluation.slices:
        best = one.metric.high if greater else one.metric.low
        if best is not None and (best < overall if greater else best > overall):
            weak.append(one)
    return sorted(weak, key=lambda one: one.metric.value, reverse=not greater)


def worse_than_folds(fitted: FittedCandidate, found: CandidateEvaluation, metric: str) -> bool:
    """Return whether the holdout is worse than cross-validation predicted, beyond chance.

    It is if the two intervals do not touch. The folds' interval is Student's t over their scores.
    `benchmarks/worse_than_folds.py` simulates how often equal parts seem to differ.
    """
    from scipy.special import stdtrit

    holdout, count = found.metrics["holdout"][metric], len(fitted.fold_scores)
    if count < MINIMUM_FOLDS or holdout.low is None or holdout.high is None:
        return False
    half = float(
        stdtrit(count - 1, FOLDS_QUANTILE) * np.std(fitted.fold_scores, ddof=1) / np.sqrt(count)
    )
    predicted = float(np.mean(fitted.fold_scores))
    if METRICS[metric].greater_is_better:
        return holdout.high < predicted - half
    return holdout.low > predicted + half
