"""Decide by where the interval lies, and reject what cannot be measured."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from titlebout.gate import explain, reach_verdict
from titlebout.gate.reach_verdict import ComparisonSetup, Scored, decide_outcome, refuse, rows_more
from titlebout.metrics import MINIMUM_UNITS
from titlebout.spec import GatePolicy

SUPERIORITY = GatePolicy()


def setup(policy: GatePolicy | None = SUPERIORITY, **changes) -> ComparisonSetup:
    known = {
        "model": "flights",
        "metric": "log_loss",
        "opponent": "champion",
        "challenger_digest": "c" * 64,
        "opponent_digest": "d" * 64,
        "dataset": "a" * 64,
        "holdout": "b" * 64,
        "policy": policy,
        "confidence": 0.95,
        "seed": 1,
    }
    return ComparisonSetup(**(known | changes))


def scored(
    *, rows: int = 4000, days: int | None = 40, noise: tuple[float, float] = (0.1, 0.6)
) -> Scored:
    """Return both models' scores with the Challenger's and the opponent's `noise`."""
    random = np.random.default_rng(3)
    labels = random.integers(0, 2, rows)
    signal = labels - 0.5 + random.normal(size=rows)
    challenger, opponent = (
        1 / (1 + np.exp(-(signal + random.normal(0, width, rows)))) for width in noise
    )
    return Scored(
        labels, challenger, opponent, None if days is None else np.arange(rows) * days // rows
    )


@pytest.mark.parametrize(
    ("require", "low", "high", "outcome"),
    [
        ("superiority", 0.001, 0.02, "accept"),
        ("superiority", -0.001, 0.02, "inconclusive"),
        ("superiority", -0.02, 0.0, "reject"),
        ("superiority", 0.0, 0.0, "inconclusive"),
        ("non_inferiority", 0.0, 0.0, "accept"),
        ("superiority", -0.02, -0.001, "reject"),
        ("non_inferiority", -0.009, 0.02, "accept"),
        ("non_inferiority", 0.001, 0.02, "accept"),
        ("non_inferiority", -0.011, 0.02, "inconclusive"),
        ("non_inferiority", -0.03, -0.011, "reject"),
    ],
)
def test_the_interval_decides(require, low, high, outcome):
    """Compare the interval with 0 for superiority, and with −0.01 for non-inferiority."""
    assert decide_outcome(low=low, high=high, margin=0.01, require=require) == outcome


def test_the_better_challenger_is_accepted_and_the_worse_rejected():
    """Accept the better model and reject the worse one, on the same rows by the same policy."""
    assert reach_verdict(setup(), scored()).verdict == "accept"
    assert reach_verdict(setup(), scored(noise=(0.6, 0.1))).verdict == "reject"


def test_equals_are_inconclusive_for_superiority_and_accepted_within_a_wide_margin():
    """Call equal models no improvement, but accept them where no harm is enough."""
    equals = scored(noise=(0.3, 0.3))
    assert reach_verdict(setup(), equals).verdict == "inconclusive"
    assert (
        reach_verdict(setup(GatePolicy(require="non_inferiority", margin=0.05)), equals).verdict
        == "accept"
    )


def test_rows_more_would_decide():
    """Ask for four times the rows, which halve the interval, if the lead is half of its width."""
    assert rows_more(difference=0.01, half_width=0.02, boundary=0.0, rows=1000) == 3000
    assert rows_more(difference=0.01, half_width=0.02, boundary=-0.01, rows=1000) == 1
    assert rows_more(difference=-0.01, half_width=0.02, boundary=0.0, rows=1000) is None


def test_an_inconclusive_verdict_says_how_many_rows_more():
    """Say how many more rows would decide, or that they would rather confirm a rejection."""
    pair = scored(noise=(0.3, 0.3), rows=400)
    swapped = pair._replace(challenger=pair.opponent, opponent=pair.challenger)
    trailing, leading = sorted(
        (reach_verdict(setup(), pair), reach_verdict(setup(), swapped)),
        key=lambda verdict: verdict.primary.difference,
    )
    assert (leading.verdict, trailing.verdict) == ("inconclusive", "inconclusive")
    assert f"{leading.primary.rows_more:,} more holdout rows" in explain(leading)
    assert trailing.primary.rows_more is None
    assert "rather confirm a rejection" in explain(trailing)


