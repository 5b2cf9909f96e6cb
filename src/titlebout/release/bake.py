"""Watch the live address after the switch: it must answer with the new release, in time, as before.

Every client can send anything, so nothing that a client can cause is a fault by itself. A fault is
what the release before does otherwise at the same time, or what our own probes find.
"""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from titlebout.metrics import log_evidence_beyond
from titlebout.release.baseline import Baseline
from titlebout.release.canary import tally
from titlebout.release.predeployment import get
from titlebout.release.prediction_shift import Shift, shift_fault
from titlebout.release.probes import Probes
from titlebout.release.replay import Kind, Replays
from titlebout.release.significance import FAILED_MORE, FALSE_ALARM, chance_of
from titlebout.rollout import Counted, Growth, answered, parse_counts
from titlebout.spec import Progress, Record, SlotAddress

PROBES_PER_SECOND = 10.0  # enough to see a failure at once, too few to weigh on the server
SLOW_SHARE = 0.01  # the objective is a 99th percentile
RESTARTED = "a server of the new slot died and began anew"


class Bake(Record):
    """Describe a bake: what is asked and what is compared.

    The live `url` is asked about `row`. `servers` are the new slot's, by name, whose own counts of
    requests are read. `before` was counted right before the switch. `old` and `new` are the
    slots; `old` is None for a first release. `may_refuse`: a person let a changed contract pass.
    """

    url: str
    release: str
    row: dict[str, Any]
    seconds: float
    p99_ms: float
    servers: dict[str, str]
    before: Baseline
    new: SlotAddress
    old: SlotAddress | None = None
    shift: Shift | None = None
    may_refuse: bool = False


def watch(bake: Bake, *, is_live: Callable[[], bool], progress: Progress) -> str | None:
    """Return the first fault in words; None without one, or if the traffic has moved on.

    A probe that fails as the time ends is asked again until it is answered, or until the probes
    show that the release fails.
    """
    probes = Probes(
        bake.url,
        bake.row,
        release=bake.release,
        new=bake.new,
        old=bake.old,
        slow_seconds=bake.p99_ms / 1000,
    )
    replays, growth, known = _replays(bake), Growth(bake.before.new), (0.0, 0.0)
    fault = (
        shift_fault(bake.shift, may_refuse=bake.may_refuse, progress=progress)
        if bake.shift
        else None
    )
    deadline = time.monotonic() + bake.seconds
    while fault is None and is_live():
        now = _counted(bake)
        has_restarted, since = growth.began_anew(now), growth.to(now)
        probes.look()
        is_over = time.monotonic() >= deadline
        fault = probes.fault(ending=is_over) or (RESTARTED if has_restarted else None)
        if replays and (since.errors, since.refused) != known:
            known = since.errors, since.refused
            fault = fault or replays.fault(bake.servers, progress=progress)
        if is_over and not (fault is None and probes.is_failing):
            fault = fault or _slowness(since, probes, p99_ms=bake.p99_ms, progress=progress)
            break
        time.sleep(1 / PROBES_PER_SECOND)
    return fault if is_live() else None


def late_fault(bake: Bake, now: Mapping[str, Counted]) -> str | None:
    """Return the fault of servers that were added during the bake, or None.

    They fail or are slow more often than the servers that ran from its start.
    """
    first, late = (
        Growth(bake.before.new).to(
            {name: counted for name, counted in now.items() if (name in bake.servers) is is_first}
        )
        for is_first in (True, False)
    )
    failed = _higher_share("failed", (first.errors, first.requests), (late.errors, late.requests))
    return failed or _higher_share(
        "were slow",
        (first.undisturbed_slow, first.undisturbed),
        (late.undisturbed_slow, late.undisturbed),
    )


def _higher_share(what: str, first: tuple[float, float], late: tuple[float, float]) -> str | None:
    """Return that a larger share of the late servers' requests did this, or None."""
    if log_evidence_beyond(tally(*first), tally(*late), FAILED_MORE) < math.log(1 / FALSE_ALARM):
        return None
    return (
        f"{late[0]:g} of {late[1]:g} requests {what} on servers that came during the bake, "
        f"{first[0]:g} of {first[1]:g} on the others"
    )


def _replays(bake: Bake) -> Replays | None:
    """Return the replays, or None for a first release, which has nothing to be compared with."""
    if bake.old is None:
        return None
    kinds: tuple[Kind, ...] = ("errors",) if bake.may_refuse else ("errors", "refusals")
    return Replays(old=bake.old, new=bake.new, kinds=kinds)


def _slowness(since: Counted, probes: Probes, *, p99_ms: float, progress: Progress) -> str | None:
    """Return that there were too many slow answers for chance, or None.

    It is decided once, at the end: a few answers say nothing about a 99th percentile, and looking
    often would find chance. Only small requests that no large one disturbed are timed, from their
    whole arrival to their answer (serve/meters.py).
    """
    slow, timed = since.undisturbed_slow, since.undisturbed
    if chance_of(slow, timed, share=SLOW_SHARE) > FALSE_ALARM:
        return None
    fault = (
        f"{slow:g} of {timed:g} small requests took longer than {p99_ms:g} ms, "
        "which 99 in 100 may not"
    )
    if probes.machine_is_slow:
        progress(
            f"bake: {fault}; the slot before, which has no traffic, is as slow: "
            "the machine is, which decides nothing"
        )
        return None
    return fault


def _counted(bake: Bake) -> dict[str, Counted]:
    """Return what each server that answers has counted, of the clients' requests and of ours."""
    return answered({name: counted(url, p99_ms=bake.p99_ms) for name, url in bake.servers.items()})


def counted(url: str, *, p99_ms: float) -> Counted | None:
    """Return all that a server has counted since its start, or None if it does not answer."""
    metrics = get(f"{url}/metrics")
    return parse_counts(metrics, slow_seconds=p99_ms / 1000) if metrics else None
