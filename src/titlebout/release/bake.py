"""The watch after the switch: does the live address go on answering with the new release, without errors, in time, and like the old one?"""

import time
from collections.abc import Callable
from typing import Any

from titlebout.release.predeployment import get, post
from titlebout.release.shift import Shift, shift_fault
from titlebout.rollout.slot_counts import Counted, Growth, parse
from titlebout.spec import Record

PROBES_PER_SECOND = 10.0  # enough to see a failure at once, too few to weigh on the server
SLOW_SHARE = 0.01  # the objective is a 99th percentile
ANEW = "a server of the new slot died and began anew"
FALSE_ALARM = 0.01  # so often a bake says of a release that keeps its objective that it does not


class Bake(Record):
    """What is watched: the live `url`, asked about `row`, and the new slot's `servers`, whose own counts of requests are read."""

    url: str
    release: str
    row: dict[str, Any]
    seconds: float
    p99_ms: float
    servers: tuple[str, ...]
    shift: Shift | None = None


def watch(bake: Bake, *, is_live: Callable[[], bool], progress: Callable[[str], None]) -> str | None:
    """The first thing that went wrong, in words; None if nothing did, or if the traffic moved on meanwhile."""
    growth = Growth(_counted(bake))
    fault = shift_fault(bake.shift, bake.row.keys(), progress=progress) if bake.shift else None
    deadline = time.monotonic() + bake.seconds
    while fault is None and is_live():
        now = _counted(bake)
        growth.join(now)
        anew, since = growth.began_anew(now), growth.to(now)
        fault = _probe(bake) or (ANEW if anew else None) or _errors(since)
        if time.monotonic() >= deadline:
            fault = fault or _slowness(since, p99_ms=bake.p99_ms)
            break
        time.sleep(1 / PROBES_PER_SECOND)
    return fault if is_live() else None


def _probe(bake: Bake) -> str | None:
    reply = post(f"{bake.url}/predict", bake.row)
    if reply.status != 200:
        return f"a prediction was answered {reply.status or 'not at all'}"
    if reply.release != bake.release:
        return f"release {(reply.release or 'unnamed')[:12]} answered"
    return None


def _errors(since: Counted) -> str | None:
    return f"{since.errors:g} of the clients' requests were answered with a server error" if since.errors > 0 else None


def _slowness(since: Counted, *, p99_ms: float) -> str | None:
    """Too many slow answers to be chance, judged once: a few say nothing about a 99th percentile, and looking often finds chance."""
    if chance_of(since.slow, since.requests, share=SLOW_SHARE) > FALSE_ALARM:
        return None
    return f"{since.slow:g} of {since.requests:g} requests took longer than {p99_ms:g} ms, which 99 in 100 may not"


def chance_of(hits: float, tries: float, *, share: float) -> float:
    """That a binomial count is at least `hits`."""
    from scipy.special import bdtrc

    return float(bdtrc(hits - 1, int(tries), share)) if hits > 0 else 1.0


def _counted(bake: Bake) -> dict[str, Counted]:
    """What those that answer tell of all requests for predictions, the clients' and ours."""
    found = {server: get(f"{server}/metrics") for server in bake.servers}
    return {server: parse(metrics, slow_seconds=bake.p99_ms / 1000) for server, metrics in found.items() if metrics}
