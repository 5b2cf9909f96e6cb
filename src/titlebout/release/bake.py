"""The watch after the switch: does the live address go on answering with the new release, and without errors?"""

import re
import time
from collections.abc import Callable

from titlebout.release.embedded import EmbeddedPlace
from titlebout.rollout import Change

PROBES_PER_SECOND = 10.0  # enough to see a failure at once, too few to weigh on the server
SERVER_ERRORS = re.compile(r'^titlebout_requests_total\{.*status="5(?!03)\d\d".*\} (\S+)$', re.MULTILINE)  # 503 is a refusal, no error


def bake(place: EmbeddedPlace, change: Change, row: dict[str, object], *, progress: Callable[[str], None]) -> str | None:
    """Watch for `bake_seconds`; what is wrong, in words, or None. Ends early at the first fault and when the traffic moves on."""
    seconds = place.environment.serving.bake_seconds if place.environment.serving else 0.0
    progress(f"bake: watching {place.slots.url} for {seconds:g} s")
    before = _server_errors(place, change)
    deadline = time.monotonic() + seconds
    while _still_live(place, change):
        fault = _fault(place, change, row, errors_before=before)
        if fault is not None and _still_live(place, change):
            return fault
        if time.monotonic() >= deadline:
            return None
        time.sleep(1 / PROBES_PER_SECOND)
    return None


def _fault(place: EmbeddedPlace, change: Change, row: dict[str, object], *, errors_before: float) -> str | None:
    """One look: the process, an answer through the live address, and the errors that clients were given since the bake began."""
    from titlebout.release.predeployment import post

    if not place.slots.is_running(change.slot):
        return f"the server in slot {change.slot} has ended"
    reply = post(f"{place.slots.url}/predict", row)
    if reply.status != 200:
        return f"a prediction was answered {reply.status or 'not at all'}"
    if reply.release != change.release:
        return f"release {(reply.release or 'unnamed')[:12]} answered"
    if (errors := _server_errors(place, change) - errors_before) > 0:
        return f"{errors:g} of the clients' requests were answered with a server error"
    return None


def _server_errors(place: EmbeddedPlace, change: Change) -> float:
    """Answers with a 5xx status that the slot's own metrics count."""
    from titlebout.release.predeployment import get

    return sum(map(float, SERVER_ERRORS.findall(get(f"{place.slots.slot_url(change.slot)}/metrics"))))


def _still_live(place: EmbeddedPlace, change: Change) -> bool:
    live = place.slots.live()
    return live is not None and live.number == change.number
