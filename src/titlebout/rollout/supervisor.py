"""Restart the proxy and the slots of one model when they end.

`python -m titlebout.rollout.supervisor SERVING_FOLDER` runs it. A process that ended by itself
still has its pid file; one that somebody stopped has none. So the supervisor never works against
`down` or a release. A slot that traffic may not go to is left alone, so that its tests see it end.

No library fits: circus, in the lock through BentoML, loses its processes when it is killed itself
and would start them a second time.
"""

import logging
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from titlebout import processes
from titlebout.rollout.embedded_slots import READY_SECONDS, EmbeddedSlots
from titlebout.rollout.ports import PORTS_FILE, Ports
from titlebout.rollout.proxy import PROXY, launch_proxy, proxy_url
from titlebout.rollout.supervisor_process import SUPERVISOR
from titlebout.spec import SLOT_NAMES, SlotName, TitleboutError

POLL_SECONDS = 0.1
FAULT_PAUSE_SECONDS = 1.0  # a file that was being replaced is whole again by then
LONGEST_PAUSE_SECONDS = 30.0  # between two starts of what ends again and again
STABLE_SECONDS = 60.0  # whoever has run so long starts at once again the next time
# As the chart's livenessProbe: a process that answers nothing to three questions in a row hangs.
# Shorter than the chart's 30 s, as here no second replica takes the requests.
HUNG_AFTER_PROBES = 3
LIVENESS_SECONDS = 5.0  # for an answer, and from one question to the next

log = logging.getLogger("titlebout.supervisor")


@dataclass(frozen=True)
class SupervisedProcess:
    """Describe one process: name, address, whether to restart it, and how."""

    name: str
    url: str
    is_ours: Callable[[], bool]
    restart: Callable[[], processes.ProcessRecord | None]


class RestartWatch:
    """Look at one process again and again.

    A step never waits longer than for one answer.
    """

    def __init__(self, part: SupervisedProcess, home: Path) -> None:
        self._part, self._home = part, home
        self._pause, self._not_before = 0.0, 0.0
        self._unanswered, self._next_probe = 0, 0.0
        # The pid that has answered: from then on that process is no longer starting.
        self._responsive_pid: int | None = None

    def step(self) -> None:
        """Start the process again if it ended by itself; kill it if it hangs.

        The next step then starts it.
        """
        name = self._part.name
        processes.rotate_log(name, self._home)
        if not self._part.is_ours() or (recorded := processes.recorded(name, self._home)) is None:
            self._pause = self._not_before = 0.0
        elif processes.running(name, self._home) is None:
            self._restart(recorded)
        else:
            self._probe(recorded)

    def _restart(self, ended: processes.ProcessRecord) -> None:
        now = time.monotonic()
        if time.time() - ended.created > STABLE_SECONDS + self._pause:
            self._pause = self._not_before = 0.0
        if now < self._not_before:
            return
        self._pause = min(max(1.0, 2 * self._pause), LONGEST_PAUSE_SECONDS)
        self._not_before = now + self._pause
        self._unanswered = 0
        try:
            began = self._part.restart()
        except (TitleboutError, OSError) as error:
            log.error(
                "%s (process %d) ended and cannot be started again: %s; next try in %g s",
                self._part.name,
                ended.pid,
                error,
                self._pause,
            )
            return
        if began is not None:
            log.warning(
                "%s (process %d) ended; started again as process %d",
                self._part.name,
                ended.pid,
                began.pid,
            )

    def _probe(self, record: processes.ProcessRecord) -> None:
        now = time.monotonic()
        if now < self._next_probe:
            return
        self._next_probe = now + LIVENESS_SECONDS
        if processes.responds(self._part.url, seconds=LIVENESS_SECONDS):
            self._responsive_pid, self._unanswered = record.pid, 0
        elif self._responsive_pid == record.pid or time.time() - record.created > READY_SECONDS:
            self._unanswered += 1
        if self._unanswered >= HUNG_AFTER_PROBES and processes.kill(
            record, self._part.name, self._home
        ):
            log.error(
                "%s (process %d) did not answer %d times in a row: killed",
                self._part.name,
                record.pid,
                self._unanswered,
            )


def parts_of(slots: EmbeddedSlots) -> list[SupervisedProcess]:
    """Return the proxy and both slots."""

    def slot_part(slot: SlotName) -> SupervisedProcess:
        return SupervisedProcess(
            name=slot,
            url=f"{slots.slot_url(slot)}/livez",
            is_ours=lambda: slots.deployed(slot) is not None and slot in slots.switchable(),
            restart=lambda: slots.launch(slot, start=processes.restart),
        )

    def restart_proxy() -> processes.ProcessRecord | None:
        return launch_proxy(slots.home, slots.ports, start=processes.restart)

    proxy = SupervisedProcess(
        name=PROXY, url=proxy_url(slots.ports), is_ours=lambda: True, restart=restart_proxy
    )
    return [proxy, *map(slot_part, SLOT_NAMES)]


def supervise(home: Path) -> None:
    """Watch each part in a thread of its own, for ever.

    A part that cannot be watched is logged and looked at again.
    """
    slots = EmbeddedSlots(home, Ports.from_json(home / PORTS_FILE))
    for part in parts_of(slots):
        threading.Thread(
            target=_watch, args=(RestartWatch(part, home), part.name), daemon=True
        ).start()
    log.warning("watching %s", home.name)
    while home.is_dir():  # a folder that was deleted has nothing left to supervise
        processes.rotate_log(SUPERVISOR, home)
        time.sleep(1)


def _watch(watch: RestartWatch, name: str) -> None:
    while True:
        try:
            watch.step()
        except Exception:
            log.exception("%s could not be checked", name)
            time.sleep(FAULT_PAUSE_SECONDS)
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    supervise(Path(sys.argv[1]))
