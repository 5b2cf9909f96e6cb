"""A canary: a growing share of the requests to the candidate's slot, the sequential gate deciding at each step."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from titlebout.cluster import patiently
from titlebout.metrics import Signal, StepDecision, Tally, decide_step
from titlebout.rollout import Counted, SlotCounts
from titlebout.rollout.kubernetes import ModelRoute
from titlebout.spec import Canary, Progress, RolloutError, SlotName, Tolerances

LOOK_SECONDS = 2.0  # the gate holds its rate however often it looks; reading a pod's metrics costs a few milliseconds
Count = Callable[[SlotName], SlotCounts]


def canary(
    route: ModelRoute,
    strategy: Canary,
    *,
    incumbent: SlotName,
    candidate: SlotName,
    count: Count,
    may_refuse: bool,
    progress: Progress,
) -> None:
    """Every step passed when it returns. However it ends, all requests go to the live Service again: the switch is the caller's.

    Raises RolloutError naming the signal that stopped it. A step undecided in its time ends the canary too.
    """
    with back_to_live(route):
        for percent in strategy.steps:
            progress(f"canary: {percent} % to slot {candidate}")
            route.divide(candidate, percent=percent)
            finding = _step(
                route, strategy, counts=(count(incumbent), count(candidate)), may_refuse=may_refuse
            )
            if finding.step != "go on":
                raise stopped(f"canary of {route.host} at {percent} %", finding)
            progress(f"canary: {percent} % passed")


@contextmanager
def back_to_live(route: ModelRoute) -> Iterator[None]:
    """Also what a killed canary left is undone here, before anything is divided anew.

    It waits for an API server that does not answer: nobody watches the candidate any more. Raises RolloutError if somebody took the
    traffic back until the very end: the switch must not go over that.
    """
    route.require_gateway()
    route.to_live()
    try:
        yield
    except BaseException:
        patiently(route.to_live)
        raise
    route.give_back()


def _step(
    route: ModelRoute, strategy: Canary, *, counts: tuple[SlotCounts, SlotCounts], may_refuse: bool
) -> StepDecision:
    deadline = time.monotonic() + strategy.step_seconds
    while True:
        patiently(route.require_own)
        try:
            signals = signals_of(*counted_since(counts), strategy.tolerances, may_refuse=may_refuse)
        except RolloutError as error:
            return StepDecision("stop", error.found)
        finding = decide_step(signals, false_alarm=strategy.false_alarm, steps=len(strategy.steps))
        if finding.step != "wait" or time.monotonic() >= deadline:
            return finding
        time.sleep(LOOK_SECONDS)


def counted_since(counts: tuple[SlotCounts, SlotCounts]) -> tuple[Counted, Counted]:
    """Incumbent's and candidate's; raises RolloutError if the pods of one are not fit for traffic."""
    incumbent, candidate = counts
    return patiently(incumbent.since), patiently(candidate.since)


def signals_of(
    incumbent: Counted, candidate: Counted, tolerances: Tolerances, *, may_refuse: bool
) -> list[Signal]:
    """Counted in the same step in both slots: shares of different hours would be compared otherwise.

    With `may_refuse` a person let a changed contract pass, and refusals say nothing.
    """

    def signal(name: str, of: Callable[[Counted], tuple[float, float]], tolerance: float) -> Signal:
        return Signal(name, tally(*of(incumbent)), tally(*of(candidate)), tolerance)

    every = [
        signal("errors", lambda counted: (counted.errors, counted.requests), tolerances.errors),
        signal("slow answers", lambda counted: (counted.slow, counted.requests), tolerances.slow),
        signal(
            "refused requests", lambda counted: (counted.refused, counted.asked), tolerances.refused
        ),
    ]
    return every[:-1] if may_refuse else every


def tally(hits: float, requests: float) -> Tally:
    """Request and duration are counted one after the other: a reading in between may be one ahead."""
    return Tally(np.asarray(min(max(hits, 0.0), requests)), np.asarray(requests))


def stopped(what: str, finding: StepDecision) -> RolloutError:
    undecided, worse = (
        "undecided when its time was over: too few requests to tell",
        "worse than the incumbent's by more than the tolerance",
    )
    words = undecided if finding.step == "wait" else worse
    return RolloutError(
        what,
        expected="a candidate that is no worse",
        found=f"{finding.signal}: {words}",
        next_step="all requests are the incumbent's; read the slot's log, mend the model, or give it more time",
    )
