"""Run the registrar on a real API server, PostgreSQL and MLflow, and kill each at every step."""

import secrets
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy
from support import registrar_namespace

from titlebout.cluster import Api, tunnel
from titlebout.release.adapters import ADAPTERS
from titlebout.release.kubernetes_target import KubernetesTarget
from titlebout.rollout.kubernetes import KubernetesSlots
from titlebout.rollout.kubernetes.live_service import LiveService
from titlebout.rollout.kubernetes.statement import Earlier
from titlebout.spec import Cluster, ClusterError, Environment, NotAllowed
from titlebout.storage import Storage


@pytest.fixture(scope="module")
def database(images):
    """Start PostgreSQL in the namespace, and yield its address."""
    with (
        registrar_namespace.namespace_with_database(images["postgres"]),
        tunnel(None, registrar_namespace.NAMESPACE, "database", 5432) as address,
    ):
        yield f"postgresql://postgres:reg@{address.removeprefix('http://')}/postgres"


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory):
    """Start an MLflow server on this machine."""
    folder, port = tmp_path_factory.mktemp("mlflow"), registrar_namespace.free_port()
    command = (
        "-m",
        "mlflow",
        "server",
        "--port",
        str(port),
        "--backend-store-uri",
        f"sqlite:///{folder}/m.db",
        "--workers",
        "1",
    )
    server = registrar_namespace.Process(
        folder / "log",
        *command,
        port=port,
        health="/health",
        variables={"MLFLOW_DISABLE_TELEMETRY": "true"},
    )
    server.start()
    yield server
    server.kill()


class FollowedModel:
    """Set up one model with its registrar.

    Release 1 is live in blue and release 2 is in green; the live Service has CI's statement.
    """

    def __init__(self, folder: Path, database: str, mlflow: registrar_namespace.Process) -> None:
        self.model, self.mlflow, self.database = f"m{secrets.token_hex(4)}", mlflow, database
        self.first, self.second = (
            registrar_namespace.make_release(self.model, number) for number in (1, 2)
        )
        storage = Storage(str(folder / "storage"))
        for record in (self.first, self.second):
            storage.write_record(record, "releases", f"{record.id}.json")
        mlflow.post("/api/2.0/mlflow/registered-models/create", {"name": self.model})
        for record in (self.first, self.second):
            tags = [{"key": "model_digest", "value": record.model_digest}]
            mlflow.post(
                "/api/2.0/mlflow/model-versions/create",
                {"name": self.model, "source": "s3://nowhere/m", "tags": tags},
            )
        port = registrar_namespace.free_port()
        variables = {
            "TITLEBOUT_NAMESPACE": registrar_namespace.NAMESPACE,
            "TITLEBOUT_ENVIRONMENT": "prod",
            "TITLEBOUT_LEDGER": database,
            "TITLEBOUT_STORAGE": str(folder / "storage"),
            "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{mlflow.port}",
            "MLFLOW_TRACKING_USERNAME": "releaser",
            "MLFLOW_TRACKING_PASSWORD": "releaser",
            "TITLEBOUT_PORT": str(port),
        }
        self.log = folder / "registrar.log"
        self.registrar = registrar_namespace.Process(
            self.log, "-m", "titlebout.registrar", port=port, health="/healthz", variables=variables
        )
        registrar_namespace.apply(
            registrar_namespace.slot_deployment(self.model, "blue", self.first.id),
            registrar_namespace.slot_deployment(self.model, "green", self.second.id),
        )
        registrar_namespace.apply(
            registrar_namespace.live_service(
                self.model,
                "blue",
                registrar_namespace.make_statement(
                    secrets.token_hex(8), "blue", self.first.id, None
                ),
            )
        )

    def switch(self) -> None:
        """Switch as the releaser does: selector and statement in one update."""
        registrar_namespace.apply(
            registrar_namespace.live_service(
                self.model,
                "green",
                registrar_namespace.make_statement(
                    secrets.token_hex(8), "green", self.second.id, self.first.id
                ),
            )
        )

    @property
    def slots(self) -> KubernetesSlots:
        """Return the slots as the releaser has them; no chart is installed here."""
        return KubernetesSlots(
            Api(None),
            None,
            chart=Path("none"),
            namespace=registrar_namespace.NAMESPACE,
            model=self.model,
        )

    @property
    def target(self) -> KubernetesTarget:
        """Return the target by which a release checks that the ledger has caught up.

        The registrar is a process here, so it is asked without the API server.
        """
        cluster = Cluster(images="none")
        environment = Environment(
            name="prod", mlflow="http://127.0.0.1:9", storage="storage", kubernetes=cluster
        )
        return LocallyAskedTarget(
            Path("none"),
            self.model,
            environment,
            self.slots,
            ADAPTERS,
            cluster,
            ExitStack(),
            self.registrar,
        )

    def switch_and_roll_back(self) -> None:
        """Switch and switch back, as a release does whose bake fails."""
        slots = self.slots
        switched = slots.switch(
            "green",
            kind="switched",
            by="ci",
            reason="the gate accepted it",
            evidence={},
            after=slots.live().number,
        )
        slots.switch(
            "blue",
            kind="rolled_back",
            by="ci",
            reason="bake failed",
            evidence={},
            after=switched.number,
        )

    def moves(self) -> list[tuple[str, str]]:
        """Return kind and release (one or two) of each switch and rollback in the ledger."""
        entries = self.registrar.get(f"/history/{self.model}") or []
        return [
            (e["kind"], "one" if e["to_release"] == self.first.id else "two")
            for e in entries
            if e["kind"] in ("switched", "rolled_back")
        ]

    def champion(self) -> str | None:
        """Return the version with the alias `champion`, or None."""
        found = self.mlflow.get(f"/api/2.0/mlflow/registered-models/get?name={self.model}") or {}
        return {
            a["alias"]: a["version"] for a in found.get("registered_model", {}).get("aliases", ())
        }.get("champion")

    def wait_for(
        self,
        *moves: tuple[str, str],
        champion: str,
        seconds: float = registrar_namespace.FOLLOW_SECONDS,
    ) -> float:
        """Wait until ledger and alias are as given, and return the seconds that it took."""
        return registrar_namespace.wait_until(
            lambda: (self.moves(), self.champion()) == (list(moves), champion), seconds=seconds
        )

    def faults(self) -> list[str] | None:
        """Return the model's faults, or None until the registrar has checked everything."""
        found = self.registrar.get("/verify")
        return (
            None
            if found is None
            else [fault for fault in found["faults"] if fault.startswith(self.model)]
        )

    def remove(self) -> None:
        """Kill the registrar and delete the model's objects."""
        self.registrar.kill()
        registrar_namespace.kubectl(
            "delete",
            "service,deployment",
            self.model,
            f"{self.model}-blue",
            f"{self.model}-green",
            "--ignore-not-found",
        )


