"""The append-only, hash-chained history of an environment, one chain per model, in a database of its own."""

import json
import logging
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    event,
    insert,
    make_url,
    select,
)
from sqlalchemy import exc as sql_errors
from sqlalchemy.engine import Connection, Engine, RowMapping

from titlebout.spec import (
    CLOCK,
    FIRST_PREVIOUS_HASH,
    Busy,
    EntryKind,
    IntegrityError,
    LedgerEntry,
    canonical_json,
    moment_of,
)

log = logging.getLogger(__name__)

WRITE_ATTEMPTS = 10  # two writers of one chain collide at most once per entry of the other; ten is far beyond what occurs
HASH_LENGTH = 64
OWNER_ONLY = 0o600
# Seconds, but `options` milliseconds and `tcp_user_timeout` too: a database that is away is given up after five, and asked again.
POSTGRES_SETTINGS = {
    "connect_timeout": 5,
    "tcp_user_timeout": 5000,
    "options": "-c statement_timeout=5000",
}

_metadata = MetaData()
_entries = Table(
    "ledger",
    _metadata,
    Column("model", String(40), primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("key", String(200), nullable=False),
    Column("time", String(40), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("from_release", String(HASH_LENGTH)),
    Column("to_release", String(HASH_LENGTH), nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("previous_hash", String(HASH_LENGTH), nullable=False),
    Column("hash", String(HASH_LENGTH), nullable=False),
    UniqueConstraint("model", "previous_hash"),
    UniqueConstraint("model", "key"),
)


class StoredEntry(LedgerEntry):
    """An entry as it lies in the database, with the hash that was stored beside it."""

    hash: str

    @property
    def entry(self) -> LedgerEntry:
        """Raises IntegrityError if a field holds what no ledger ever wrote."""
        try:
            return LedgerEntry.model_validate(
                {name: getattr(self, name) for name in LedgerEntry.model_fields}
            )
        except ValidationError as error:
            raise IntegrityError(
                f"entry {self.sequence} of the ledger of {self.model}",
                expected="what was written there",
                found="; ".join(
                    f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}"
                    for wrong in error.errors()
                ),
                next_step="titlebout verify, and a backup of the ledger",
            ) from error

    @property
    def said(self) -> str:
        """Return what the clock said of the change: the entry's time, unless the clock had been set back."""
        step = self.evidence.get(CLOCK) if isinstance(self.evidence, dict) else None
        return str(step["said"]) if isinstance(step, dict) and "said" in step else self.time


class Ledger:
    """`url` is a database that SQLAlchemy knows; the table is created on first use."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _wait_for_writers)
        _metadata.create_all(self.engine)

    def append(
        self,
        model: str,
        *,
        key: str,
        time: str,
        kind: EntryKind,
        from_release: str | None,
        to_release: str,
        by: str,
        reason: str,
        evidence: dict[str, Any],
    ) -> LedgerEntry:
        """The entry with this key; written once, however often and by however many it is asked for.

        A chain never goes back in time: where the clock was set back, the entry has the time of the one before, and tells of the step.
        """
        for _ in range(WRITE_ATTEMPTS):
            if written := self.find(model, key):
                return written
            head = self.head(model)
            at, step = _not_before(head, time)
            entry = LedgerEntry(
                model=model,
                sequence=head.entry.sequence + 1 if head else 1,
                key=key,
                time=at,
                kind=kind,
                from_release=from_release,
                to_release=to_release,
                by=by,
                reason=reason,
                evidence={**evidence, **step},
                previous_hash=head.hash if head else FIRST_PREVIOUS_HASH,
            )
            if self._insert(entry):
                return entry
        raise Busy(
            f"ledger of {model}",
            expected="its turn to write",
            found="other writers all the time",
            next_step="run the command again",
        )

    def find(self, model: str, key: str) -> LedgerEntry | None:
        return next(
            (
                stored.entry
                for stored in self._select(_entries.c.model == model, _entries.c.key == key)
            ),
            None,
        )

    def head(self, model: str) -> StoredEntry | None:
        """The newest entry; None if there is none."""
        newest = (
            select(_entries)
            .where(_entries.c.model == model)
            .order_by(_entries.c.sequence.desc())
            .limit(1)
        )
        with self.engine.connect() as connection:
            row = connection.execute(newest).mappings().first()
            return _from_row(row) if row else None

    def chain(self, model: str) -> list[StoredEntry]:
        """Every entry of the model in order, as stored: nothing is recomputed here."""
        return self._select(_entries.c.model == model)

    def models(self) -> list[str]:
        with self.engine.connect() as connection:
            return [
                str(model)
                for model in connection.scalars(
                    select(_entries.c.model).distinct().order_by(_entries.c.model)
                )
            ]

    def _select(self, *conditions: Any) -> list[StoredEntry]:
        with self.engine.connect() as connection:
            rows = connection.execute(
                select(_entries).where(*conditions).order_by(_entries.c.sequence)
            ).mappings()
            return [_from_row(row) for row in rows]

    def _insert(self, entry: LedgerEntry) -> bool:
        """False if another writer took this place in the chain, or wrote this key, in between."""
        values = {
            **entry.model_dump(),
            "evidence": canonical_json(entry.evidence),
            "hash": entry.digest,
        }
        try:
            with self.engine.begin() as connection:
                connection.execute(insert(_entries).values(values))
        except sql_errors.IntegrityError:
            return False
        log.info("ledger of %s: entry %d, %s", entry.model, entry.sequence, entry.kind)
        return True


def _not_before(head: StoredEntry | None, time: str) -> tuple[str, dict[str, Any]]:
    """The time to write, and what to note in the evidence."""
    if head is None or moment_of(time) >= head.moment:
        return time, {}
    set_back = (head.moment - moment_of(time)).total_seconds()
    return head.time, {CLOCK: {"said": time, "set_back_seconds": set_back}}


def open_ledger(home: Path) -> Ledger:
    """The embedded default: a SQLite file in the environment's folder of the state home."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "ledger.db").touch(mode=OWNER_ONLY)
    return Ledger(f"sqlite:///{home / 'ledger.db'}")


def _engine(url: str) -> Engine:
    """PostgreSQL may be away for a while: a connection that died is noticed before it is used, and no call waits for long."""
    if make_url(url).get_backend_name() != "postgresql":
        return create_engine(url)
    return create_engine(url, pool_pre_ping=True, connect_args=POSTGRES_SETTINGS)


def _from_row(row: RowMapping) -> StoredEntry:
    return StoredEntry.model_construct(**{**row, "evidence": _evidence(row["evidence"])})


def _evidence(text: Any) -> Any:
    """What is no JSON stays as it is: it has not the entry's hash, and whoever recomputes the chain says so."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return text


def _wait_for_writers(connection: Any, _: Connection) -> None:
    connection.execute("PRAGMA busy_timeout = 10000")  # milliseconds; a write takes a few
