"""Describe what a transaction works on: one model's traffic, storage and registry."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from titlebout.rollout import Change, Slots, serving_home
from titlebout.spec import (
    Environment,
    IntegrityError,
    ModelSpec,
    Progress,
    Release,
    Serving,
    SlotAddress,
    SlotName,
    Strategy,
    load_model_spec,
    other_than,
    require_serving,
)
from titlebout.storage import Storage, layout, open_storage

if TYPE_CHECKING:  # imported when first used: a rollback moves the traffic before it pays for it
    from titlebout.registry import Registry
    from titlebout.release.predeployment import Subject
    from titlebout.rollout import Counted

Tests = tuple[dict[str, Any], ...]


class Build(Protocol):
    """Package model folders."""

    def __call__(self, project: Path, model_folder: Path, to: Path) -> tuple[Path, str]:
        """Return the package's folder and its digest."""
        ...


class Server(NamedTuple):
    """Say how a package is served: the command and the variables that it needs.

    `sealed` is what the command reads: each file or folder with its digest.
    """

    command: list[str]
    environment: dict[str, str]
    sealed: dict[str, str]


class Serve(Protocol):
    """Say how packages are served on this machine."""

    def __call__(
        self, package: Path, *, port: int, slot: str, release_file: Path, inference: Path
    ) -> Server:
        """Return how the package is served on this port."""
        ...


class BuildImage(Protocol):
    """Put packages on the serving base, each as one layer, and push the images."""

    def __call__(self, project: Path, package: Path, *, images: str, model: str) -> str:
        """Return the package's image as `repository@sha256:…`."""
        ...


@dataclass(frozen=True)
class Adapters:
    """Name what a transaction uses outside: registry, packagers, an embedded slot's server."""

    connect: "Callable[[Path, Environment], Registry]"
    build: Build
    serve: Serve
    build_image: BuildImage


class Package(NamedTuple):
    """Name what a slot runs: a folder in storage or an image, by digest and address."""

    digest: str
    reference: str


class Packaged(NamedTuple):
    """Hold a release that is packaged and recorded; `example` is its contract's example row."""

    record: Release
    package: Package
    example: dict[str, Any]


