"""Run the two slots of one model in one environment, as processes of this machine.

What is deployed in each, which of them traffic may go to, and the switch.
"""

import json
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from titlebout import processes
from titlebout.atomic_files import write_durably
from titlebout.rollout.answering_release import release_at
from titlebout.rollout.ports import Ports, allocate_ports
from titlebout.rollout.proxy import PROXY, dial_address, start_proxy, stop_proxy
from titlebout.rollout.seal import require_sealed
from titlebout.rollout.serving_home import serving_home
from titlebout.rollout.supervisor_process import SUPERVISOR, start_supervisor, stop_supervisor
from titlebout.rollout.traffic import Change, Traffic
from titlebout.spec import (
    SLOT_NAMES,
    Environment,
    NotAllowed,
    Record,
    RolloutError,
    SlotName,
    faults_of,
    other_than,
    raise_together,
    require_serving,
)
from titlebout.waiting import wait_until

# An ONNX server takes 2 s, one with scikit-learn 7 s; sixty allow for a machine under load.
READY_SECONDS = 60.0
HUNG_SECONDS = 5.0  # a server that is up answers a question about itself in milliseconds
# Until requests to the live address reach a slot that is ready: the proxy forgets its failures in
# half a second.
ANSWER_SECONDS = 10.0
STOP_GRACE_SECONDS = 15.0  # a server ends its requests and syncs its inference table in that time
TRAFFIC_LOCK_SECONDS = 10.0  # a switch holds the lock for milliseconds


class Deployment(Record):
    """Hold what runs in a slot, and all that is needed to start it again.

    `environment` is added to the process's variables. `sealed`: the files and folders that the
    process reads, each with the digest of its content. They are checked at every start.
    """

    release: str
    package: str
    command: tuple[str, ...]
    environment: dict[str, str]
    folder: str
    sealed: dict[str, str]


