"""Run a canary: send a growing share of the requests to the candidate's slot.

The sequential gate decides at each step.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from titlebout.cluster import patiently
from titlebout.metrics import Signal, StepDecision, Tally, decide_step
from titlebout.rollout import Counted, SlotCounts
from titlebout.rollout.kubernetes import ModelRoute
from titlebout.spec import Canary, Progress, RolloutError, SlotName, Tolerances

# The gate keeps its false alarm rate however often it looks. A pod's metrics take milliseconds.
LOOK_SECONDS = 2.0
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
    """Take the candidate through every step of the strategy.

    However it ends, all requests go to the live Service again: the caller switches. Raise
    RolloutError naming the signal that stopped it. A step that stays undecided stops it, too.
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
    """Send all requests to the live Service, before the block and after it.

    The first removes what a killed canary left. After an error in the block it waits for an API
    server that does not answer, since nobody watches the candidate any more. Raise RolloutError
    if somebody else has set the route meanwhile: a switch must not follow then.
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
    """Look at the slots until the gate decides on the step, or until its time is over."""
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
    """Return what the incumbent and the candidate have counted since the step began.

    Raise RolloutError if the pods of one are not fit for traffic.
    """
    incumbent, candidate = counts
    return patiently(incumbent.since), patiently(candidate.since)


def signals_of(
    incumbent: Counted, candidate: Counted, tolerances: Tolerances, *, may_refuse: bool
) -> list[Signal]:
    """Return the signals that the gate compares between the slots.

    Both slots were counted in the same step, since shares differ from hour to hour. With
    `may_refuse` a person let a changed contract pass, and refusals say nothing.
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
    """Return the tally with `hits` between 0 and `requests`.

    A server counts a request and its duration one after the other. A reading in between has one
    hit more than requests.
    """
    return Tally(np.asarray(min(max(hits, 0.0), requests)), np.asarray(requests))


def stopped(what: str, finding: StepDecision) -> RolloutError:
    """Return the error of a strategy that the gate stopped, which names the signal."""
    undecided = "undecided when its time was over: too few requests to tell"
    worse = "worse than the incumbent's by more than the tolerance"
    return RolloutError(
        what,
        expected="a candidate that is no worse",
        found=f"{finding.signal}: {undecided if finding.step == 'wait' else worse}",
        next_step="all requests are the incumbent's; read the slot's log, fix the model, "
        "or give it more time",
    )
