"""Keep an environment's append-only, hash-chained history, one chain per model, in a database."""

import json
import logging
from collections.abc import Collection
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
    or_,
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

# Two writers of one chain collide at most once for each entry of the other: ten is far beyond that.
WRITE_ATTEMPTS = 10
KEYS_AT_ONCE = 500  # SQLite takes 32,766 parameters in a statement, PostgreSQL 65,535
ROWS_AT_ONCE = 100  # what a search that usually ends at the first rows fetches together
HASH_LENGTH = 64
OWNER_ONLY = 0o600
# A database that does not answer for five seconds is away, and is asked again later.
# `connect_timeout` is in seconds; `tcp_user_timeout` and `statement_timeout` are in milliseconds.
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
    """Hold an entry as the database has it, with the hash that was stored beside it."""

    hash: str

    @property
    def entry(self) -> LedgerEntry:
        """Return the entry alone; raise IntegrityError if a field holds what no ledger wrote."""
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
        """Return the clock's time of the change: `time`, unless the clock had been set back."""
        step = self.evidence.get(CLOCK) if isinstance(self.evidence, dict) else None
        return str(step["said"]) if isinstance(step, dict) and "said" in step else self.time


class Ledger:
    """Append to the chains of an environment's models, and read them as they are stored.

    Nothing is recomputed here: `ledger.tail` and `ledger.chain` do that.
    """

    def __init__(self, url: str) -> None:
        """Open the database that SQLAlchemy knows by this URL, and create its table if needed."""
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
        """Return the entry with this key, written now unless it is there already.

        A chain never goes back in time. If the clock was set back, the entry gets the time of the
        one before, and its evidence notes what the clock said. Raises Busy if other writers are
        faster all the time.
        """
        for _ in range(WRITE_ATTEMPTS):
            if written := self.find(model, key):
                return written
            head = self.newest(model)
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
        """Return the entry with this key; None if there is none."""
        return next((stored.entry for stored in self.with_keys(model, {key})), None)

    def with_keys(self, model: str, keys: Collection[str]) -> list[StoredEntry]:
        """Return the entries with these keys, in no order.

        They are found by the index on model and key. To have them in order, SQLite would go
        through all entries of the model.
        """
        wanted, found = sorted(keys), list[StoredEntry]()
        with self.engine.connect() as connection:
            for start in range(0, len(wanted), KEYS_AT_ONCE):
                some = _entries.c.key.in_(wanted[start : start + KEYS_AT_ONCE])
                rows = connection.execute(select(_entries).where(_entries.c.model == model, some))
                found += (_from_row(row) for row in rows.mappings())
        return found

    def newest(
        self,
        model: str,
        *,
        kinds: Collection[EntryKind] = (),
        to_release: str | None = None,
    ) -> StoredEntry | None:
        """Return the newest entry, of these kinds or to this release if they are given; or None."""
        conditions = [_entries.c.model == model]
        if kinds:
            conditions.append(_entries.c.kind.in_(kinds))
        if to_release is not None:
            conditions.append(_entries.c.to_release == to_release)
        newest = select(_entries).where(*conditions).order_by(_entries.c.sequence.desc()).limit(1)
        with self.engine.connect() as connection:
            row = connection.execute(newest).mappings().first()
            return _from_row(row) if row else None

    def newest_about(
        self, model: str, changes: Collection[str], *, kinds: Collection[EntryKind]
    ) -> StoredEntry | None:
        """Return the newest entry of these kinds whose evidence names one of these changes.

        The search goes back from the newest entry and ends at the first that it finds.
        """
        texts = [canonical_json({"change": change})[1:-1] for change in changes]
        backwards = (
            select(_entries)
            .where(
                _entries.c.model == model,
                _entries.c.kind.in_(kinds),
                or_(*(_entries.c.evidence.contains(text, autoescape=True) for text in texts)),
            )
            .order_by(_entries.c.sequence.desc())
            .execution_options(yield_per=ROWS_AT_ONCE)
        )
        with self.engine.connect() as connection:
            for row in connection.execute(backwards).mappings():
                stored = _from_row(row)
                if isinstance(stored.evidence, dict) and stored.evidence.get("change") in changes:
                    return stored
        return None

    def chain(self, model: str, *, after: int = 0) -> list[StoredEntry]:
        """Return the model's entries that come after entry `after`, oldest first, as stored."""
        if not after:
            return self._select(_entries.c.model == model)
        return self._select(_entries.c.model == model, _entries.c.sequence > after)

    def models(self) -> list[str]:
        """Return the names of the models that have an entry, sorted."""
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
        """Return False if another writer took this place in the chain, or wrote this key."""
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
    """Return the time to write, and what to note in the evidence."""
    if head is None or moment_of(time) >= head.moment:
        return time, {}
    set_back = (head.moment - moment_of(time)).total_seconds()
    return head.time, {CLOCK: {"said": time, "set_back_seconds": set_back}}


def open_ledger(home: Path) -> Ledger:
    """Open the ledger of this machine: a SQLite file in the environment's folder."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "ledger.db").touch(mode=OWNER_ONLY)
    return Ledger(f"sqlite:///{home / 'ledger.db'}")


def _engine(url: str) -> Engine:
    """Make an engine whose calls to PostgreSQL end soon, and find a dead connection first."""
    if make_url(url).get_backend_name() != "postgresql":
        return create_engine(url)
    return create_engine(url, pool_pre_ping=True, connect_args=POSTGRES_SETTINGS)


def _from_row(row: RowMapping) -> StoredEntry:
    return StoredEntry.model_construct(**{**row, "evidence": _evidence(row["evidence"])})


def _evidence(text: Any) -> Any:
    """Return the parsed evidence; what is no JSON stays as it is, and does not have the hash."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return text


def _wait_for_writers(connection: Any, _: Connection) -> None:
    connection.execute("PRAGMA busy_timeout = 10000")  # milliseconds; a write takes a few
