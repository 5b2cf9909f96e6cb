"""One model in one environment, and what a transaction works on there: traffic, storage, ledger, registry."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from titlebout.rollout import Slots, open_slots
from titlebout.spec import Environment, IntegrityError, ModelSpec, Release, load_environment, load_model_spec
from titlebout.storage import Storage, open_storage, state_home

if TYPE_CHECKING:  # imported when first used: a rollback moves the traffic before it pays for them
    from titlebout.registry import Registry
    from titlebout.release.ledger import Ledger


class Build(Protocol):
    """Package a model folder; the package's folder and its digest."""

    def __call__(self, project: Path, model_folder: Path, to: Path) -> tuple[Path, str]: ...


class Serve(Protocol):
    """The command that serves a package on a port, and the variables that it needs."""

    def __call__(self, package: Path, *, port: int, slot: str, release_file: Path, inference: Path) -> tuple[list[str], dict[str, str]]: ...


@dataclass(frozen=True)
class Edges:
    """What a transaction reaches outside: the registry, the packager, and the server that a slot runs."""

    connect: "Callable[[Path, Environment], Registry]"
    build: Build
    serve: Serve


@dataclass(frozen=True)
class Place:
    project: Path
    model: str
    environment: Environment
    slots: Slots
    edges: Edges

    @cached_property
    def spec(self) -> ModelSpec:
        return load_model_spec(self.project, self.model)

    @cached_property
    def storage(self) -> Storage:
        return open_storage(self.project, self.environment.storage)

    @cached_property
    def ledger(self) -> "Ledger":
        from titlebout.release.ledger import open_ledger

        return open_ledger(state_home(self.project) / self.environment.name)

    @cached_property
    def registry(self) -> "Registry":
        """Raises RegistryError if the server is away."""
        return self.edges.connect(self.project, self.environment)

    def release_record(self, release: str) -> Release:
        """Raises IntegrityError if the record is gone, or its content is not what its id says."""
        if not self.storage.exists("releases", f"{release}.json"):
            raise IntegrityError(
                self.storage.address("releases", f"{release}.json"),
                expected="the record of what is served",
                found="no such file",
                next_step="restore it from a backup",
            )
        return self.storage.read_record(Release, "releases", f"{release}.json", digest=release)

    def __str__(self) -> str:
        return f"{self.model} in {self.environment.name}"


def open_place(project: Path, model: str, environment: str, edges: Edges) -> Place:
    """Raises SpecError for an unknown environment, NotAllowed for one that serves nothing."""
    declared = load_environment(project, environment)
    return Place(project=project, model=model, environment=declared, slots=open_slots(project, model, declared), edges=edges)
