"""The gate's verdict, with all that is needed to reach it again."""

from typing import Literal

from pydantic import Field

from titlebout.spec.model import GatePolicy
from titlebout.spec.record import Record

VERDICT_FILE = "verdict.json"
Outcome = Literal["accept", "reject", "inconclusive"]


class Comparison(Record):
    """Challenger against opponent in one metric on the holdout; a positive difference means the Challenger is better."""

    metric: str
    challenger: float
    opponent: float
    difference: float
    low: float
    high: float
    confidence: float
    margin: float
    method: str
    rows: int
    blocks: int
    outcome: Outcome
    rows_more: int | None = None


class Disagreement(Record):
    """How far the Challenger's predictions are from the opponent's on the holdout, row by row (metrics.disagreement).

    `spread` is the standard deviation of the opponent's, None for classes.
    """

    share: float
    spread: float | None


class Verdict(Record):
    """Its digest names it.

    `primary` is absent only when the comparison could not be made: inconclusive where the rows are too few for it, else a reject.
    `holdout` is absent when the dataset, and `policy` when model.yaml cannot be read; each is a reject. `warnings` do not decide.
    """

    model: str
    verdict: Outcome
    reasons: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    opponent: Literal["champion", "baseline"]
    challenger_digest: str
    opponent_digest: str | None
    dataset: str
    holdout: str | None
    unseen: str | None = Field(
        default=None, description="what was proved of the holdout's rows, in words"
    )
    primary: Comparison | None
    guardrails: tuple[Comparison, ...] = ()
    disagreement: Disagreement | None = None
    policy: GatePolicy | None
    confidence: float
    seed: int
