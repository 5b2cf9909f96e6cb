"""The watch after the switch: does the live address go on answering with the new release, without errors, in time, and like the old one?"""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from titlebout.gate.sequential import log_evidence_beyond
from titlebout.release.baseline import Baseline
from titlebout.release.canary import tally
from titlebout.release.predeployment import get, post
from titlebout.release.shift import Shift, shift_fault
from titlebout.rollout.slot_counts import Counted, Growth, parse, told
from titlebout.spec import Record, Tolerances

PROBES_PER_SECOND = 10.0  # enough to see a failure at once, too few to weigh on the server
SLOW_SHARE = 0.01  # the objective is a 99th percentile
ANEW = "a server of the new slot died and began anew"
FALSE_ALARM = 0.01  # so often, by each signal, a bake blames a release that keeps its objective and refuses no more than the one before
REFUSED_MORE = Tolerances().refused  # a larger share of refusals than before the switch: what is no harm in a canary is none in a bake


class Bake(Record):
    """What is watched: the live `url`, asked about `row`, and the new slot's `servers` by name, whose own counts of requests are read.

    `before`: what was counted right before the switch. `may_refuse`: a person let a changed contract pass.
    """

    url: str
    release: str
    row: dict[str, Any]
    seconds: float
    p99_ms: float
    servers: dict[str, str]
    before: Baseline
    shift: Shift | None = None
    may_refuse: bool = False


def watch(bake: Bake, *, is_live: Callable[[], bool], progress: Callable[[str], None]) -> str | None:
    """The first thing that went wrong, in words; None if nothing did, or if the traffic moved on meanwhile."""
    growth = Growth(bake.before.new)
    fault = shift_fault(bake.shift, may_refuse=bake.may_refuse, progress=progress) if bake.shift else None
    deadline = time.monotonic() + bake.seconds
    while fault is None and is_live():
        now = _counted(bake)
        anew, since = growth.began_anew(now), growth.to(now)
        fault = _probe(bake) or (ANEW if anew else None) or _errors(since) or _refusals(since, bake)
        if time.monotonic() >= deadline:
            fault = fault or _slowness(since, p99_ms=bake.p99_ms)
            break
        time.sleep(1 / PROBES_PER_SECOND)
    return fault if is_live() else None


def late_fault(bake: Bake, now: Mapping[str, Counted]) -> str | None:
    """What is wrong with servers that came during the bake, judged once, by what they counted in their whole life."""
    since = Growth(bake.before.new).to({name: counted for name, counted in now.items() if name not in bake.servers})
    return _errors(since) or _refusals(since, bake) or _slowness(since, p99_ms=bake.p99_ms)


def _probe(bake: Bake) -> str | None:
    reply = post(f"{bake.url}/predict", bake.row)
    if reply.status != 200:
        return f"a prediction was answered {reply.status or 'not at all'}"
    if reply.release != bake.release:
        return f"release {(reply.release or 'unnamed')[:12]} answered"
    return None


def _errors(since: Counted) -> str | None:
    return f"{since.errors:g} of the clients' requests were answered with a server error" if since.errors > 0 else None


def _refusals(since: Counted, bake: Bake) -> str | None:
    """A share of clients' requests that is larger than before the switch beyond doubt, however often one looks, is the new contract's."""
    if bake.may_refuse or since.refused == 0:
        return None
    old = bake.before.old
    evidence = log_evidence_beyond(tally(old.refused, old.asked), tally(since.refused, since.asked), REFUSED_MORE)
    if evidence < math.log(1 / FALSE_ALARM):
        return None
    return (
        f"{since.refused:g} of {since.asked:g} requests from clients were refused with 4xx; the release before refused "
        f"{old.refused:g} of {old.asked:g}. Does the new contract take the rows that they send?"
    )


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
    return told({name: counted(url, p99_ms=bake.p99_ms) for name, url in bake.servers.items()})


def counted(url: str, *, p99_ms: float) -> Counted | None:
    """All that a server ever counted; None if it does not answer."""
    metrics = get(f"{url}/metrics")
    return parse(metrics, slow_seconds=p99_ms / 1000) if metrics else None
