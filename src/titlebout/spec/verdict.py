"""Describe the gate's verdict, with all that is needed to compute it again."""

from typing import Literal

from pydantic import Field

from titlebout.spec.model import GatePolicy
from titlebout.spec.record import Record

VERDICT_FILE = "verdict.json"
Outcome = Literal["accept", "reject", "inconclusive"]


class Comparison(Record):
    """Compare the Challenger with its opponent in one metric on the holdout.

    A positive difference means that the Challenger is better.
    """

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
    """Say how far the Challenger's predictions are from the opponent's on the holdout, row by row.

    `metrics.disagreement` computes it.
    `spread` is the standard deviation of the opponent's predictions, None for classes.
    """

    share: float
    spread: float | None


class Verdict(Record):
    """Hold the gate's decision and its reasons; the record's digest names it.

    - `primary` is absent only if the comparison could not be made. The verdict is then
      inconclusive if there are too few rows, else a reject.
    - `holdout` is absent if the dataset cannot be read, `policy` if model.yaml cannot be read.
      Each is a reject.
    - `warnings` do not decide.
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
