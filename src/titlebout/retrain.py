"""Train again and, if the gate accepts the Challenger, release it."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from titlebout.spec import Progress, Verdict

if TYPE_CHECKING:
    from titlebout.release import Outcome

log = logging.getLogger(__name__)


class Retraining(NamedTuple):
    """Hold the verdict and the release's outcome, or None if the Champion stays."""

    verdict: Verdict
    outcome: "Outcome | None"


def retrain(
    project: Path,
    model: str,
    environment: str,
    *,
    train: Callable[[], Verdict],
    by: str,
    progress: Progress,
) -> Retraining:
    """Call `train`, wherever that runs, and release the Challenger if the verdict is `accept`."""
    from titlebout.release import release

    verdict = train()
    log.info("retrained %s in %s: %s", model, environment, verdict.verdict)
    if verdict.verdict != "accept":
        progress(f"the Champion stays: {verdict.verdict}, {'; '.join(verdict.reasons)}")
        return Retraining(verdict, None)
    outcome = release(project, model, environment, by=by, override=None, progress=progress)
    progress(outcome.in_words())
    return Retraining(verdict, outcome)
