"""Make databases on our own PostgreSQL server. Each has an owner that can see no other database."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from titlebout.spec import RegistryError
from titlebout.waiting import retry

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

POLL_SECONDS = 0.25
PATIENCE_SECONDS = 240.0


def ensure_databases(admin: str, urls: Iterable[str]) -> None:
    """Make every database of `urls`, with the owner and the password that its URL names.

    `admin` is the superuser's URL. Waits for the database server. Raise RegistryError if it does
    not come.
    """
    from sqlalchemy import make_url

    with _connect(admin) as connection:
        for url in urls:
            _ensure_database(connection, make_url(url))


def _ensure_database(connection: "Connection", url: "URL") -> None:
    """Make or change the owner, and make the database if there is none.

    Names and passwords come from the chart, not from people. They are quoted all the same.
    """
    from sqlalchemy import text

    quote = connection.dialect.identifier_preparer.quote_identifier
    owner, database = quote(str(url.username)), quote(str(url.database))
    password = str(url.password).replace("'", "''")
    owner_exists = connection.execute(
        text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": url.username}
    ).first()
    connection.execute(
        text(f"{'ALTER' if owner_exists else 'CREATE'} ROLE {owner} LOGIN PASSWORD '{password}'")
    )
    if (
        connection.execute(
            text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": url.database}
        ).first()
        is None
    ):
        connection.execute(text(f"CREATE DATABASE {database} OWNER {owner}"))
        connection.execute(text(f"REVOKE CONNECT ON DATABASE {database} FROM PUBLIC"))


def _connect(url: str) -> "Connection":
    from sqlalchemy import NullPool, create_engine
    from sqlalchemy.exc import OperationalError

    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        return retry(
            engine.connect, OperationalError, seconds=PATIENCE_SECONDS, poll_seconds=POLL_SECONDS
        )
    except OperationalError as error:
        raise RegistryError(
            f"the database server at {engine.url.host}",
            expected="a connection as its superuser",
            found=str(error.orig).strip(),
            next_step="look at the pod `database-0` and its log",
        ) from error