@dataclass(frozen=True)
class ReleaseTarget(ABC):
    """Take a transaction's steps; what differs between one machine and a cluster is abstract."""

    project: Path
    model: str
    environment: Environment
    slots: Slots
    adapters: Adapters

    @cached_property
    def spec(self) -> ModelSpec:
        """Return the model's model.yaml, read once."""
        return load_model_spec(self.project, self.model)

    @cached_property
    def storage(self) -> Storage:
        """Return the environment's storage."""
        return open_storage(self.project, self.reachable.storage)

    @cached_property
    def registry(self) -> "Registry":
        """Connect to the registry; raise RegistryError if the server is away."""
        return self.adapters.connect(self.project, self.reachable)

    @property
    def serving(self) -> Serving:
        """Return how the environment serves; raise NotAllowed if it serves nothing."""
        return require_serving(self.environment, subject=str(self))

    @property
    def strategy(self) -> Strategy | None:
        """Return the model's strategy, or None for blue-green."""
        return self.environment.strategies.get(self.model)

    @property
    def work(self) -> Path:
        """Return the folder of this machine in which a release is packaged."""
        return serving_home(self.project, self.environment.name) / self.model / "work"

    @property
    @abstractmethod
    def reachable(self) -> Environment:
        """Return the environment with addresses that answer here."""

    @abstractmethod
    def lock(self, *, by: str, wait_seconds: float) -> AbstractContextManager[Callable[[], None]]:
        """Allow one transaction at a time; raise Busy, naming the holder.

        The function that it yields raises Busy if the lock was lost.
        """

    @abstractmethod
    def release_under_way(self, *, after: datetime) -> str | None:
        """Describe the release under way that took the lock after this time; None if there is none.

        One that is older than the last change of the traffic cannot switch any more.
        """

    @abstractmethod
    def prepare(self) -> None:
        """Require what must be there before a slot is vacated.

        Raise NotAllowed if this environment cannot serve, or not by this strategy.
        """

    @abstractmethod
    def package(self, model_folder: Path, to: Path) -> Package:
        """Package a model folder, and put the package where a slot finds it."""

    @abstractmethod
    def check(self, slot: SlotName, packaged: Packaged) -> None:
        """Raise what `deploy` would, as far as it is known before the slot is vacated.

        A vacated slot is no longer there to roll back to.
        """

    @abstractmethod
    def deploy(self, slot: SlotName, packaged: Packaged) -> None:
        """Run the release in a vacated slot, and wait until it is ready."""

    @abstractmethod
    def test(self, slot: SlotName, packaged: Packaged, *, progress: Progress) -> Tests:
        """Run the pre-deployment tests; raise RolloutError at the first that fails."""

    @abstractmethod
    def run_strategy(self, slot: SlotName, tests: Tests, *, progress: Progress) -> None:
        """Send a part of the traffic to the tested slot, as the model's strategy says.

        Raise RolloutError if the gate stops it.
        """

    @abstractmethod
    def reset_route(self) -> bool:
        """Send all requests to what is live; return whether a strategy had divided them.

        A killed release leaves them divided.
        """

    @abstractmethod
    def reconcile(self) -> str | None:
        """Bring ledger and alias after the traffic; return in words what is late, or None."""

    @abstractmethod
    def require_recorded(self) -> None:
        """Raise NotAllowed while the ledger does not tell of what is live.

        Otherwise the next switch would be missing from the ledger, too.
        """

    @abstractmethod
    def is_unsettled(self, change: Change) -> bool:
        """Tell whether the change is a switch whose bake has not ended."""

    @abstractmethod
    def counts(self, slot: SlotName) -> "dict[str, Counted | None]":
        """Return what each of the slot's servers has counted since its start.

        It is None for a server that does not answer.
        """

    @abstractmethod
    def bake(self, change: Change, *, progress: Progress) -> str | None:
        """Watch the live address; return the fault in words, or None."""

    @abstractmethod
    def settle(self, change: Change, *, by: str, reason: str) -> bool:
        """Record that the bake passed; return False if the traffic has moved on."""

    def switch_evidence(self, slot: SlotName, evidence: dict[str, Any]) -> dict[str, Any]:
        """Add what both slots have counted so far, taken right before a switch to the slot."""
        from titlebout.release.baseline import EVIDENCE, baseline_from

        baseline = baseline_from(new=self.counts(slot), old=self.counts(other_than(slot)))
        return {**evidence, EVIDENCE: baseline.model_dump(mode="json")}

    def subject(self, slot: SlotName, packaged: Packaged) -> "Subject":
        """Return what the pre-deployment tests are about."""
        from titlebout.release.predeployment import Subject

        return Subject(
            slot=self.address(slot),
            release=packaged.record.id,
            row=packaged.example,
            live=self.slots.url if self.slots.live() else None,
            may_refuse=packaged.record.override is not None,
        )

    def address(self, slot: SlotName) -> SlotAddress:
        """Return where the slot answers, and the secret that proves that the platform asks."""
        return SlotAddress(url=self.slots.slot_url(slot), secret=self.probe_secret(slot))

    @abstractmethod
    def probe_secret(self, slot: SlotName) -> str:
        """Return the secret that the slot's server was given; empty if it has none.

        On a cluster, return the name of the variable by which a Job has it.
        """

    def release_record(self, release: str) -> Release:
        """Return a release's record by its id.

        Raise IntegrityError if it is gone, or if its content is not what its id says.
        """
        if not self.storage.exists(*layout.release(release)):
            raise IntegrityError(
                self.storage.address(*layout.release(release)),
                expected="the record of what is served",
                found="no such file",
                next_step="restore it from a backup",
            )
        return self.storage.read_record(Release, *layout.release(release), digest=release)

    def __str__(self) -> str:
        return f"{self.model} in {self.environment.name}"
