"""Who may do what, by real calls with each user's credentials."""

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
class Bench:
    """What the calls below work on: one registered version, which is the champion, and the folder it was made of."""

    project: Path
    version: Version
    folder: Path
    to: Path

    @property
    def run(self) -> str:
        return self.version.run_id


@pytest.fixture
def bench(
    releaser: Registry, mlflow_server: Path, version: Version, folder: Path, tmp_path: Path
) -> Bench:
    releaser.set_alias("flights", "champion", version)
    releaser.log_file(version.run_id, folder / "contract.json", "read")
    return Bench(mlflow_server, version, folder, tmp_path / "got")


Call = Callable[[Registry, Bench], object]
CALLS: dict[str, Call] = {
    "read a run": lambda as_user, bench: as_user.download_artifact(
        bench.run, "read/contract.json", bench.to
    ),
    "start a run": lambda as_user, bench: as_user.start_run("flights", "mine", {}),
    "log metrics": lambda as_user, bench: as_user.log_metrics(bench.run, {"log_loss": 0.1}),
    "log a file": lambda as_user, bench: as_user.log_file(
        bench.run, bench.folder / "contract.json"
    ),
    "find the champion": lambda as_user, bench: _found(as_user.find("flights", alias="champion")),
    "download a version": lambda as_user, bench: as_user.download(bench.version, bench.to),
    "make a model": lambda as_user, bench: as_user.ensure_model(
        f"made-by-{as_user._connection.user}"
    ),
    "register a version": lambda as_user, bench: as_user.register(
        "flights", bench.run, bench.folder, CONTRACT, {}
    ),
    "tag a version": lambda as_user, bench: as_user.tag(bench.version, validation_status="passed"),
    "move an alias": lambda as_user, bench: as_user.set_alias("flights", "champion", bench.version),
    "clear an alias": lambda as_user, bench: as_user.clear_alias("flights", "champion"),
}
READ = {"read a run", "find the champion", "download a version"}
EDIT = READ | {"start a run", "log metrics", "log a file"}
ALLOWED = {
    "data-scientist": READ,
    "ml-engineer": EDIT,
    "releaser": set(CALLS),
}  # as tests/conftest.py declares for staging


def _found(version: Version | None) -> Version:
    assert version is not None
    return version


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("user", ALLOWED)
def test_the_matrix(bench: Bench, user: str, call: str):
    """Reading, editing and releasing are three rights; whoever lacks one is refused by the server, and told which."""
    as_user = Registry.connect(bench.project, load_environment(bench.project, "staging"), user)
    if call in ALLOWED[user]:
        CALLS[call](as_user, bench)
    else:
        with pytest.raises(
            RegistryError, match=f"expected {user} to have the right to .*permission denied"
        ):
            CALLS[call](as_user, bench)


@pytest.mark.parametrize("user", ["data-scientist", "ml-engineer"])
def test_a_refused_alias_has_not_moved(bench: Bench, releaser: Registry, user: str):
    """Refusal is not only a message: `champion` points where it did."""
    as_user = Registry.connect(bench.project, load_environment(bench.project, "staging"), user)
    with pytest.raises(RegistryError):
        as_user.clear_alias("flights", "champion")
    assert _found(releaser.find("flights", alias="champion")).version == bench.version.version


@pytest.mark.parametrize("user", ["data-scientist", "ml-engineer"])
def test_no_account_in_prod(bench: Bench, user: str):
    """Where the environment names nobody, nobody has a password, and the one from another environment opens nothing."""
    prod, staging = (load_environment(bench.project, name) for name in ("prod", "staging"))
    with pytest.raises(RegistryError, match=f"expected an account of {user}"):
        Registry.connect(bench.project, prod, user)
    remote_cluster = connection(bench.project, staging, user)
    stranger = Registry(
        Connection(
            environment="prod", address=prod.mlflow, user=user, password=remote_cluster.password
        )
    )
    for call in ("read a run", "find the champion", "make a model", "move an alias"):
        with pytest.raises(
            RegistryError,
            match=f"expected the password of {user}; found the server does not accept it",
        ):
            CALLS[call](stranger, bench)


