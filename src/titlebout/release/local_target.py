"""A transaction's steps on this machine: processes in slots, a lock file, and the ledger written by the transaction itself."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from titlebout.atomic_files import sweep_partials, write_durably
from titlebout.release.probe_secrets import new_secret
from titlebout.release.release_lock import release_lock
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
    slots: EmbeddedSlots

    @cached_property
    def ledger(self) -> "Ledger":
        from titlebout.ledger.database import open_ledger

        return open_ledger(state_home(self.project) / self.environment.name)

    @property
    def reachable(self) -> Environment:
        return self.environment

    def lock(self, *, by: str, wait_seconds: float) -> AbstractContextManager[Callable[[], None]]:
        return release_lock(self.slots.home, subject=str(self), by=by, wait_seconds=wait_seconds)

    def prepare(self) -> None:
        if not self.storage.is_local:
            raise NotAllowed(
                str(self),
                expected="storage in a folder: the embedded server writes its inference table there",
                found=self.environment.storage,
                next_step="serve on Kubernetes, or set `storage` to a folder",
            )
        if self.strategy is not None:
            raise NotAllowed(
                f"strategy {self.strategy.kind} of {self}",
                expected="a Gateway that divides the requests",
                found="one machine",
                next_step="serve on Kubernetes, or take the model out of `strategies` in environment.yaml",
            )
        for folder in (self.slots.home, Path(self.storage.root)):
            sweep_partials(folder)
        self.slots.start_proxy()

    def package(self, model_folder: Path, to: Path) -> Package:
        folder, digest = self.adapters.build(self.project, model_folder, to)
        self.storage.put_folder(folder, *layout.package(digest))
        return Package(digest, reference=self.storage.address(*layout.package(digest)))

    def check(self, slot: SlotName, packaged: Packaged) -> None:
        """A process is given nothing that could be refused."""

    def deploy(self, slot: SlotName, packaged: Packaged) -> None:
        self.slots.deploy(slot, self._deployment(slot, packaged))

    def test(self, slot: SlotName, packaged: Packaged, *, progress: Progress) -> Tests:
        from titlebout.release.predeployment import run_tests

        results = run_tests(
            self.subject(slot, packaged),
            self.spec.service,
            seconds=self.serving.test_seconds,
            progress=progress,
        )
        return tuple(result.model_dump(mode="json") for result in results)

    def run_strategy(self, slot: SlotName, tests: Tests, *, progress: Progress) -> None:
        """Caddy sends every request to one slot: `prepare` let no strategy pass."""

    def reset_route(self) -> bool:
        return False

    def reconcile(self) -> str | None:
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
        return change.kind == "switched" and self.slots.traffic.settled(change.number) is None

    def counts(self, slot: SlotName) -> "dict[str, Counted | None]":
        from titlebout.release.bake import counted

        return {
            self._server(slot): counted(self.slots.slot_url(slot), p99_ms=self.spec.service.p99_ms)
        }

    def probe_secret(self, slot: SlotName) -> str:
        deployment = self.slots.deployed(slot)
        return deployment.environment.get(PROBE_VARIABLE, "") if deployment else ""

    def bake(self, change: Change, *, progress: Progress) -> str | None:
        from titlebout.release.bake import watch
        from titlebout.release.bake_task import bake_of

        servers = {self._server(change.slot): self.slots.slot_url(change.slot)}
        bake = bake_of(self, change, servers=servers, storage=self.storage.root)
        progress(f"bake: watching {bake.url} for {bake.seconds:g} s")
        return watch(bake, is_live=lambda: self._is_live(change), progress=progress)

    def _server(self, slot: SlotName) -> str:
        """The slot's process: one that was started again, after a reboot perhaps, is another, which counts from zero."""
        return f"{slot}-{self.slots.pid(slot)}"

    def _is_live(self, change: Change) -> bool:
        live = self.slots.live()
        return live is not None and live.number == change.number

    def settle(self, change: Change, *, by: str, reason: str) -> bool:
        from titlebout.release.reconcile import note_settled

        if not note_settled(self.slots, change, by=by, reason=reason):
            return False
        self._write_changes()
        return True

    def _deployment(self, slot: SlotName, packaged: Packaged) -> Deployment:
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
        trust = {
            PROBE_VARIABLE: new_secret(),
            ORIGINS_VARIABLE: " ".join(self.serving.cors_origins),
        }
        return Deployment(
            release=packaged.record.id,
            package=packaged.package.digest,
            command=tuple(server.command),
            environment={**server.environment, **trust},
            folder=str(folder),
            sealed={**server.sealed, str(release_file): packaged.record.id},
        )


def open_local_target(
    project: Path, model: str, environment: Environment, adapters: Adapters
) -> LocalTarget:
    make_state_home(project)
    slots = open_slots(project, model, environment)
    return LocalTarget(
        project=project, model=model, environment=environment, slots=slots, adapters=adapters
    )
