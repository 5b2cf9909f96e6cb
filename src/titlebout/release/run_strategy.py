"""Send a part of the traffic to the candidate, between its tests and the switch.

Alias and live Service do not move.
"""

import time

from titlebout.cluster import patiently
from titlebout.metrics import StepDecision, decide_step
from titlebout.release.canary import (
    LOOK_SECONDS,
    Count,
    back_to_live,
    canary,
    counted_since,
    signals_of,
    stopped,
)
from titlebout.rollout import SlotCounts
from titlebout.rollout.kubernetes import KubernetesSlots, ModelRoute
from titlebout.spec import AB, Canary, Gateway, NotAllowed, Progress, Shadow, SlotName, Strategy


def run_strategy(
    slots: KubernetesSlots,
    strategy: Strategy | None,
    *,
    gateway: Gateway | None,
    candidate: SlotName,
    p99_ms: float,
    may_refuse: bool,
    progress: Progress,
) -> None:
    """Run the model's strategy; when it returns, the release may switch.

    Before the first release there is no traffic to divide, and nothing is done. Raise NotAllowed
    for a strategy without a Gateway and at the end of an A/B. Raise RolloutError if the gate
    stopped the strategy, or had not decided at the end of a shadow.
    """
    route, live = _route(slots, strategy, gateway), slots.live()
    if route is None:
        return
    if strategy is None or live is None:
        route.to_live()
        return

    def count(slot: SlotName) -> SlotCounts:
        return SlotCounts(
            slots.api, namespace=slots.namespace, model=slots.model, slot=slot, p99_ms=p99_ms
        )

    if isinstance(strategy, Canary):
        canary(
            route,
            strategy,
            incumbent=live.slot,
            candidate=candidate,
            count=count,
            may_refuse=may_refuse,
            progress=progress,
        )
    else:
        _run_ab_or_shadow(
            route,
            strategy,
            incumbent=live.slot,
            candidate=candidate,
            count=count,
            may_refuse=may_refuse,
            progress=progress,
        )


def prepare(slots: KubernetesSlots, strategy: Strategy | None, *, gateway: Gateway | None) -> None:
    """Require the Gateway, and remove what a killed release left of its strategy.

    Call it before a slot is vacated. Raise NotAllowed for a strategy without a Gateway, and for a
    Gateway that the cluster does not have.
    """
    route = _route(slots, strategy, gateway)
    if route is None:
        return
    route.require_gateway()
    if slots.service() is not None:
        route.to_live()


def reset_route(slots: KubernetesSlots, gateway: Gateway | None) -> bool:
    """Send all requests to the live Service; return whether they were divided."""
    route = _route(slots, None, gateway)
    if route is None or not route.is_divided():
        return False
    route.to_live()
    return True


def _route(
    slots: KubernetesSlots, strategy: Strategy | None, gateway: Gateway | None
) -> ModelRoute | None:
    """Return the model's route, or None if there is no Gateway and none is needed."""
    if gateway is not None:
        return ModelRoute(slots.api, gateway, namespace=slots.namespace, model=slots.model)
    if strategy is not None:
        raise _no_gateway(slots, strategy)
    return None


def _run_ab_or_shadow(
    route: ModelRoute,
    strategy: AB | Shadow,
    *,
    incumbent: SlotName,
    candidate: SlotName,
    count: Count,
    may_refuse: bool,
    progress: Progress,
) -> None:
    """Send a part of the requests to the candidate for a time; raise as `run_strategy` does."""
    with back_to_live(route):
        _send_part(route, strategy, candidate)
        progress(f"{strategy.kind}: slot {candidate} for {strategy.seconds:g} s")
        finding = _watch_slots(
            route, strategy, counts=(count(incumbent), count(candidate)), may_refuse=may_refuse
        )
        if finding.step == "stop" or (finding.step == "wait" and isinstance(strategy, Shadow)):
            raise stopped(f"{strategy.kind} of {route.host}", finding)
    if isinstance(strategy, AB):
        raise _ab_is_over(route, candidate)


def _send_part(route: ModelRoute, strategy: AB | Shadow, candidate: SlotName) -> None:
    """Send a group of clients, or copies of requests, to the candidate."""
    if isinstance(strategy, AB):
        route.groups(candidate, strategy)
    else:
        route.mirror(candidate, percent=strategy.percent)


def _watch_slots(
    route: ModelRoute,
    strategy: AB | Shadow,
    *,
    counts: tuple[SlotCounts, SlotCounts],
    may_refuse: bool,
) -> StepDecision:
    """Return the gate's last decision, when the time is over or when the candidate does harm."""
    deadline = time.monotonic() + strategy.seconds
    while True:
        patiently(route.require_own)
        signals = signals_of(*counted_since(counts), strategy.tolerances, may_refuse=may_refuse)
        finding = decide_step(signals, false_alarm=strategy.false_alarm, steps=1)
        if finding.step == "stop" or time.monotonic() >= deadline:
            return finding
        time.sleep(min(LOOK_SECONDS, max(0.0, deadline - time.monotonic())))


def _ab_is_over(route: ModelRoute, candidate: SlotName) -> NotAllowed:
    return NotAllowed(
        f"A/B of {route.host}",
        expected="a person's decision: its labels come later than its requests",
        found=f"its time is over, slot {candidate} did no harm, "
        "and all requests are the incumbent's again",
        next_step="titlebout compare; then take the model out of `strategies` and release, "
        "or train again",
    )


def _no_gateway(slots: KubernetesSlots, strategy: Strategy) -> NotAllowed:
    return NotAllowed(
        f"strategy {strategy.kind} of {slots}",
        expected="`kubernetes.gateway` in environment.yaml: only a Gateway can divide the requests",
        found="none",
        next_step="name the cluster's Gateway there, or take the model out of `strategies`",
    )
