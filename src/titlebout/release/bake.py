"""The watch after the switch: does the live address go on answering with the new release, without errors, in time, and like the old one?"""

import re
import time
from collections.abc import Callable
from math import comb
from typing import Any

from titlebout.release.predeployment import get, post
from titlebout.release.shift import Shift, shift_fault
from titlebout.spec import Record

PROBES_PER_SECOND = 10.0  # enough to see a failure at once, too few to weigh on the server
SLOW_SHARE = 0.01  # the objective is a 99th percentile
FALSE_ALARM = 0.01  # so often a bake says of a release that keeps its objective that it does not
SERVER_ERRORS = re.compile(r'^titlebout_requests_total\{.*status="5(?!03)\d\d".*\} (\S+)$', re.MULTILINE)  # 503 is a refusal, no error


class Bake(Record):
    """What is watched: the live `url`, asked about `row`, and the new slot's `servers`, whose own counts of errors are read."""

    url: str
    release: str
    row: dict[str, Any]
    seconds: float
    p99_ms: float
    servers: tuple[str, ...]
    shift: Shift | None = None


def watch(bake: Bake, *, is_live: Callable[[], bool], progress: Callable[[str], None]) -> str | None:
    """The first thing that went wrong, in words; None if nothing did, or if the traffic moved on meanwhile."""
    errors_before, probes_ms = _server_errors(bake), list[float]()
    fault = shift_fault(bake.shift, bake.row.keys(), progress=progress) if bake.shift else None
    deadline = time.monotonic() + bake.seconds
    while fault is None and is_live():
        fault = _probe(bake, probes_ms) or _client_errors(bake, errors_before)
        if time.monotonic() >= deadline:
            fault = fault or _slowness(bake, probes_ms)
            break
        time.sleep(1 / PROBES_PER_SECOND)
    return fault if is_live() else None


def _probe(bake: Bake, probes_ms: list[float]) -> str | None:
    began = time.perf_counter()
    reply = post(f"{bake.url}/predict", bake.row)
    probes_ms.append((time.perf_counter() - began) * 1000)
    if reply.status != 200:
        return f"a prediction was answered {reply.status or 'not at all'}"
    if reply.release != bake.release:
        return f"release {(reply.release or 'unnamed')[:12]} answered"
    return None


def _client_errors(bake: Bake, before: float) -> str | None:
    errors = _server_errors(bake) - before
    return f"{errors:g} of the clients' requests were answered with a server error" if errors > 0 else None


def _slowness(bake: Bake, probes_ms: list[float]) -> str | None:
    """Too many slow answers to be chance, judged once: a few say nothing about a 99th percentile, and looking often finds chance."""
    slow = sum(ms > bake.p99_ms for ms in probes_ms)
    if chance_of(slow, len(probes_ms), share=SLOW_SHARE) > FALSE_ALARM:
        return None
    return f"{slow} of {len(probes_ms)} predictions took longer than {bake.p99_ms:g} ms, which 99 in 100 may not"


def chance_of(hits: int, tries: int, *, share: float) -> float:
    """That a binomial count is at least `hits`."""
    return 1 - sum(comb(tries, count) * share**count * (1 - share) ** (tries - count) for count in range(hits))


def _server_errors(bake: Bake) -> float:
    """Answers with a 5xx status that the new slot's own metrics count."""
    return sum(sum(map(float, SERVER_ERRORS.findall(get(f"{server}/metrics")))) for server in bake.servers)
