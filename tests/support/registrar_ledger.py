"""Show one model's live Service to a registrar, over a real ledger and records in a folder."""

import secrets
from pathlib import Path
from typing import Literal

from titlebout.ledger import chain_faults
from titlebout.ledger.database import Ledger
from titlebout.registrar.sighting import LastWrite, Sighting
from titlebout.registrar.write_entries import write
from titlebout.rollout.kubernetes.statement import Earlier, Settlement, Statement
from titlebout.spec import Override, Release, SlotName
from titlebout.storage import Storage

OVERRIDDEN = Override(by="ann", reason="the holiday rush")


class RegistrarLedger:
    """Hold one model's ledger and storage, and the version of its live Service."""

    def __init__(self, folder: Path, model: str = "tiny") -> None:
        self.model, self.version = model, 0
        self.ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}")
        self.storage = Storage(str(folder / "storage"))

    def release(self, number: int, override: Override | None = None) -> str:
        """Store a release's record and return its id."""
        record = Release(
            model=self.model,
            model_digest=f"{number:064x}",
            package_digest="0" * 64,
            data_digest="0" * 64,
            code_version="tests",
            configuration_digest="0" * 64,
            threshold=None,
            verdict=None if override else "0" * 64,
            override=override,
        )
        self.storage.write_record(record, "releases", f"{record.id}.json")
        return record.id

    def next_sighting(
        self,
        statement: Statement | None,
        *earlier: Statement,
        slot: SlotName | None = None,
        release: str | None = None,
        settlement: Settlement | None = None,
    ) -> Sighting:
        """Return the Service in its next version.

        By default, the slot and release of the statement are live.
        """
        if statement is not None:
            slot, release = slot or statement.slot, release or statement.release
        assert slot, "expected a slot, since there is no statement"
        assert release, "expected a release, since there is no statement"
        self.version += 1
        return Sighting(
            model=self.model,
            service=f"uid/{self.version}",
            deployment="slot/1",
            slot=slot,
            release=release,
            earlier=Earlier(statements=earlier),
            statement=statement,
            settlement=settlement,
            slot_write=LastWrite(by="kubectl-patch", time="2026-01-02T00:00:00+00:00"),
            release_write=LastWrite(by="helm", time="2026-01-02T00:00:00+00:00"),
        )

    def write_entries(self, sighting: Sighting) -> list[tuple[str, str | None, str]]:
        """Write what is seen; return kind, from and to of each entry of the ledger."""
        write(sighting, self.ledger, self.storage)
        return self.entries()

    def entries(self) -> list[tuple[str, str | None, str]]:
        """Return kind, from and to of each entry of the ledger."""
        return [
            (stored.kind, stored.from_release, stored.to_release)
            for stored in self.ledger.chain(self.model)
        ]

    def faults(self) -> list[str]:
        """Return what is wrong with the chain."""
        return list(chain_faults(self.model, self.ledger.chain(self.model), self.storage))


def statement_of(
    slot: SlotName,
    release: str,
    before: str | None,
    kind: Literal["switched", "rolled_back"] = "switched",
) -> Statement:
    """Return the statement of a change of the traffic."""
    return Statement(
        id=secrets.token_hex(8),
        slot=slot,
        release=release,
        from_release=before,
        kind=kind,
        by="ci",
        reason="it won",
        time="2026-01-01T00:00:00+00:00",
        evidence={"tests": [1]},
    )


def settlement_of(statement: Statement) -> Settlement:
    """Return the settlement of this statement's bake."""
    return Settlement(
        id=statement.id, by="ci", reason="the bake went well", time="2026-01-01T00:01:00+00:00"
    )
