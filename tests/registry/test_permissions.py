"""Check who may do what, by real calls with each user's credentials."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.model_folders import CONTRACT

from titlebout.registry import Registry, Version, prepare_access
from titlebout.registry.access import bring_accounts
from titlebout.registry.connection import Connection, connection
from titlebout.registry.credentials import ensure_accounts
from titlebout.spec import (
    Environment,
    IntegrityError,
    RegistryError,
    find_project,
    load_environment,
)


@dataclass(frozen=True)
class RegisteredModel:
    """Hold what the calls below work on.

    It is one registered version, which is the champion, and the folder that it was made of.
    """

    project: Path
    version: Version
    folder: Path
    to: Path

    @property
    def run(self) -> str:
        """Return the id of the version's run."""
        return self.version.run_id


@pytest.fixture
def registered(
    releaser: Registry, mlflow_server: Path, version: Version, folder: Path, tmp_path: Path
) -> RegisteredModel:
    """Make the version champion, and log a file to its run."""
    releaser.set_alias("flights", "champion", version)
    releaser.log_file(version.run_id, folder / "contract.json", "read")
    return RegisteredModel(mlflow_server, version, folder, tmp_path / "got")


Call = Callable[[Registry, RegisteredModel], object]
CALLS: dict[str, Call] = {
    "read a run": lambda as_user, registered: as_user.download_artifact(
        registered.run, "read/contract.json", registered.to
    ),
    "start a run": lambda as_user, registered: as_user.start_run("flights", "mine", {}),
    "log metrics": lambda as_user, registered: as_user.log_metrics(
        registered.run, {"log_loss": 0.1}
    ),
    "log a file": lambda as_user, registered: as_user.log_file(
        registered.run, registered.folder / "contract.json"
    ),
    "find the champion": lambda as_user, registered: _require(
        as_user.find("flights", alias="champion")
    ),
    "download a version": lambda as_user, registered: as_user.download(
        registered.version, registered.to
    ),
    "make a model": lambda as_user, registered: as_user.ensure_model(
        f"made-by-{as_user._connection.user}"
    ),
    "register a version": lambda as_user, registered: as_user.register(
        "flights", registered.run, registered.folder, CONTRACT, {}
    ),
    "tag a version": lambda as_user, registered: as_user.tag(
        registered.version, validation_status="passed"
    ),
    "move an alias": lambda as_user, registered: as_user.set_alias(
        "flights", "champion", registered.version
    ),
    "clear an alias": lambda as_user, registered: as_user.clear_alias("flights", "champion"),
}
READ = {"read a run", "find the champion", "download a version"}
EDIT = READ | {"start a run", "log metrics", "log a file"}
# as tests/conftest.py declares for staging
ALLOWED = {
    "data-scientist": READ,
    "ml-engineer": EDIT,
    "releaser": set(CALLS),
}


def _require(version: Version | None) -> Version:
    assert version is not None
    return version


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("user", ALLOWED)
def test_each_user_may_do_what_is_allowed_and_no_more(
    registered: RegisteredModel, user: str, call: str
):
    """Allow a call to users with the right; the server refuses all others, and names the right."""
    as_user = Registry.connect(
        registered.project, load_environment(registered.project, "staging"), user
    )
    if call in ALLOWED[user]:
        CALLS[call](as_user, registered)
    else:
        with pytest.raises(
            RegistryError, match=f"expected {user} to have the right to .*permission denied"
        ):
            CALLS[call](as_user, registered)


@pytest.mark.parametrize("user", ["data-scientist", "ml-engineer"])
def test_a_refused_alias_has_not_moved(registered: RegisteredModel, releaser: Registry, user: str):
    """Leave `champion` where it points when a user without the right clears it."""
    as_user = Registry.connect(
        registered.project, load_environment(registered.project, "staging"), user
    )
    with pytest.raises(RegistryError):
        as_user.clear_alias("flights", "champion")
    assert (
        _require(releaser.find("flights", alias="champion")).version == registered.version.version
    )


@pytest.mark.parametrize("user", ["data-scientist", "ml-engineer"])
def test_no_account_in_prod(registered: RegisteredModel, user: str):
    """Give nobody a password where the environment declares no user, and accept no other's."""
    prod, staging = (load_environment(registered.project, name) for name in ("prod", "staging"))
    with pytest.raises(RegistryError, match=f"expected an account of {user}"):
        Registry.connect(registered.project, prod, user)
    other_connection = connection(registered.project, staging, user)
    intruder = Registry(
        Connection(
            environment="prod", address=prod.mlflow, user=user, password=other_connection.password
        )
    )
    for call in ("read a run", "find the champion", "make a model", "move an alias"):
        with pytest.raises(
            RegistryError,
            match=f"expected the password of {user}; found the server does not accept it",
        ):
            CALLS[call](intruder, registered)


