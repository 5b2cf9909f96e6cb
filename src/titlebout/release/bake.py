"""The watch after the switch: does the live address go on answering with the new release, in time, and like the old one?

Every client can send anything, so nothing that a client can bring about is a fault by itself: what counts is what the release before
does otherwise at the same time, or what our own probes meet.
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
ANEW = "a server of the new slot died and began anew"


class Bake(Record):
    """What is watched: the live `url`, asked about `row`, and the new slot's `servers` by name, whose own counts of requests are read.

    `before`: what was counted right before the switch. `old` and `new` are the slots; without an old one there was no release before.
    `may_refuse`: a person let a changed contract pass.
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
    """The first thing that went wrong, in words; None if nothing did, or if the traffic moved on meanwhile.

    A probe that fails as the time ends is asked again until it is answered, or until the probes say that the release fails.
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
        anew, since = growth.began_anew(now), growth.to(now)
        probes.look()
        is_over = time.monotonic() >= deadline
        fault = probes.fault(ending=is_over) or (ANEW if anew else None)
        if replays and (since.errors, since.refused) != known:
            known = since.errors, since.refused
            fault = fault or replays.fault(bake.servers, progress=progress)
        if is_over and not (fault is None and probes.is_failing):
            fault = fault or _slowness(since, probes, p99_ms=bake.p99_ms, progress=progress)
            break
        time.sleep(1 / PROBES_PER_SECOND)
    return fault if is_live() else None


def late_fault(bake: Bake, now: Mapping[str, Counted]) -> str | None:
    """What is wrong with servers that came during the bake: they fail or are slow more often than those that were there from its start."""
    first, late = (
        Growth(bake.before.new).to(
            {name: counted for name, counted in now.items() if (name in bake.servers) is there}
        )
        for there in (True, False)
    )
    failed = _more("failed", (first.errors, first.requests), (late.errors, late.requests))
    return failed or _more(
        "were slow",
        (first.undisturbed_slow, first.undisturbed),
        (late.undisturbed_slow, late.undisturbed),
    )


def _more(what: str, first: tuple[float, float], late: tuple[float, float]) -> str | None:
    if log_evidence_beyond(tally(*first), tally(*late), FAILED_MORE) < math.log(1 / FALSE_ALARM):
        return None
    return f"{late[0]:g} of {late[1]:g} requests {what} on servers that came during the bake, {first[0]:g} of {first[1]:g} on the others"


def _replays(bake: Bake) -> Replays | None:
    """None for a first release: there is nothing to compare with, and nothing to go back to."""
    if bake.old is None:
        return None
    kinds: tuple[Kind, ...] = ("errors",) if bake.may_refuse else ("errors", "refusals")
    return Replays(old=bake.old, new=bake.new, kinds=kinds)


def _slowness(since: Counted, probes: Probes, *, p99_ms: float, progress: Progress) -> str | None:
    """Too many slow answers to be chance, judged once: a few say nothing about a 99th percentile, and looking often finds chance.

    Only small requests that no large one disturbed are timed, from their whole arrival to their answer (serve/meters.py).
    """
    slow, timed = since.undisturbed_slow, since.undisturbed
    if chance_of(slow, timed, share=SLOW_SHARE) > FALSE_ALARM:
        return None
    words = f"{slow:g} of {timed:g} small requests took longer than {p99_ms:g} ms, which 99 in 100 may not"
    if probes.machine_is_slow:
        progress(
            f"bake: {words}; the slot before, which has no traffic, is as slow: the machine is, which decides nothing"
        )
        return None
    return words


def _counted(bake: Bake) -> dict[str, Counted]:
    """What those that answer tell of all requests for predictions, the clients' and ours."""
    return answered({name: counted(url, p99_ms=bake.p99_ms) for name, url in bake.servers.items()})


def counted(url: str, *, p99_ms: float) -> Counted | None:
    """All that a server ever counted; None if it does not answer."""
    metrics = get(f"{url}/metrics")
    return parse_counts(metrics, slow_seconds=p99_ms / 1000) if metrics else None
