"""Probe the live address and the slot before with our own rows, at the same time.

No client decides how these are answered.
"""

import math
import time
from collections import Counter
from typing import Any

from titlebout.metrics import log_evidence_above
from titlebout.release.canary import tally
from titlebout.release.predeployment import SlotReply, example_at, post
from titlebout.release.significance import FAILED_MORE, FALSE_ALARM, chance_of
from titlebout.rollout import OVERLOADED_STATUSES
from titlebout.spec import SlotAddress

ANSWERED = 200
# A release without any answer in this time hangs: a server that is flooded answers some requests.
HUNG_SECONDS = 30.0
IN_A_ROW = 5  # probes that fail one after the other: a release that cannot answer its own example
LEAST_FAILED = 3  # probes that fail now and then: fewer decide nothing


class Probes:
    """Count the probes that fail while the slot before answers.

    If the slot before does not answer, the machine is at fault. A server that is full for a while
    says nothing.
    """

    def __init__(
        self,
        url: str,
        row: dict[str, Any],
        *,
        release: str,
        new: SlotAddress,
        old: SlotAddress | None,
        slow_seconds: float,
    ) -> None:
        self._live, self._new = SlotAddress(url=url, secret=new.secret), new
        self._row, self._release, self._slow_seconds = row, release, slow_seconds
        self._old, self._old_row = old, example_at(old.url) if old else None
        self.asked = self.failed = self.in_a_row = 0
        self._full = self._old_asked = self._old_slow = 0
        self._faults = Counter[str]()
        self._late_since: float | None = None

    def look(self) -> None:
        """Ask once, and count the answer."""
        old_answers = self._old_answers()
        began = time.monotonic()
        reply = post(f"{self._live.url}/predict", self._row, secret=self._live.secret)
        if not old_answers:
            self.in_a_row, self._late_since = 0, None
            return
        if reply.late:
            self._late_since = began if self._late_since is None else self._late_since
            return
        self._late_since = None
        if (reply.status in OVERLOADED_STATUSES and reply.release) or self._is_from_proxy(reply):
            self._full += 1
            return
        self.asked += 1
        fault = self._fault_in(reply)
        self.in_a_row = self.in_a_row + 1 if fault else 0
        if fault:
            self.failed += 1
            self._faults[fault] += 1

    @property
    def is_failing(self) -> bool:
        """Tell whether the last probe failed or none was answered yet: too early to decide."""
        return self.in_a_row > 0 or self._was_always_full or self._late_since is not None

    def fault(self, *, ending: bool) -> str | None:
        """Return the fault that the probes show, or None; it may be asked as often as one likes.

        `ending`: the bake's time is over.
        """
        if ending and self._was_always_full and self._full >= IN_A_ROW:
            return f"the server had no room for any of our own {self._full} predictions"
        if self._late_since is not None and time.monotonic() - self._late_since >= HUNG_SECONDS:
            return (
                f"our own predictions were not answered at all for {HUNG_SECONDS:g} s, "
                "while the slot before answered"
            )
        by_chance = log_evidence_above(tally(self.failed, self.asked), FAILED_MORE) < math.log(
            1 / FALSE_ALARM
        )
        if self.in_a_row < IN_A_ROW and (self.failed < LEAST_FAILED or by_chance):
            return None
        most_common = self._faults.most_common(1)[0][0]
        return f"{self.failed} of {self.asked} of our own predictions failed: {most_common}"

    @property
    def _was_always_full(self) -> bool:
        return self.asked == 0 and self._full > 0

    @property
    def machine_is_slow(self) -> bool:
        """Tell whether the slot before, which has no traffic, is too slow as well."""
        return chance_of(self._old_slow, self._old_asked, share=FALSE_ALARM) < FALSE_ALARM

    def _old_answers(self) -> bool:
        """Ask the slot before; return whether it answers, or True for a first release."""
        if self._old is None or self._old_row is None:
            return True
        began = time.monotonic()
        answered = (
            post(f"{self._old.url}/predict", self._old_row, secret=self._old.secret).status
            == ANSWERED
        )
        self._old_asked += 1
        self._old_slow += time.monotonic() - began > self._slow_seconds
        return answered

    def _is_from_proxy(self, reply: SlotReply) -> bool:
        """Tell whether a proxy refused because the release's server is full, but not dead.

        The slot's own address is asked: a dead server does not answer there.
        """
        if reply.status == 0 or reply.release is not None:
            return False
        own = post(f"{self._new.url}/predict", self._row, secret=self._new.secret)
        return own.late or own.status != 0

    def _fault_in(self, reply: SlotReply) -> str | None:
        if reply.status != ANSWERED:
            return f"a prediction was answered {reply.status or 'not at all'}"
        if reply.release != self._release:
            return f"release {(reply.release or 'unnamed')[:12]} answered"
        return None