@dataclass(frozen=True)
class LocallyAskedTarget(KubernetesTarget):
    """Ask the registrar's process on this machine in place of the API server."""

    registrar: registrar_namespace.Process

    def _ask(self, path):
        if (answer := self.registrar.get(f"/{path}")) is None:
            raise ClusterError(
                "registrar", expected="an answer", found="none", next_step="start it"
            )
        return answer


@pytest.fixture
def followed_model(tmp_path, database, mlflow):
    """Start the registrar, and yield its model once the first entry is written."""
    made = FollowedModel(tmp_path, database, mlflow)
    made.registrar.start()
    try:
        made.wait_for(FIRST, champion="1", seconds=START_SECONDS)
        yield made
    finally:
        print(made.log.read_text()[-3000:])
        made.remove()


START_SECONDS = 90  # Python imports slowly beside other work on two cores
FIRST, SWITCHED, BACK = ("switched", "one"), ("switched", "two"), ("rolled_back", "one")


def test_ledger_and_alias_follow_a_switch_and_a_kubectl_patch(followed_model):
    """A switch is recorded as its statement says, and a kubectl patch by kubectl's name.

    Both are recorded within five seconds.
    """
    followed_model.switch()
    followed_model.wait_for(FIRST, SWITCHED, champion="2")
    registrar_namespace.patch_slot(followed_model.model, "blue")
    print("seconds", followed_model.wait_for(FIRST, SWITCHED, BACK, champion="1"))
    assert (
        followed_model.registrar.get(f"/history/{followed_model.model}")[-1]["by"]
        == "kubectl-patch"
    )
    assert followed_model.faults() == []


