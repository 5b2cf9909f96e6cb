"""Verify a ledger: recompute every chain from its first entry, and compare it.

A chain is compared with its anchor, the traffic's own record and the records that it names.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from titlebout.ledger import chain_faults, read_record_or_fault, record_faults
from titlebout.release.reconcile import drafts_of, lost_entries
from titlebout.release.running_faults import running_faults
from titlebout.rollout import Change, EmbeddedSlots, served_models
from titlebout.spec import Override, Release, SpecError, load_environment
from titlebout.storage import Storage, layout, open_storage, state_home

if TYPE_CHECKING:
    from titlebout.ledger.database import Ledger, StoredEntry


def verify(project: Path, environment: str, *, team: str | None = None) -> list[str]:
    """Return what is wrong, one sentence each; empty if every record holds.

    The first fault of each model's chain comes first. `team` is for a cluster, where each team has
    a ledger: its ledger alone. Raises SpecError for `team` on one machine.
    """
    declared = load_environment(project, environment)
    if declared.kubernetes is not None:
        from titlebout.ledger import cluster_faults

        return cluster_faults(project, environment, declared.kubernetes, team=team)
    if team is not None:
        raise SpecError(
            "--team",
            expected=f"{environment} to be on a cluster",
            found="one machine, one ledger",
            next_step="leave it out",
        )
    from titlebout.ledger.database import open_ledger

    storage = open_storage(project, declared.storage)
    ledger = open_ledger(state_home(project) / environment)
    served = {slots.home.name: slots for slots in served_models(project, declared)}
    anchored = {name.removesuffix(".json") for name in storage.names(layout.LEDGER)}
    faults: list[str] = []
    for model in sorted({*ledger.models(), *served, *anchored}):
        faults += (
            f"{model}: {fault}" for fault in _faults(model, ledger, storage, served.get(model))
        )
    return faults + [
        f"{model}: {fault}"
        for model, found in running_faults(project, declared).items()
        for fault in found
    ]


def _faults(
    model: str, ledger: "Ledger", storage: Storage, slots: EmbeddedSlots | None
) -> Iterator[str]:
    changes = slots.traffic.history() if slots else []
    noted = (
        {change.number: slots.traffic.recorded(change.number) for change in changes}
        if slots
        else {}
    )
    chain = ledger.chain(model)  # after the notes: a release may be writing both
    written = {stored.key: stored for stored in chain}
    yield from chain_faults(model, chain, storage)
    for number, recorded in noted.items():
        yield from lost_entries(number, recorded, written)
    if slots:
        yield from _traffic_faults(chain, slots, changes, storage)
    else:
        yield from (_about_nothing(stored) for stored in chain)
    yield from record_faults(chain, storage)


def _traffic_faults(
    chain: "list[StoredEntry]", slots: EmbeddedSlots, changes: list[Change], storage: Storage
) -> Iterator[str]:
    """Compare the chain with the proxy's own folders of changes: it must say this, and no more."""
    if (live := slots.live()) and len(changes) != live.number:
        missing = f"{live.number - len(changes)} of {live.number} changes"
        yield f"the traffic's own record of {missing} is missing"
    if live and not chain:
        yield (
            f"release {live.release[:12]} is live, and the ledger has no entry: "
            "ledger.db is gone, or was emptied"
        )
    written, expected = {stored.key: stored for stored in chain}, set[str]()
    for change in changes:
        for answered in drafts_of(slots, change, _override(storage, change)):
            expected.add(answered.key)
            stored = written.get(answered.key)
            if stored is None:
                found = f"change {change.number} of the traffic has no entry `{answered.kind}`"
                yield f"{found}; the next release or rollback writes it if it is only late"
            elif not answered.is_in(stored):
                about = f"change {change.number} of the traffic"
                yield f"entry {stored.sequence} says otherwise than {about}"
    yield from (_about_nothing(stored) for stored in chain if stored.key not in expected)


def _about_nothing(stored: "StoredEntry") -> str:
    return (
        f"entry {stored.sequence} ({stored.kind}) is about nothing "
        "that the traffic's own record tells of"
    )


def _override(storage: Storage, change: Change) -> Override | None:
    """Return the release's override; None also for a bad record, which is a fault of its own."""
    record, _ = read_record_or_fault(storage, Release, layout.RELEASES, change.release)
    return record.override if record else None