def test_a_guardrail_that_is_worse_rejects_the_better_model():
    """Reject a model that is better in log loss, as it is calibrated, but worse in ranking."""
    random = np.random.default_rng(4)
    labels = random.integers(0, 2, 3000)
    blunt = np.where(labels == 1, 0.6, 0.4) + random.normal(0, 0.15, 3000).clip(-0.39, 0.39)
    sharp = (
        np.clip(np.where(labels == 1, 0.99, 0.2) + random.normal(0, 0.3, 3000), 0.0001, 0.9999) ** 8
    )
    pair = Scored(labels, blunt, sharp, None)
    assert reach_verdict(setup(), pair).verdict == "accept"
    guarded = reach_verdict(setup(GatePolicy(guardrails={"accuracy": 0.9, "roc_auc": 0.001})), pair)
    outcomes = {comparison.metric: comparison.outcome for comparison in guarded.guardrails}
    assert outcomes == {"accuracy": "accept", "roc_auc": "reject"}
    assert (guarded.verdict, guarded.primary.outcome) == ("reject", "accept")
    assert any(reason.startswith("guardrail roc_auc") for reason in guarded.reasons)


def test_a_guardrail_that_cannot_be_told_makes_it_inconclusive():
    """Return inconclusive for a guardrail whose margin is narrower than the interval."""
    verdict = reach_verdict(
        setup(GatePolicy(guardrails={"roc_auc": 0.0})), scored(rows=400, noise=(0.3, 0.3))
    )
    assert verdict.verdict == "inconclusive"


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        (scored()._replace(challenger=np.full(4000, np.nan)), "4000 of 4000 NaN"),
        (
            scored()._replace(opponent=np.where(np.arange(4000) == 17, np.inf, 0.5)),
            "1 of 4000 NaN or infinite",
        ),
        (scored()._replace(challenger=np.full(4000, 1.5)), "probabilities from 0 to 1"),
        (scored()._replace(challenger=np.full(3999, 0.5)), "shapes"),
    ],
)
def test_what_cannot_be_measured_is_rejected_with_the_reason(pair, reason):
    """Reject scores that cannot be measured, with the reason and without figures."""
    verdict = reach_verdict(setup(), pair)
    assert (verdict.verdict, verdict.primary) == ("reject", None)
    assert reason in verdict.reasons[0]


def with_positives(number: int, *, rows: int = 200) -> Scored:
    """Return two constant models on rows of which `number` are positive."""
    return Scored(
        (np.arange(rows) < number).astype(int), np.full(rows, 0.03), np.full(rows, 0.005), None
    )


@pytest.mark.parametrize(
    ("pair", "missing"),
    [
        (scored(days=7), "at least 8 blocks, found 7"),
        (scored(rows=6, days=None), "at least 8 rows, found 6"),
        (
            with_positives(2),
            "2 of 200 holdout rows have another label than the commonest one, "
            "at least 8 are needed: about 600 more",
        ),
        (
            with_positives(0),
            "0 of 200 holdout rows have another label than the commonest one, "
            "at least 8 are needed",
        ),
        (
            scored()._replace(y=np.ones(4000, dtype=int)),
            "0 of 4,000 holdout rows have another label",
        ),
    ],
)
def test_too_few_rows_are_inconclusive_and_say_what_is_missing(pair, missing):
    """Return inconclusive for too few days, rows or positives, and say what is missing."""
    verdict = reach_verdict(setup(), pair)
    assert (verdict.verdict, verdict.primary) == ("inconclusive", None)
    assert missing in verdict.reasons[0]


@pytest.mark.parametrize(
    "metric", ["log_loss", "brier", "accuracy", "roc_auc", "average_precision"]
)
@pytest.mark.parametrize("days", [None, 40])
def test_two_models_that_no_row_tells_apart_are_inconclusive(metric, days):
    """Return inconclusive for equal scores, and by accuracy for equal decisions.

    For non-inferiority such models are good enough.
    """
    pair = scored(rows=400, days=days)
    sharper = (
        np.where(pair.challenger >= 0.5, 0.9, 0.1) if metric == "accuracy" else pair.challenger
    )
    pair = pair._replace(opponent=sharper)
    verdict = reach_verdict(setup(metric=metric), pair)
    assert verdict.verdict == "inconclusive"
    assert "none of" in verdict.reasons[0]
    assert (
        reach_verdict(
            setup(GatePolicy(require="non_inferiority", margin=0.01), metric=metric), pair
        ).verdict
        == "accept"
    )


@given(
    rows=st.integers(1, 60),
    positives=st.integers(0, 60),
    seed=st.integers(0, 2**16),
    metric=st.sampled_from(["log_loss", "roc_auc"]),
)
@settings(max_examples=60, deadline=None)
def test_a_holdout_too_small_to_tell_never_rejects(rows, positives, seed, metric):
    """Never decide on fewer than eight rows or on one label only, whatever the models say."""
    random = np.random.default_rng(seed)
    y = (np.arange(rows) < min(positives, rows)).astype(int)
    verdict = reach_verdict(
        setup(metric=metric), Scored(y, random.random(rows), random.random(rows), None)
    )
    if rows < MINIMUM_UNITS or len(np.unique(y)) < 2:
        assert verdict.verdict == "inconclusive"
        assert "expected" in verdict.reasons[0] or "needed" in verdict.reasons[0]
    assert "nan" not in verdict.canonical_json()