def test_alias_follows_when_mlflow_is_back(followed_model):
    """The ledger does not wait for MLflow; the alias moves when MLflow is back."""
    followed_model.mlflow.kill()
    try:
        followed_model.switch()
        registrar_namespace.wait_until(lambda: followed_model.moves() == [FIRST, SWITCHED])
    finally:
        followed_model.mlflow.start()
    followed_model.wait_for(FIRST, SWITCHED, champion="2", seconds=START_SECONDS)


def test_two_quick_changes_are_two_entries(followed_model):
    """A patch and the patch back are both in the ledger."""
    registrar_namespace.patch_slot(followed_model.model, "green")
    registrar_namespace.patch_slot(followed_model.model, "blue")
    followed_model.wait_for(FIRST, SWITCHED, BACK, champion="1")


def test_changes_while_the_registrar_is_dead_are_found(followed_model):
    """The next registrar records a switch and the kubectl patch after it.

    Only the patch is live then.
    """
    followed_model.registrar.kill()
    followed_model.switch()
    registrar_namespace.patch_slot(followed_model.model, "blue")
    followed_model.registrar.start()
    followed_model.wait_for(FIRST, SWITCHED, BACK, champion="1", seconds=START_SECONDS)
    followed_model.registrar.kill()
    followed_model.registrar.start()
    followed_model.wait_for(FIRST, SWITCHED, BACK, champion="1", seconds=START_SECONDS)


def test_switches_while_the_registrar_is_dead_are_all_written(followed_model):
    """The next registrar records every switch once, in order and in its releaser's words.

    The second switch overwrote the first one's statement. A patch comes after both.
    """
    followed_model.registrar.kill()
    followed_model.switch_and_roll_back()
    followed_model.registrar.start()
    followed_model.wait_for(FIRST, SWITCHED, BACK, champion="1", seconds=START_SECONDS)
    assert [
        entry["by"]
        for entry in followed_model.registrar.get(f"/history/{followed_model.model}")
        if entry["kind"] != "overridden"
    ] == ["ci"] * 3
    followed_model.registrar.kill()
    followed_model.switch_and_roll_back()
    registrar_namespace.patch_slot(followed_model.model, "green")
    followed_model.registrar.start()
    followed_model.wait_for(
        FIRST, *(SWITCHED, BACK) * 2, ("rolled_back", "two"), champion="2", seconds=START_SECONDS
    )
    followed_model.registrar.kill()
    followed_model.registrar.start()
    followed_model.wait_for(
        FIRST, *(SWITCHED, BACK) * 2, ("rolled_back", "two"), champion="2", seconds=START_SECONDS
    )
    registrar_namespace.wait_until(lambda: followed_model.faults() == [])


def test_the_test_catches_a_releaser_that_keeps_nothing(followed_model, monkeypatch):
    """Show that the test fails a releaser that does not keep overwritten statements.

    Then the ledger does not know who released it, but has at least that it was live.
    """
    monkeypatch.setattr(LiveService, "earlier", Earlier())
    monkeypatch.setattr(Earlier, "and_then", lambda self, statement: self)
    followed_model.registrar.kill()
    followed_model.switch_and_roll_back()
    followed_model.registrar.start()
    followed_model.wait_for(FIRST, SWITCHED, BACK, champion="1", seconds=START_SECONDS)
    assert "unknown" in [
        entry["by"] for entry in followed_model.registrar.get(f"/history/{followed_model.model}")
    ]


def test_a_release_waits_for_the_ledger_and_a_rollback_does_not(followed_model):
    """Refuse a release while the registrar is dead, and name the registrar and the next step.

    Once it is back, a release may begin.
    """
    followed_model.target.require_recorded()
    followed_model.registrar.kill()
    with pytest.raises(
        NotAllowed,
        match=f"registrar in {registrar_namespace.NAMESPACE} does not answer"
        ".*kubectl logs.*deployment/registrar",
    ):
        followed_model.target.require_recorded()
    followed_model.switch_and_roll_back()
    followed_model.registrar.start()
    followed_model.target.require_recorded()


