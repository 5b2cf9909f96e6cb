"""Ask both slots again what the new release failed.

What the release before does not answer either is no fault of the new one.
"""

import base64
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from pydantic import ValidationError

from titlebout.metrics import log_evidence_above
from titlebout.release.canary import tally
from titlebout.release.predeployment import get, send
from titlebout.release.significance import FAILED_MORE, FALSE_ALARM, REFUSED_MORE
from titlebout.rollout import OVERLOADED_STATUSES
from titlebout.spec import (
    FAILED_PATH,
    ClientFailures,
    Failure,
    Failures,
    Progress,
    ServerFailures,
    SlotAddress,
)

ANSWERED = 200
# Requests that the release before answers: one or two decide nothing, whatever their share.
LEAST_FAILED = 3
MOST_REPLAYS = 400  # in a bake; each takes milliseconds
MAJORITY = 0.5  # of all requests: a client that sends more of them may decide alone
Kind = Literal["errors", "refusals"]
TOLERATED: dict[Kind, float] = {"errors": FAILED_MORE, "refusals": REFUSED_MORE}


class ClientCounts(NamedTuple):
    """Count one client's requests, and about how many failed that the release before answers."""

    asked: float
    failed: float


class Replays:
    """Ask the old slot once for every failed request that a server kept.

    A refused one is also asked of the new slot, which may have refused it only at that moment.
    """

    def __init__(self, *, old: SlotAddress, new: SlotAddress, kinds: Iterable[Kind]) -> None:
        self._old, self._new, self._kinds = old, new, tuple(kinds)
        self._worse: dict[tuple[str, int], bool | None] = {}

    def fault(self, servers: Mapping[str, str], *, progress: Progress) -> str | None:
        """Return what the new release's servers, by name, fail beyond chance; or None."""
        clients = [
            (server, client)
            for server, url in servers.items()
            for client in _failures(url, self._new.secret).clients
        ]
        faults = (self._fault_of(kind, clients) for kind in self._kinds)
        found = next((fault for fault in faults if fault), None)
        if found:
            progress(f"bake: {found}")
        return found

    def _fault_of(self, kind: Kind, clients: list[tuple[str, ClientFailures]]) -> str | None:
        counted: dict[str, ClientCounts] = defaultdict(lambda: ClientCounts(0, 0))
        for server, client in clients:
            failures: Failures = getattr(client, kind)
            before, share = counted[client.client], self._share_of_worse(server, failures)
            counted[client.client] = ClientCounts(
                before.asked + client.asked, before.failed + failures.seen * share
            )
        return fault_of(kind, counted)

    def _share_of_worse(self, server: str, failures: Failures) -> float:
        """Return the share of the kept requests that the release before answers."""
        answered = [
            worse
            for failure in failures.kept
            if (worse := self._is_worse(server, failure)) is not None
        ]
        return sum(answered) / len(answered) if answered else 0.0

    def _is_worse(self, server: str, failure: Failure) -> bool | None:
        """Tell whether only the release before answers it; None if that is not known."""
        key = server, failure.number
        if key not in self._worse:
            if len(self._worse) >= MOST_REPLAYS:
                return None
            self._worse[key] = self._compare(failure)
        return self._worse[key]

    def _compare(self, failure: Failure) -> bool | None:
        """Ask the slots again, and return what `_is_worse` does."""
        old = _ask(self._old, failure)
        if old in (0, *OVERLOADED_STATUSES):
            return None
        if old != ANSWERED or failure.status >= 500:
            return old == ANSWERED
        new = _ask(self._new, failure)
        return None if new in (0, *OVERLOADED_STATUSES) else new != ANSWERED


def fault_of(kind: Kind, counted: Mapping[str, ClientCounts]) -> str | None:
    """Return that a larger share of requests failed than is tolerated, or None.

    The test holds however often one looks. No client decides alone, unless it sends most of the
    requests: it may have made requests for the purpose that only this release refuses.
    """
    asked = sum(one.asked for one in counted.values())
    heaviest = max(counted.values(), key=lambda one: one.failed, default=ClientCounts(0, 0))
    left_out = heaviest if heaviest.asked < MAJORITY * asked else ClientCounts(0, 0)
    failed, of = (
        sum(one.failed for one in counted.values()) - left_out.failed,
        asked - left_out.asked,
    )
    evidence = log_evidence_above(tally(failed, of), TOLERATED[kind])
    if failed < LEAST_FAILED or evidence < math.log(1 / FALSE_ALARM):
        return None
    answer = "a server error" if kind == "errors" else "4xx"
    return (
        f"{round(failed):g} of {of:g} requests from clients were answered with {answer}, "
        "which the release before answers"
    )


def _failures(url: str, secret: str) -> ServerFailures:
    """Return the failures that a server kept; none if it does not answer, which probes find."""
    try:
        return ServerFailures.model_validate(
            json.loads(get(f"{url}{FAILED_PATH}", secret=secret)), strict=False
        )
    except (ValueError, ValidationError):
        return ServerFailures()


def _ask(slot: SlotAddress, failure: Failure) -> int:
    return send(
        f"{slot.url}{failure.path}",
        base64.b64decode(failure.body),
        headers=failure.headers,
        secret=slot.secret,
    ).status
