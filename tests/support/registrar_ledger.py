"""Show one model's live Service to a registrar, over a real ledger and records in a folder."""

import secrets
from pathlib import Path
from typing import Literal

from titlebout.ledger import chain_faults
from titlebout.ledger.database import Ledger
from titlebout.registrar.sighting import Mover, Sighting
from titlebout.registrar.write_entries import write
from titlebout.rollout.kubernetes.statement import Earlier, Settlement, Statement
from titlebout.spec import Override, Release, SlotName
from titlebout.storage import Storage

OVERRIDDEN = Override(by="ann", reason="the holiday rush")


class Scene:
    def __init__(self, folder: Path, model: str = "tiny") -> None:
        self.model, self.version = model, 0
        self.ledger, self.storage = (
            Ledger(f"sqlite:///{folder / 'ledger.db'}"),
            Storage(str(folder / "storage")),
        )

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

    def sees(
        self,
        told: Statement | None,
        *earlier: Statement,
        slot: SlotName | None = None,
        release: str | None = None,
        settled: Settlement | None = None,
    ) -> Sighting:
        """Return the Service in its next version; what is live is what was told by default."""
        if told is not None:
            slot, release = slot or told.slot, release or told.release
        assert slot, "say which slot is live where nothing was told"
        assert release, "say which release is live where nothing was told"
        self.version += 1
        return Sighting(
            model=self.model,
            service=f"uid/{self.version}",
            deployment="slot/1",
            slot=slot,
            release=release,
            earlier=Earlier(statements=earlier),
            told=told,
            settled=settled,
            moved_slot=Mover(by="kubectl-patch", time="2026-01-02T00:00:00+00:00"),
            moved_release=Mover(by="helm", time="2026-01-02T00:00:00+00:00"),
        )

    def writes(self, sighting: Sighting) -> list[tuple[str, str | None, str]]:
        """Write what is seen; return kind, from and to of each entry of the ledger."""
        write(sighting, self.ledger, self.storage)
        return self.entries()

    def entries(self) -> list[tuple[str, str | None, str]]:
        return [
            (stored.kind, stored.from_release, stored.to_release)
            for stored in self.ledger.chain(self.model)
        ]

    def faults(self) -> list[str]:
        return list(chain_faults(self.model, self.ledger.chain(self.model), self.storage))


def told(
    slot: SlotName,
    release: str,
    before: str | None,
    kind: Literal["switched", "rolled_back"] = "switched",
) -> Statement:
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


def settled(statement: Statement) -> Settlement:
    return Settlement(
        id=statement.id, by="ci", reason="the bake went well", time="2026-01-01T00:01:00+00:00"
    )
