"""Can the ledger be believed: every chain recomputed, held against its anchor, the traffic's own record, and the records it names."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from titlebout.release.chain import broken_link, gaps
from titlebout.release.follow import expected_keys, traffic_key
from titlebout.release.running import running_faults
from titlebout.rollout import Change, EmbeddedSlots, served_models
from titlebout.spec import Record, Release, SpecError, TitleboutError, Verdict, load_environment
from titlebout.storage import Storage, open_storage, state_home

if TYPE_CHECKING:
    from titlebout.release.ledger import Ledger, StoredEntry

R = TypeVar("R", bound=Record)


def verify(project: Path, environment: str, *, team: str | None = None) -> list[str]:
    """What is wrong, one sentence each, the first fault of each model's chain first; empty if every record holds.

    `team`: its ledger alone, on a cluster, where each team has one; raises SpecError elsewhere.
    """
    declared = load_environment(project, environment)
    if declared.kubernetes is not None:
        from titlebout.release.registrar import cluster_faults

        return cluster_faults(project, environment, declared.kubernetes, team=team)
    if team is not None:
        raise SpecError("--team", expected=f"{environment} to be on a cluster", found="one machine, one ledger", next_step="leave it out")
    from titlebout.release.ledger import open_ledger

    storage = open_storage(project, declared.storage)
    ledger = open_ledger(state_home(project) / environment)
    served = {slots.home.name: slots for slots in served_models(project, declared)}
    anchored = {name.removesuffix(".json") for name in storage.names("ledger")}
    faults: list[str] = []
    for model in sorted({*ledger.models(), *served, *anchored}):
        faults += (f"{model}: {fault}" for fault in _faults(model, ledger, storage, served.get(model)))
    return faults + [f"{model}: {fault}" for model, found in running_faults(project, declared).items() for fault in found]


def _faults(model: str, ledger: "Ledger", storage: Storage, slots: EmbeddedSlots | None) -> Iterator[str]:
    chain = ledger.chain(model)
    yield from chain_faults(model, chain, storage)
    yield from _traffic_faults(chain, slots)
    yield from record_faults(chain, storage)


def chain_faults(model: str, chain: "list[StoredEntry]", storage: Storage) -> Iterator[str]:
    """The first broken link: all that comes after it would be reported as wrong, and says nothing more. In a whole chain, its gaps."""
    from titlebout.release.head import head_fault

    if broken := broken_link(chain) or head_fault(storage, model, chain):
        yield broken
    else:
        yield from gaps(chain)


def _traffic_faults(chain: "list[StoredEntry]", slots: EmbeddedSlots | None) -> Iterator[str]:
    """The proxy's own folders of changes tell what the ledger must say."""
    changes = slots.traffic.history() if slots else []
    written = {stored.key: stored for stored in chain}
    if slots and (live := slots.live()) and len(changes) != live.number:
        yield f"the traffic's own record of {live.number - len(changes)} of {live.number} changes is missing"
    for change in changes:
        stored = written.get(traffic_key(slots, change)) if slots else None
        if stored is None:
            yield f"change {change.number} of the traffic has no entry; the next release or rollback writes it if it is only late"
        elif not _agree(stored, change):
            yield f"entry {stored.sequence} says otherwise than change {change.number} of the traffic"
    known = {key for change in changes if slots for key in expected_keys(slots, change)}
    for stored in chain:
        if stored.key not in known:
            yield f"entry {stored.sequence} is about no change that the traffic ever made"


def _agree(stored: "StoredEntry", change: Change) -> bool:
    return (stored.kind, stored.from_release, stored.to_release, stored.time, stored.by, stored.reason) == (
        change.kind,
        change.from_release,
        change.release,
        change.time,
        change.by,
        change.reason,
    )


def record_faults(chain: "list[StoredEntry]", storage: Storage) -> Iterator[str]:
    """Every release that is named must be stored whole, and so must its verdict."""
    for release in sorted({str(release) for stored in chain for release in (stored.from_release, stored.to_release) if release}):
        record, fault = _read(storage, Release, "releases", release)
        if fault:
            yield fault
        if record and record.verdict:
            _, fault = _read(storage, Verdict, "verdicts", record.verdict)
            if fault:
                yield fault


def _read(storage: Storage, kind: type[R], folder: str, digest: str) -> tuple[R | None, str | None]:
    try:
        return storage.read_record(kind, folder, f"{digest}.json", digest=digest), None
    except FileNotFoundError:
        return None, f"{folder}/{digest}.json is missing"
    except (TitleboutError, ValidationError):
        return None, f"{folder}/{digest}.json was altered"
