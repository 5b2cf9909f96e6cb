"""One model in one environment, and what a transaction works on there: traffic, storage, registry."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from titlebout.rollout import Change, Slots
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
from titlebout.storage import Storage, layout, open_storage, state_home

if TYPE_CHECKING:  # imported when first used: a rollback moves the traffic before it pays for it
    from titlebout.registry import Registry
    from titlebout.release.predeployment import Subject
    from titlebout.rollout import Counted

Tests = tuple[dict[str, Any], ...]


class Build(Protocol):
    """Package a model folder; the package's folder and its digest."""

    def __call__(self, project: Path, model_folder: Path, to: Path) -> tuple[Path, str]: ...


class Server(NamedTuple):
    """How a package is served: the command, the variables that it needs, and what it reads, each file or folder with its digest."""

    command: list[str]
    environment: dict[str, str]
    sealed: dict[str, str]


class Serve(Protocol):
    """Say how a package is served on a port."""

    def __call__(
        self, package: Path, *, port: int, slot: str, release_file: Path, inference: Path
    ) -> Server: ...


class BuildImage(Protocol):
    """Put a package on the serving base as one layer and push it; the image as `repository@sha256:…`."""

    def __call__(self, project: Path, package: Path, *, images: str, model: str) -> str: ...


@dataclass(frozen=True)
class Adapters:
    """What a transaction reaches outside: the registry, the packagers, and the server that an embedded slot runs."""

    connect: "Callable[[Path, Environment], Registry]"
    build: Build
    serve: Serve
    build_image: BuildImage


class Package(NamedTuple):
    """What a slot runs: a folder in storage or an image, by digest; `reference` is how the slot finds it."""

    digest: str
    reference: str


class Packaged(NamedTuple):
    """A release that is packaged and recorded, and may take a slot; `example` is the row that its contract gives."""

    record: Release
    package: Package
    example: dict[str, Any]


@dataclass(frozen=True)
class ReleaseTarget(ABC):
    """What differs between one machine and a cluster is abstract here; the transaction's steps are the same."""

    project: Path
    model: str
    environment: Environment
    slots: Slots
    adapters: Adapters

    @cached_property
    def spec(self) -> ModelSpec:
        return load_model_spec(self.project, self.model)

    @cached_property
    def storage(self) -> Storage:
        return open_storage(self.project, self.reachable.storage)

    @cached_property
    def registry(self) -> "Registry":
        """Raises RegistryError if the server is away."""
        return self.adapters.connect(self.project, self.reachable)

    @property
    def serving(self) -> Serving:
        """Raises NotAllowed in an environment that serves nothing."""
        return require_serving(self.environment, subject=str(self))

    @property
    def strategy(self) -> Strategy | None:
        """Absent: blue-green."""
        return self.environment.strategies.get(self.model)

    @property
    def work(self) -> Path:
        """Where a release is put together on this machine."""
        return serving_home(self.project, self.environment.name, self.model) / "work"

    @property
    @abstractmethod
    def reachable(self) -> Environment:
        """The environment with addresses that answer here."""

    @abstractmethod
    def lock(self, *, by: str, wait_seconds: float) -> AbstractContextManager[Callable[[], None]]:
        """One transaction at a time; raises Busy, naming the holder. What it gives raises Busy if that is no longer so."""

    @abstractmethod
    def prepare(self) -> None:
        """What must be there before a slot is vacated; raises NotAllowed where this environment cannot serve, or not by this strategy."""

    @abstractmethod
    def package(self, model_folder: Path, to: Path) -> Package: ...

    @abstractmethod
    def check(self, slot: SlotName, packaged: Packaged) -> None:
        """Raises what `deploy` would, as far as it can be told before a slot is vacated, which takes the way back from on-call."""

    @abstractmethod
    def deploy(self, slot: SlotName, packaged: Packaged) -> None:
        """Run the release in a vacated slot, and wait until it is ready."""

    @abstractmethod
    def test(self, slot: SlotName, packaged: Packaged, *, progress: Progress) -> Tests:
        """The pre-deployment tests; raises RolloutError at the first that fails."""

    @abstractmethod
    def run_strategy(self, slot: SlotName, tests: Tests, *, progress: Progress) -> None:
        """Show the tested slot to a part of the traffic, as the model's strategy says; raises RolloutError if it is stopped."""

    @abstractmethod
    def reset_route(self) -> bool:
        """All requests to what is live, where a strategy has divided them, which a killed release leaves so; whether it had."""

    @abstractmethod
    def reconcile(self) -> str | None:
        """See to it that ledger and alias are where the traffic is; what is still open, in words, or None."""

    @abstractmethod
    def require_recorded(self) -> None:
        """Raises NotAllowed while the ledger does not tell of what is live: the next switch would be one more that is missing."""

    @abstractmethod
    def is_unsettled(self, change: Change) -> bool:
        """Whether a release was switched to and its bake has not ended."""

    @abstractmethod
    def counts(self, slot: SlotName) -> "dict[str, Counted | None]":
        """All that each of the slot's servers ever counted; None if it does not tell."""

    @abstractmethod
    def bake(self, change: Change, *, progress: Progress) -> str | None:
        """Watch the live address; what is wrong, in words, or None."""

    @abstractmethod
    def settle(self, change: Change, *, by: str, reason: str) -> bool:
        """The ledger's last word on a release; False if the traffic has moved on."""

    def switch_evidence(self, slot: SlotName, evidence: dict[str, Any]) -> dict[str, Any]:
        """Add what both slots have counted so far, taken right before a switch to the slot."""
        from titlebout.release.baseline import EVIDENCE, baseline_from

        baseline = baseline_from(new=self.counts(slot), old=self.counts(other_than(slot)))
        return {**evidence, EVIDENCE: baseline.model_dump(mode="json")}

    def subject(self, slot: SlotName, packaged: Packaged) -> "Subject":
        """What the pre-deployment tests are about."""
        from titlebout.release.predeployment import Subject

        return Subject(
            slot=self.address(slot),
            release=packaged.record.id,
            row=packaged.example,
            live=self.slots.url if self.slots.live() else None,
            may_refuse=packaged.record.override is not None,
        )

    def address(self, slot: SlotName) -> SlotAddress:
        """Where the slot answers, and what proves to it that the platform asks."""
        return SlotAddress(url=self.slots.slot_url(slot), secret=self.probe_secret(slot))

    @abstractmethod
    def probe_secret(self, slot: SlotName) -> str:
        """The secret that the slot's server was given, empty if none; on a cluster, the variable by which a Job has it."""

    def release_record(self, release: str) -> Release:
        """Raises IntegrityError if the record is gone, or its content is not what its id says."""
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


def serving_home(project: Path, environment: str, model: str) -> Path:
    return state_home(project) / environment / "serving" / model