def test_a_guardrail_that_cannot_be_told_for_want_of_rows_makes_it_inconclusive():
    """Return inconclusive if a guardrail's ranking lacks eight rows of a label."""
    random = np.random.default_rng(5)
    y = (np.arange(40) < 33).astype(int)
    pair = Scored(y, np.where(y == 1, 0.9, 0.2), 0.4 + 0.2 * random.random(40), None)
    assert reach_verdict(setup(), pair).verdict == "accept"
    verdict = reach_verdict(setup(GatePolicy(guardrails={"roc_auc": 0.01})), pair)
    assert (verdict.verdict, verdict.primary.outcome) == ("inconclusive", "accept")
    assert (
        "guardrail roc_auc cannot be compared: expected at least 8 rows of each class, found 7"
        in verdict.reasons[1]
    )


def test_warnings_stand_in_the_verdict_and_before_the_advice_to_release():
    """Show warnings, which decide nothing, before the advice to release."""
    verdict = reach_verdict(setup(warnings=("leaks: petal tells nearly all",)), scored())
    assert (verdict.verdict, verdict.warnings) == ("accept", ("leaks: petal tells nearly all",))
    lines = explain(verdict).splitlines()
    assert lines[-2] == "  warning leaks: petal tells nearly all"
    assert lines[-1].startswith("  next   read the warnings; if they are harmless, release it")


def test_the_champion_cannot_challenge_itself():
    """Reject a Challenger with the Champion's digest, whatever the figures say."""
    verdict = reach_verdict(setup(opponent_digest="c" * 64), scored())
    assert (verdict.verdict, verdict.reasons[0].split(":")[0]) == (
        "reject",
        "the Challenger is the Champion",
    )


def test_without_a_policy_nothing_passes():
    """Reject if model.yaml cannot be read."""
    assert reach_verdict(setup(policy=None), scored()).verdict == "reject"


def test_the_same_comparison_gives_the_same_record():
    """Give the same digest for the same comparison, and another one for another seed."""
    policy = GatePolicy(guardrails={"roc_auc": 0.01})
    assert (
        reach_verdict(setup(policy), scored()).digest
        == reach_verdict(setup(policy), scored()).digest
    )
    assert (
        reach_verdict(setup(policy), scored()).digest
        != reach_verdict(setup(policy, seed=2), scored()).digest
    )


def test_the_explanation_names_who_what_why_and_what_next():
    """Name the models, the rows, the figures, the reasons and the next step."""
    text = explain(reach_verdict(setup(GatePolicy(guardrails={"roc_auc": 0.01})), scored()))
    for part in (
        "ACCEPT: flights",
        "Challenger cccccccccccc",
        "Champion dddddddddddd",
        "4,000 holdout rows",
        "interval",
        "roc_auc",
        "next   release it where the environment serves: `titlebout release flights",
    ):
        assert part in text
    assert "lower is better" in text
    assert "the Champion stays" in explain(refuse(setup(), "its artifact was altered"))


@pytest.mark.parametrize(("days_known", "low", "high"), [(True, 0.0, 0.07), (False, 0.12, 1.0)])
def test_false_accepts_under_a_true_null(days_known, low, high):
    """Accept about 2.5 % of 200 comparisons of equal models if days are known.

    The models' luck changes from day to day, with persistence 0.35, as measured on the flights. The
    broken variant, which takes rows as independent, accepts many times more.
    """
    random = np.random.default_rng(8)
    day, accepted, comparisons = np.repeat(np.arange(40), 20), 0, 200
    for _ in range(comparisons):
        luck = random.normal(size=40)
        for today in range(1, 40):
            luck[today] = 0.35 * luck[today - 1] + np.sqrt(1 - 0.35**2) * luck[today]
        labels = random.integers(0, 2, len(day))
        for_it, against = (
            1
            / (
                1
                + np.exp(
                    -(labels - 0.5) * 2 * (1 + side * luck[day]) - random.normal(size=len(day))
                )
            )
            for side in (1, -1)
        )
        accepted += (
            reach_verdict(
                setup(), Scored(labels, for_it, against, day if days_known else None)
            ).verdict
            == "accept"
        )
    assert low <= accepted / comparisons <= high