@pytest.mark.parametrize("alias", ["champion", "challenger"])
@pytest.mark.parametrize("password", ["", "a-guess-that-is-long-enough"])
def test_the_job_that_reads_the_source_moves_no_alias(
    bench: Bench, releaser: Registry, alias: str, password: str
):
    """It has the server's address and no account there: whatever name it calls itself, nothing has moved."""
    releaser.set_alias("flights", alias, bench.version)
    address = load_environment(bench.project, "staging").mlflow
    for user in ("training", "releaser", "admin"):
        training = Registry(
            Connection(environment="staging", address=address, user=user, password=password)
        )
        with pytest.raises(RegistryError, match=f"expected the password of {user}"):
            training.clear_alias("flights", alias)
        with pytest.raises(RegistryError, match=f"expected the password of {user}"):
            training.tag(bench.version, verdict="0" * 64)
    assert _found(releaser.find("flights", alias=alias)).version == bench.version.version
    assert "verdict" not in _found(releaser.find("flights", version=bench.version.version)).tags


def test_two_connections_do_not_share_credentials(bench: Bench, releaser: Registry):
    """In one process, the releaser stays the releaser and the reader the reader, whoever called last, or first about a run."""
    reader = Registry.connect(
        bench.project, load_environment(bench.project, "staging"), "data-scientist"
    )
    for call in ("move an alias", "log a file"):
        for _ in range(2):
            with pytest.raises(RegistryError):
                CALLS[call](reader, bench)
            CALLS[call](releaser, bench)


def test_who_may_edit_experiments_can_spoil_a_version_but_not_pass_it_off(
    bench: Bench, releaser: Registry, own_version: Version
):
    """MLflow keeps a version's files in its experiment, so an editor can overwrite them; the digest tag is the releaser's."""
    engineer = Registry.connect(
        bench.project, load_environment(bench.project, "staging"), "ml-engineer"
    )
    place = releaser._client.get_model_version_download_uri("flights", own_version.version)
    other = bench.to.with_name("model.skops")
    other.write_bytes(b"mine")
    engineer._artifacts(place).log_artifact(str(other), "model")
    with pytest.raises(RegistryError, match="permission denied"):
        engineer.tag(own_version, model_digest="mine")
    with pytest.raises(IntegrityError, match="the stored artifact was altered"):
        releaser.download(own_version, bench.to)


def test_an_error_holds_no_password(bench: Bench):
    """Neither the message nor its cause, which a traceback prints, tells the password that was used."""
    staging = load_environment(bench.project, "staging")
    reader = Registry.connect(bench.project, staging, "data-scientist")
    with pytest.raises(RegistryError) as caught:
        reader.log_file(bench.run, bench.folder / "contract.json")
    password = connection(bench.project, staging, "data-scientist").password
    assert password not in f"{caught.value} {caught.value.__cause__} {caught.value.__cause__!r}"


def test_a_right_taken_back_is_gone(bench: Bench):
    """An environment.yaml that says less is enough: the next `up` lowers the right, and removes who is no longer named."""
    declared = load_environment(bench.project, "staging")
    less = Environment.model_validate(declared.model_dump() | {"access": {"ml-engineer": "read"}})
    as_engineer, as_scientist = (
        Registry.connect(bench.project, declared, user)
        for user in ("ml-engineer", "data-scientist")
    )
    try:
        prepare_access(bench.project, [less], progress=print)
        CALLS["read a run"](as_engineer, bench)
        with pytest.raises(RegistryError, match="permission denied"):
            CALLS["start a run"](as_engineer, bench)
        with pytest.raises(RegistryError, match="does not accept it"):
            CALLS["read a run"](as_scientist, bench)
    finally:
        prepare_access(bench.project, [declared], progress=print)
    CALLS["start a run"](as_engineer, bench)
    CALLS["read a run"](as_scientist, bench)


def test_passwords_are_the_owners_alone(mlflow_server: Path):
    """The file can be read by its owner only; asking again changes no password."""
    environment = load_environment(mlflow_server, "staging")
    path = mlflow_server / ".titlebout" / "credentials.yaml"
    assert path.stat().st_mode & 0o777 == 0o600
    accounts = ensure_accounts(mlflow_server, environment)
    assert accounts == ensure_accounts(mlflow_server, environment)
    assert len(set(accounts.values())) == len(accounts) == 4


def test_what_this_project_grants():
    """The committed environments: edit in dev for both, staging for the engineer only, nobody but the releaser in prod."""
    project = find_project(Path(__file__).parent)
    granted = {name: load_environment(project, name).access for name in ("dev", "staging", "prod")}
    assert granted == {
        "dev": {"data-scientist": "edit", "ml-engineer": "edit"},
        "staging": {"data-scientist": "read", "ml-engineer": "edit"},
        "prod": {},
    }


def test_an_account_takes_the_password_that_it_is_given(mlflow_server: Path):
    """One that is there already, too: whose Secret was lost has another, and is the same account."""
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
