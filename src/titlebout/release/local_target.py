"""Take a transaction's steps on this machine: processes in slots, a lock file, a local ledger.

The transaction itself writes that ledger.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from titlebout.atomic_files import sweep_partials, write_durably
from titlebout.release.local_lock import lock_holder, release_lock
from titlebout.release.probe_secrets import new_secret
from titlebout.release.release_target import Adapters, Package, Packaged, ReleaseTarget, Tests
from titlebout.rollout import Change, Deployment, EmbeddedSlots, open_slots
from titlebout.spec import (
    ORIGINS_VARIABLE,
    PROBE_VARIABLE,
    Environment,
    NotAllowed,
    Progress,
    RegistryError,
    SlotName,
)
from titlebout.storage import layout, make_state_home, state_home

if TYPE_CHECKING:
    from titlebout.ledger.database import Ledger
    from titlebout.rollout import Counted


@dataclass(frozen=True)
class LocalTarget(ReleaseTarget):
    """Release one model into the slots of this machine."""

    slots: EmbeddedSlots

    @cached_property
    def ledger(self) -> "Ledger":
        """Open the environment's ledger when first asked."""
        from titlebout.ledger.database import open_ledger

        return open_ledger(state_home(self.project) / self.environment.name)

    @property
    def reachable(self) -> Environment:
        """Return the environment as it is declared: its addresses answer here."""
        return self.environment

    def lock(self, *, by: str, wait_seconds: float) -> AbstractContextManager[Callable[[], None]]:
        """Hold the lock file; raise Busy, naming the holder, after `wait_seconds`."""
        return release_lock(self.slots.home, subject=str(self), by=by, wait_seconds=wait_seconds)

    def release_under_way(self, *, after: datetime) -> str | None:
        """Describe the holder of the lock file; return None if nobody took it after this time."""
        return lock_holder(self.slots.home, after=after)

    def prepare(self) -> None:
        """Start the proxy, and delete what killed writers left.

        Raise NotAllowed if the storage is no folder, or for a strategy other than blue-green.
        """
        if not self.storage.is_local:
            raise NotAllowed(
                str(self),
                expected="storage in a folder: "
                "the embedded server writes its inference table there",
                found=self.environment.storage,
                next_step="serve on Kubernetes, or set `storage` to a folder",
            )
        if self.strategy is not None:
            raise NotAllowed(
                f"strategy {self.strategy.kind} of {self}",
                expected="a Gateway that divides the requests",
                found="one machine",
                next_step="serve on Kubernetes, "
                "or take the model out of `strategies` in environment.yaml",
            )
        for folder in (self.slots.home, Path(self.storage.root)):
            sweep_partials(folder)
        self.slots.start_proxy()

    def package(self, model_folder: Path, to: Path) -> Package:
        """Build the package and put it into storage."""
        folder, digest = self.adapters.build(self.project, model_folder, to)
        self.storage.put_folder(folder, *layout.package(digest))
        return Package(digest, reference=self.storage.address(*layout.package(digest)))

    def check(self, slot: SlotName, packaged: Packaged) -> None:
        """Check nothing: a process is given nothing that could be refused."""

    def deploy(self, slot: SlotName, packaged: Packaged) -> None:
        """Start the slot's process, and wait until it is ready."""
        self.slots.deploy(slot, self._deployment(slot, packaged))

    def test(self, slot: SlotName, packaged: Packaged, *, progress: Progress) -> Tests:
        """Run the pre-deployment tests here; raise RolloutError at the first that fails."""
        from titlebout.release.predeployment import run_tests

        results = run_tests(
            self.subject(slot, packaged),
            self.spec.service,
            seconds=self.serving.test_seconds,
            progress=progress,
        )
        return tuple(result.model_dump(mode="json") for result in results)

    def run_strategy(self, slot: SlotName, tests: Tests, *, progress: Progress) -> None:
        """Run nothing: Caddy sends every request to one slot, and `prepare` refused a strategy."""

    def reset_route(self) -> bool:
        """Return False: requests are never divided here."""
        return False

    def reconcile(self) -> str | None:
        """Write what the ledger lacks and move the alias; return why the alias is late, or None."""
        from titlebout.ledger import CHAMPION, move_alias

        self._write_changes()
        live = self.slots.live()
        if live is None:
            return None
        try:
            move_alias(self.registry, self.model, live, self.release_record)
        except RegistryError as error:
            return f"the alias `{CHAMPION}` has not moved yet: {error}"
        return None

    def _write_changes(self) -> None:
        from titlebout.release.reconcile import write_changes

        write_changes(
            self.ledger,
            self.slots,
            model=self.model,
            subject=str(self),
            storage=self.storage,
            release_record=self.release_record,
        )

    def require_recorded(self) -> None:
        """Ask nothing: `reconcile` has written the ledger, or raised."""

    def is_unsettled(self, change: Change) -> bool:
        """Tell whether the change is a switch whose bake has not ended."""
        return change.kind == "switched" and self.slots.traffic.settled(change.number) is None

    def counts(self, slot: SlotName) -> "dict[str, Counted | None]":
        """Return what the slot's process has counted; None if it does not answer."""
        from titlebout.release.bake import counted

        url, p99_ms = self.slots.slot_url(slot), self.spec.service.p99_ms
        return {self._server_name(slot): counted(url, p99_ms=p99_ms)}

    def probe_secret(self, slot: SlotName) -> str:
        """Return the secret that the slot's process was given; empty if nothing is deployed."""
        deployment = self.slots.deployed(slot)
        return deployment.environment.get(PROBE_VARIABLE, "") if deployment else ""

    def bake(self, change: Change, *, progress: Progress) -> str | None:
        """Watch the live address from here; return the fault in words, or None."""
        from titlebout.release.bake import watch
        from titlebout.release.bake_task import bake_of

        servers = {self._server_name(change.slot): self.slots.slot_url(change.slot)}
        bake = bake_of(self, change, servers=servers, storage=self.storage.root)
        progress(f"bake: watching {bake.url} for {bake.seconds:g} s")
        return watch(bake, is_live=lambda: self._is_live(change), progress=progress)

    def _server_name(self, slot: SlotName) -> str:
        """Return a name of the slot's process; a restarted one counts from zero, by a new name."""
        return f"{slot}-{self.slots.pid(slot)}"

    def _is_live(self, change: Change) -> bool:
        live = self.slots.live()
        return live is not None and live.number == change.number

    def settle(self, change: Change, *, by: str, reason: str) -> bool:
        """Record that the bake passed; return False if the traffic has moved on."""
        from titlebout.release.reconcile import note_settled

        if not note_settled(self.slots, change, by=by, reason=reason):
            return False
        self._write_changes()
        return True

    def _deployment(self, slot: SlotName, packaged: Packaged) -> Deployment:
        """Write the release file, and return what the slot is to run."""
        folder = self.slots.slot_folder(slot)
        release_file = folder / "release.json"
        write_durably(release_file, packaged.record.canonical_json())
        inference = Path(self.storage.address(*layout.inference(self.model)))
        server = self.adapters.serve(
            Path(packaged.package.reference),
            port=self.slots.port(slot),
            slot=slot,
            release_file=release_file,
            inference=inference,
        )
        access = {
            PROBE_VARIABLE: new_secret(),
            ORIGINS_VARIABLE: " ".join(self.serving.cors_origins),
        }
        return Deployment(
            release=packaged.record.id,
            package=packaged.package.digest,
            command=tuple(server.command),
            environment={**server.environment, **access},
            folder=str(folder),
            sealed={**server.sealed, str(release_file): packaged.record.id},
        )


def open_local_target(
    project: Path, model: str, environment: Environment, adapters: Adapters
) -> LocalTarget:
    """Open the model's slots on this machine."""
    make_state_home(project)
    slots = open_slots(project, model, environment)
    return LocalTarget(
        project=project, model=model, environment=environment, slots=slots, adapters=adapters
    )
