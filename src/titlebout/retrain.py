"""The loop closes: train again and, if the gate accepts the Challenger, release it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from titlebout.spec import VERDICT_FILE, Verdict

if TYPE_CHECKING:
    from titlebout.launch import Run
    from titlebout.release import Outcome


class Retraining(NamedTuple):
    """`outcome` is None where the gate did not accept, and the Champion stays."""

    run: "Run"
    verdict: Verdict
    outcome: "Outcome | None"


def retrain(project: Path, model: str, environment: str, *, as_of: str | None, by: str, progress: Callable[[str], None]) -> Retraining:
    """Run the training pipeline on the rows of before `as_of`, then the release transaction where the verdict is accept."""
    from titlebout import launch
    from titlebout.release import release

    run = launch.run_training(project, model=model, environment=environment, as_of=as_of, progress=progress)
    verdict = Verdict.from_json(run.outputs["verdict"] / VERDICT_FILE)
    if verdict.verdict != "accept":
        progress(f"the Champion stays: {verdict.verdict}, {'; '.join(verdict.reasons)}")
        return Retraining(run, verdict, None)
    outcome = release(project, model, environment, by=by, override=None, progress=progress)
    progress(outcome.in_words())
    return Retraining(run, verdict, outcome)
