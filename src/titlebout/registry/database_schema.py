"""Migrate the schemas of MLflow's two databases in one process, and let all others wait for it.

MLflow migrates when a server starts. But two servers that start on a fresh database break each
other, and none upgrades an old one.
"""

from typing import Any

from titlebout.spec import RegistryError
from titlebout.waiting import wait_until

POLL_SECONDS = 0.5
PATIENCE_SECONDS = 280.0  # the pod's startup probe gives it 300


def migrate(*, database: str, accounts: str) -> None:
    """Bring both databases to the schema of the installed MLflow. One that has it is left alone."""
    from mlflow.server.auth.db import utils as auth
    from mlflow.store.db import utils

    engine = utils.create_sqlalchemy_engine_with_retry(database)
    if utils._is_empty_database(engine):
        utils._initialize_tables(engine)
    else:
        utils._upgrade_db(engine)
    auth.migrate(utils.create_sqlalchemy_engine_with_retry(accounts), "head")


def wait_until_current(*, database: str, accounts: str) -> None:
    """Wait until both databases have the schema of the installed MLflow.

    Raise RegistryError if that takes too long.
    """
    are_current = wait_until(
        lambda: (
            _is_current(database, _tracking_head(), "alembic_version")
            and _is_current(accounts, _accounts_head(), "alembic_version_auth")
        ),
        seconds=PATIENCE_SECONDS,
        poll_seconds=POLL_SECONDS,
    )
    if not are_current:
        raise RegistryError(
            "MLflow's databases",
            expected="the schema of the MLflow that is installed",
            found=f"none, or another, after {PATIENCE_SECONDS:.0f} s",
            next_step="read the log of the Job mlflow-setup, which makes it",
        )


def _is_current(url: str, head: str, version_table: str) -> bool:
    """Tell whether the database has this schema. There may be no database yet."""
    import sqlalchemy
    from alembic.migration import MigrationContext

    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    try:
        with engine.connect() as connection:
            return bool(
                MigrationContext.configure(
                    connection, opts={"version_table": version_table}
                ).get_current_revision()
                == head
            )
    except sqlalchemy.exc.OperationalError:
        return False


def _tracking_head() -> str:
    from mlflow.store.db import utils

    return str(utils._get_latest_schema_revision())


def _accounts_head() -> str:
    from alembic.script import ScriptDirectory
    from mlflow.server.auth.db import utils

    config: Any = utils._get_alembic_config("")
    return str(ScriptDirectory.from_config(config).get_current_head())