@pytest.mark.parametrize("alias", ["champion", "challenger"])
@pytest.mark.parametrize("password", ["", "a-guess-that-is-long-enough"])
def test_the_job_that_reads_the_source_moves_no_alias(
    registered: RegisteredModel, releaser: Registry, alias: str, password: str
):
    """Refuse the Job that reads the source, whatever user it names: it has no account."""
    releaser.set_alias("flights", alias, registered.version)
    address = load_environment(registered.project, "staging").mlflow
    for user in ("training", "releaser", "admin"):
        training = Registry(
            Connection(environment="staging", address=address, user=user, password=password)
        )
        with pytest.raises(RegistryError, match=f"expected the password of {user}"):
            training.clear_alias("flights", alias)
        with pytest.raises(RegistryError, match=f"expected the password of {user}"):
            training.tag(registered.version, verdict="0" * 64)
    assert _require(releaser.find("flights", alias=alias)).version == registered.version.version
    assert (
        "verdict" not in _require(releaser.find("flights", version=registered.version.version)).tags
    )


def test_two_connections_do_not_share_credentials(registered: RegisteredModel, releaser: Registry):
    """Keep each user's credentials apart in one process, in whatever order they call."""
    reader = Registry.connect(
        registered.project, load_environment(registered.project, "staging"), "data-scientist"
    )
    for call in ("move an alias", "log a file"):
        for _ in range(2):
            with pytest.raises(RegistryError):
                CALLS[call](reader, registered)
            CALLS[call](releaser, registered)


def test_who_may_edit_experiments_can_spoil_a_version_but_not_pass_it_off(
    registered: RegisteredModel, releaser: Registry, own_version: Version
):
    """Refuse to download a version whose files an editor overwrote.

    MLflow keeps a version's files in its experiment. But only the releaser sets the digest tag.
    """
    engineer = Registry.connect(
        registered.project, load_environment(registered.project, "staging"), "ml-engineer"
    )
    uri = releaser._client.get_model_version_download_uri("flights", own_version.version)
    other = registered.to.with_name("model.skops")
    other.write_bytes(b"mine")
    engineer._artifacts(uri).log_artifact(str(other), "model")
    with pytest.raises(RegistryError, match="permission denied"):
        engineer.tag(own_version, model_digest="mine")
    with pytest.raises(IntegrityError, match="the stored artifact was altered"):
        releaser.download(own_version, registered.to)


def test_an_error_holds_no_password(registered: RegisteredModel):
    """Show no password, in the message or in its cause, which a traceback prints."""
    staging = load_environment(registered.project, "staging")
    reader = Registry.connect(registered.project, staging, "data-scientist")
    with pytest.raises(RegistryError) as caught:
        reader.log_file(registered.run, registered.folder / "contract.json")
    password = connection(registered.project, staging, "data-scientist").password
    assert password not in f"{caught.value} {caught.value.__cause__} {caught.value.__cause__!r}"


def test_a_right_taken_back_is_gone(registered: RegisteredModel):
    """Lower a right, and remove an undeclared user, at the next `up`."""
    declared = load_environment(registered.project, "staging")
    less = Environment.model_validate(declared.model_dump() | {"access": {"ml-engineer": "read"}})
    as_engineer, as_scientist = (
        Registry.connect(registered.project, declared, user)
        for user in ("ml-engineer", "data-scientist")
    )
    try:
        prepare_access(registered.project, [less], progress=print)
        CALLS["read a run"](as_engineer, registered)
        with pytest.raises(RegistryError, match="permission denied"):
            CALLS["start a run"](as_engineer, registered)
        with pytest.raises(RegistryError, match="does not accept it"):
            CALLS["read a run"](as_scientist, registered)
    finally:
        prepare_access(registered.project, [declared], progress=print)
    CALLS["start a run"](as_engineer, registered)
    CALLS["read a run"](as_scientist, registered)


def test_passwords_are_the_owners_alone(mlflow_server: Path):
    """Let only its owner read the file; a second call changes no password."""
    environment = load_environment(mlflow_server, "staging")
    path = mlflow_server / ".titlebout" / "credentials.yaml"
    assert path.stat().st_mode & 0o777 == 0o600
    accounts = ensure_accounts(mlflow_server, environment)
    assert accounts == ensure_accounts(mlflow_server, environment)
    assert len(set(accounts.values())) == len(accounts) == 4


def test_what_this_project_grants():
    """Grant edit in dev to both, in staging to the engineer only, in prod to the releaser alone."""
    project = find_project(Path(__file__).parent)
    granted = {name: load_environment(project, name).access for name in ("dev", "staging", "prod")}
    assert granted == {
        "dev": {"data-scientist": "edit", "ml-engineer": "edit"},
        "staging": {"data-scientist": "read", "ml-engineer": "edit"},
        "prod": {},
    }


def test_an_account_takes_the_password_that_it_is_given(mlflow_server: Path):
    """Give an account that exists another password, as after its Secret was lost."""
    environment = load_environment(mlflow_server, "staging")
    admin, user = (
        connection(mlflow_server, environment, name) for name in ("admin", "ml-engineer")
    )
    accounts = ensure_accounts(mlflow_server, environment)
    another = user.model_copy(update={"password": "another-password-than-before"})
    try:
        bring_accounts(
            admin, environment.access, passwords={**accounts, "ml-engineer": another.password}
        )
        assert another.is_accepted()
    finally:
        bring_accounts(admin, environment.access, passwords=accounts)
    assert user.is_accepted()