def test_a_release_put_back_in_the_live_slot_is_followed(followed_model):
    """The ledger follows a helm rollback of the live slot: another release in the same slot."""
    registrar_namespace.apply(
        registrar_namespace.slot_deployment(followed_model.model, "blue", followed_model.second.id)
    )
    followed_model.wait_for(FIRST, SWITCHED, champion="2")
    registrar_namespace.apply(
        registrar_namespace.slot_deployment(followed_model.model, "blue", followed_model.first.id)
    )
    followed_model.wait_for(FIRST, SWITCHED, BACK, champion="1")


def test_a_tampered_chain_is_found_by_verify(followed_model, database):
    """Report an entry that was altered in PostgreSQL."""
    engine = sqlalchemy.create_engine(database)
    with engine.begin() as connection:
        connection.execute(
            sqlalchemy.text(
                "UPDATE ledger SET reason = 'no' WHERE model = :m AND kind = 'switched'"
            ),
            {"m": followed_model.model},
        )
    assert any("altered" in fault for fault in followed_model.faults())


@pytest.mark.parametrize("column", ["evidence", "kind", "from_release"])
def test_a_tampered_model_does_not_keep_the_others_from_being_followed(
    followed_model, tmp_path, database, mlflow, column
):
    """An unreadable entry is reported by verify and status, and other models are followed.

    Nothing is written after the altered entry.
    """
    other = FollowedModel(tmp_path, database, mlflow)
    try:
        registrar_namespace.wait_until(
            lambda: len(followed_model.registrar.get(f"/history/{other.model}") or ()) == 2
        )
        with sqlalchemy.create_engine(database).begin() as connection:
            connection.execute(
                sqlalchemy.text(f"UPDATE ledger SET {column} = '{{' WHERE model = :m"),  # noqa: S608
                {"m": other.model},
            )
        other.switch()
        followed_model.switch()
        followed_model.wait_for(FIRST, SWITCHED, champion="2")
        assert (
            "entry 1 was altered"
            in followed_model.registrar.get("/status")["problems"][f"ledger of {other.model}"]
        )
        assert [
            fault
            for fault in followed_model.registrar.get("/verify")["faults"]
            if fault.startswith(f"{other.model}: entry 1 was altered")
        ]
        assert followed_model.faults() == []
        other.registrar = followed_model.registrar
        with pytest.raises(NotAllowed, match="entry 1"):
            other.target.require_recorded()
    finally:
        registrar_namespace.kubectl(
            "delete",
            "service,deployment",
            other.model,
            f"{other.model}-blue",
            f"{other.model}-green",
            "--ignore-not-found",
        )


def test_the_test_catches_a_registrar_that_ignores_outside_changes(followed_model):
    """Show that the test fails a registrar that ignores changes from outside."""
    followed_model.registrar.kill()
    broken = """
import titlebout.registrar.write_entries as w
w._write_outside_change = lambda *a: None
from titlebout.registrar.__main__ import main
main()
"""
    followed_model.registrar._command = ("-c", broken)
    followed_model.registrar.start()
    registrar_namespace.patch_slot(followed_model.model, "green")
    with pytest.raises(AssertionError, match="not within"):
        followed_model.wait_for(FIRST, SWITCHED, champion="2")


def test_the_plugin_rolls_back_once_and_needs_no_registrar(followed_model):
    """The plugin rolls back once while the registrar is dead.

    It refuses where no pod is ready, and a second rollback does nothing.
    """
    followed_model.switch()
    followed_model.wait_for(FIRST, SWITCHED, champion="2")
    followed_model.registrar.kill()
    plugin = [
        str(Path(sys.executable).with_name("kubectl-titlebout")),
        "rollback",
        followed_model.model,
        "-n",
        registrar_namespace.NAMESPACE,
    ]
    refused = subprocess.run(plugin, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "no pod of slot blue is ready" in refused.stderr
    assert shutil.which("kubectl")
    registrar_namespace.apply(
        registrar_namespace.slot_deployment(
            followed_model.model, "blue", followed_model.first.id, replicas=1
        )
    )
    registrar_namespace.kubectl(
        "rollout", "status", f"deployment/{followed_model.model}-blue", "--timeout=60s"
    )
    done = subprocess.run(plugin, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    followed_model.registrar.start()
    followed_model.wait_for(FIRST, SWITCHED, BACK, champion="1", seconds=START_SECONDS)
    assert (
        "rolled back already"
        in subprocess.run(plugin, capture_output=True, text=True, check=False).stdout
    )
