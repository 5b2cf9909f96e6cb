"""The watch after the switch: does the live address go on answering with the new release, and without errors?"""

import time
from collections.abc import Callable

from titlebout.release.place import Place
from titlebout.rollout import Change

PROBES_PER_SECOND = 10.0  # enough to see a failure at once, too few to weigh on the server


def bake(place: Place, change: Change, row: dict[str, object], *, progress: Callable[[str], None]) -> str | None:
    """Watch for `bake_seconds`; what is wrong, in words, or None. Ends early at the first fault and when the traffic moves on."""
    from titlebout.release.predeployment import post

    seconds = place.environment.serving.bake_seconds if place.environment.serving else 0.0
    progress(f"bake: watching {place.slots.url} for {seconds:g} s")
    deadline = time.monotonic() + seconds
    while _still_live(place, change):
        if not place.slots.is_running(change.slot):
            return f"the server in slot {change.slot} has ended"
        reply = post(f"{place.slots.url}/predict", row)
        if reply.status != 200:
            return f"a prediction was answered {reply.status or 'not at all'}"
        if reply.release != change.release and _still_live(place, change):
            return f"release {(reply.release or 'unnamed')[:12]} answered"
        if time.monotonic() >= deadline:
            return None
        time.sleep(1 / PROBES_PER_SECOND)
    return None


def _still_live(place: Place, change: Change) -> bool:
    live = place.slots.live()
    return live is not None and live.number == change.number