class EmbeddedSlots:
    """Run a process per slot on its own port, and Caddy on the live port."""

    def __init__(self, home: Path, ports: Ports) -> None:
        self.home, self.ports, self.traffic = home, ports, Traffic(home)

    @property
    def url(self) -> str:
        """Return the live address; it never changes."""
        return f"http://127.0.0.1:{self.ports.live}"

    def slot_url(self, slot: SlotName) -> str:
        """Return the slot's own address."""
        return f"http://127.0.0.1:{self.port(slot)}"

    def port(self, slot: SlotName) -> int:
        """Return the slot's own port."""
        return self.ports.blue if slot == "blue" else self.ports.green

    def live(self) -> Change | None:
        """Return the change in force; None before the first."""
        return self.traffic.live()

    def other(self) -> SlotName:
        """Return the slot that is not live: idle, under test, or the one to roll back to."""
        live = self.live()
        return other_than(live.slot) if live else SLOT_NAMES[0]

    def lock_traffic(self) -> FileLock:
        """Return the lock that keeps the live slot as it is; re-entrant.

        A switch holds it, and whoever needs the live slot to stay the same for a moment.
        """
        return FileLock(self.home / "traffic.lock", timeout=TRAFFIC_LOCK_SECONDS, is_singleton=True)

    def deployed(self, slot: SlotName) -> Deployment | None:
        """Return what is deployed in the slot; None if nothing is."""
        return Deployment.from_json(self._record(slot)) if self.is_recorded(slot) else None

    def is_recorded(self, slot: SlotName) -> bool:
        """Tell whether something is deployed in the slot, be its record readable or not."""
        return self._record(slot).is_file()

    def pid(self, slot: SlotName) -> int | None:
        """Return the process id of the slot's server, or None if none runs."""
        process = processes.running(slot, self.home)
        return None if process is None else process.pid

    def undeploy(self, slot: SlotName) -> None:
        """Forbid traffic to the slot, stop what runs there, and forget it.

        Raise NotAllowed for the live slot.
        """
        with self.lock_traffic():
            self._refuse_live(slot)
            self._write_switchable(self.switchable() - {slot})
        self._record(slot).unlink(missing_ok=True)
        self.halt_slot(slot)
        shutil.rmtree(self.slot_folder(slot))

    def deploy(self, slot: SlotName, deployment: Deployment) -> None:
        """Start the deployment in an empty slot, and wait until it is ready.

        Traffic may not go there before `allow`.
        """
        write_durably(self._record(slot), deployment.canonical_json())
        self.start(slot)

    def start(self, slot: SlotName) -> None:
        """Start what is deployed in the slot, unless it runs, and wait until it is ready.

        What runs and hangs is restarted.
        """
        record = processes.recorded(slot, self.home)
        is_old = record is not None and time.time() - record.created > READY_SECONDS
        if (
            record
            and is_old
            and self.pid(slot) is not None
            and not processes.responds(f"{self.slot_url(slot)}/livez", seconds=HUNG_SECONDS)
        ):
            processes.kill(record, slot, self.home)
        self.launch(slot)
        self._wait_ready(slot)

    def launch(
        self, slot: SlotName, *, start: processes.Start = processes.start
    ) -> processes.ProcessRecord | None:
        """Start what is deployed in the slot, unless it runs; `start` may be `processes.restart`.

        Raise IntegrityError if what the process would read was altered since it was deployed.
        """
        deployment = self.deployed(slot)
        if deployment is None:
            raise RolloutError(
                f"slot {slot}",
                expected="a deployment",
                found="nothing deployed",
                next_step="release into it first",
            )
        if self.pid(slot) is None:
            require_sealed(deployment.sealed, subject=f"slot {slot} of {self.home.name}")
        return start(
            slot,
            deployment.command,
            home=self.home,
            env=deployment.environment,
            cwd=Path(deployment.folder),
        )

    def switchable(self) -> frozenset[str]:
        """Return the slots that traffic may go to; one under test is not among them."""
        path = self.home / "switchable.json"
        return frozenset(json.loads(path.read_text())) if path.is_file() else frozenset()

    def allow(self, slot: SlotName) -> None:
        """Put a slot that passed its tests on the list of those that traffic may go to."""
        with self.lock_traffic():
            self._write_switchable(self.switchable() | {slot})

    def switch(
        self,
        slot: SlotName,
        *,
        kind: Literal["switched", "rolled_back"],
        by: str,
        reason: str,
        evidence: dict[str, Any],
        after: int | None,
    ) -> Change:
        """Send all traffic to the slot.

        `after` is the number of the change that the caller saw in force. Raise NotAllowed if
        another one is.
        """
        with self.lock_traffic():
            before = self.live()
            if (before.number if before else None) != after:
                raise NotAllowed(
                    f"traffic of {self.home.name}",
                    expected=f"change {after} to be in force",
                    found=f"change {before.number if before else None}: "
                    "somebody else moved the traffic",
                    next_step="look at titlebout history, then run the command again",
                )
            change = Change(
                number=(before.number if before else 0) + 1,
                slot=slot,
                release=self._require_allowed(slot).release,
                from_release=before.release if before else None,
                kind=kind,
                by=by,
                reason=reason,
                time=datetime.now(UTC).isoformat(),
                evidence=evidence,
            )
            self.traffic.move(change, dial=dial_address(self.port(slot)))
            return change

    def require_answer(self, change: Change) -> None:
        """Start what does not run, and wait until the change's release answers at the live address.

        Proxy, supervisor and slot are started if they ended. Raise RolloutError, ProcessFailed or
        IntegrityError if the release does not answer.
        """
        self.start_proxy()
        self.start(change.slot)
        found = wait_until(
            lambda: release_at(self.url),
            lambda found: found == change.release,
            seconds=ANSWER_SECONDS,
            poll_seconds=processes.POLL_SECONDS,
        )
        if found != change.release:
            raise RolloutError(
                f"live address {self.url} of {self.home.name}",
                expected=f"answers from release {change.release[:12]}",
                found=f"release {found[:12]}" if found else "no answer",
                next_step=f"titlebout status; read {processes.log_path(PROXY, self.home)}",
            )

    def start_proxy(self) -> None:
        """Start the proxy and the supervisor, unless they run."""
        start_proxy(self.home, self.ports)
        start_supervisor(self.home)

    def halt(self) -> None:
        """Stop the processes and keep the records, so that `resume` starts them as they were."""
        stop_supervisor(self.home)
        stop_proxy(self.home)
        for slot in SLOT_NAMES:
            self.halt_slot(slot)

    def halt_slot(self, slot: SlotName) -> None:
        """Stop the slot's process.

        What is deployed there stays recorded, so `start` starts it again.
        """
        processes.stop(slot, self.home, STOP_GRACE_SECONDS)

    def resume(self) -> None:
        """Start both slots as recorded, the proxy and the supervisor, side by side.

        What runs already is left alone. Raise an ExceptionGroup of TitleboutErrors, one for each
        part that did not start, after all others are up.
        """
        recorded = [slot for slot in SLOT_NAMES if self.is_recorded(slot)]
        launches: dict[str, Callable[[], object]] = {
            slot: partial(self.launch, slot) for slot in recorded
        }
        launches[PROXY] = partial(start_proxy, self.home, self.ports)
        launches[SUPERVISOR] = partial(start_supervisor, self.home)
        faults = faults_of(launches)
        faults |= faults_of(
            {slot: partial(self._wait_ready, slot) for slot in recorded if slot not in faults}
        )
        raise_together(f"parts of {self.home.name} that did not come up", list(faults.values()))

    def _wait_ready(self, slot: SlotName) -> None:
        ready = f"{self.slot_url(slot)}/readyz"
        processes.wait_until_ready(
            slot, self.home, lambda: processes.answers(ready), timeout_seconds=READY_SECONDS
        )

    def _record(self, slot: SlotName) -> Path:
        return self.slot_folder(slot).with_suffix(".json")

    def slot_folder(self, slot: SlotName) -> Path:
        """Return the folder of what a slot's server is given.

        It is emptied when the slot is undeployed.
        """
        folder = self.home / "slots" / slot
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _write_switchable(self, slots: frozenset[str]) -> None:
        write_durably(self.home / "switchable.json", json.dumps(sorted(slots)))

    def _require_allowed(self, slot: SlotName) -> Deployment:
        deployment = self.deployed(slot)
        if deployment is None or slot not in self.switchable():
            raise NotAllowed(
                f"slot {slot} of {self.home.name}",
                expected="a slot that traffic may go to "
                f"({', '.join(sorted(self.switchable())) or 'none'})",
                found="it is under test or empty",
                next_step="finish the release that is under way",
            )
        return deployment

    def _refuse_live(self, slot: SlotName) -> None:
        live = self.live()
        if live and live.slot == slot:
            raise NotAllowed(
                f"slot {slot} of {self.home.name}",
                expected="the idle slot",
                found="the live one",
                next_step="use the other slot",
            )


def open_slots(project: Path, model: str, environment: Environment) -> EmbeddedSlots:
    """Return the model's slots in the environment.

    Raise NotAllowed in an environment that serves nothing.
    """
    serving = require_serving(environment, subject=f"{model} in {environment.name}")
    home = serving_home(project, environment.name)
    return EmbeddedSlots(home / model, allocate_ports(home, model, first=serving.port))
