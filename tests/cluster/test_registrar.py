"""The registrar against a real API server, PostgreSQL and MLflow, killed and cut off at every step."""

import secrets
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy
from support import registrar_namespace as house

from titlebout.cluster import Api, tunnel
from titlebout.release.adapters import ADAPTERS
from titlebout.release.kubernetes_target import KubernetesTarget
from titlebout.rollout.kubernetes import KubernetesSlots
from titlebout.rollout.kubernetes import kubernetes_slots as slots_module
from titlebout.rollout.kubernetes.statement import Earlier
from titlebout.spec import Cluster, ClusterError, Environment, NotAllowed
from titlebout.storage import Storage


@pytest.fixture(scope="module")
def database(images):
    with (
        house.namespace_with_database(images["postgres"]),
        tunnel(None, house.NAMESPACE, "database", 5432) as address,
    ):
        yield f"postgresql://postgres:reg@{address.removeprefix('http://')}/postgres"


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("mlflow"), house.free_port()
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
    server = house.Process(
        folder / "log",
        *command,
        port=port,
        health="/health",
        variables={"MLFLOW_DISABLE_TELEMETRY": "true"},
    )
    server.start()
    yield server
    server.kill()


class World:
    """One model with release 1 live in blue and release 2 in green, told as CI's switch."""

    def __init__(self, folder: Path, database: str, mlflow: house.Process) -> None:
        self.model, self.mlflow, self.database = f"m{secrets.token_hex(4)}", mlflow, database
        self.one, self.two = (house.record(self.model, number) for number in (1, 2))
        storage = Storage(str(folder / "storage"))
        for record in (self.one, self.two):
            storage.write_record(record, "releases", f"{record.id}.json")
        mlflow.post("/api/2.0/mlflow/registered-models/create", {"name": self.model})
        for record in (self.one, self.two):
            tags = [{"key": "model_digest", "value": record.model_digest}]
            mlflow.post(
                "/api/2.0/mlflow/model-versions/create",
                {"name": self.model, "source": "s3://nowhere/m", "tags": tags},
            )
        port = house.free_port()
        variables = {
            "TITLEBOUT_NAMESPACE": house.NAMESPACE,
            "TITLEBOUT_ENVIRONMENT": "prod",
            "TITLEBOUT_LEDGER": database,
            "TITLEBOUT_STORAGE": str(folder / "storage"),
            "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{mlflow.port}",
            "MLFLOW_TRACKING_USERNAME": "releaser",
            "MLFLOW_TRACKING_PASSWORD": "releaser",
            "TITLEBOUT_PORT": str(port),
        }
        self.log = folder / "registrar.log"
        self.registrar = house.Process(
            self.log, "-m", "titlebout.registrar", port=port, health="/healthz", variables=variables
        )
        house.apply(
            house.slot(self.model, "blue", self.one.id),
            house.slot(self.model, "green", self.two.id),
        )
        house.apply(
            house.live(
                self.model, "blue", house.statement(secrets.token_hex(8), "blue", self.one.id, None)
            )
        )

    def switch(self) -> None:
        """As the releaser does it: selector and statement in one update."""
        house.apply(
            house.live(
                self.model,
                "green",
                house.statement(secrets.token_hex(8), "green", self.two.id, self.one.id),
            )
        )

    @property
    def slots(self) -> KubernetesSlots:
        """As the releaser has them; no chart is installed here."""
        return KubernetesSlots(
            Api(None), None, chart=Path("none"), namespace=house.NAMESPACE, model=self.model
        )

    @property
    def place(self) -> KubernetesTarget:
        """What a release asks whether the ledger has caught up; the registrar is a process here, so it is asked without the API server."""
        cluster = Cluster(images="none")
        environment = Environment(
            name="prod", mlflow="http://127.0.0.1:9", storage="storage", kubernetes=cluster
        )
        return AskedHere(
            Path("none"),
            self.model,
            environment,
            self.slots,
            ADAPTERS,
            cluster,
            ExitStack(),
            self.registrar,
        )

    def there_and_back(self) -> None:
        """A release whose bake fails: two switches, the second over the first."""
        slots = self.slots
        switched = slots.switch(
            "green",
            kind="switched",
            by="ci",
            reason="it won",
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
        entries = self.registrar.get(f"/history/{self.model}") or []
        return [
            (e["kind"], "one" if e["to_release"] == self.one.id else "two")
            for e in entries
            if e["kind"] in ("switched", "rolled_back")
        ]

    def champion(self) -> str | None:
        found = self.mlflow.get(f"/api/2.0/mlflow/registered-models/get?name={self.model}") or {}
        return {
            a["alias"]: a["version"] for a in found.get("registered_model", {}).get("aliases", ())
        }.get("champion")

    def follows(
        self, *moves: tuple[str, str], champion: str, seconds: float = house.FOLLOW_SECONDS
    ) -> float:
        return house.wait_until(
            lambda: (self.moves(), self.champion()) == (list(moves), champion), seconds=seconds
        )

    def faults(self) -> list[str] | None:
        """None as long as the registrar has not looked at everything."""
        found = self.registrar.get("/verify")
        return (
            None
            if found is None
            else [fault for fault in found["faults"] if fault.startswith(self.model)]
        )

    def remove(self) -> None:
        self.registrar.kill()
        house.kubectl(
            "delete",
            "service,deployment",
            self.model,
            f"{self.model}-blue",
            f"{self.model}-green",
            "--ignore-not-found",
        )


@dataclass(frozen=True)
class AskedHere(KubernetesTarget):
    registrar: house.Process

    def _ask(self, path):
        if (answer := self.registrar.get(f"/{path}")) is None:
            raise ClusterError(
                "registrar", expected="an answer", found="none", next_step="start it"
            )
        return answer


@pytest.fixture
def world(tmp_path, database, mlflow):
    made = World(tmp_path, database, mlflow)
    made.registrar.start()
    try:
        made.follows(FIRST, champion="1", seconds=START_SECONDS)
        yield made
    finally:
        print(made.log.read_text()[-3000:])
        made.remove()


START_SECONDS = 90  # imports beside others on two cores
FIRST, SWITCHED, BACK = ("switched", "one"), ("switched", "two"), ("rolled_back", "one")


def test_ledger_and_alias_follow_a_switch_and_a_kubectl_patch(world):
    """What was told is written as told; what kubectl did is written with kubectl's name, both within five seconds."""
    world.switch()
    world.follows(FIRST, SWITCHED, champion="2")
    house.patch_slot(world.model, "blue")
    print("seconds", world.follows(FIRST, SWITCHED, BACK, champion="1"))
    assert world.registrar.get(f"/history/{world.model}")[-1]["by"] == "kubectl-patch"
    assert world.faults() == []


def test_alias_follows_when_mlflow_is_back(world):
    """The ledger does not wait for MLflow; the alias moves when it can."""
    world.mlflow.kill()
    try:
        world.switch()
        house.wait_until(lambda: world.moves() == [FIRST, SWITCHED])
    finally:
        world.mlflow.start()
    world.follows(FIRST, SWITCHED, champion="2", seconds=START_SECONDS)


def test_two_quick_changes_are_two_entries(world):
    """A patch forth and back at once leaves both in the ledger."""
    house.patch_slot(world.model, "green")
    house.patch_slot(world.model, "blue")
    world.follows(FIRST, SWITCHED, BACK, champion="1")


def test_changes_while_the_registrar_is_dead_are_found(world):
    """A told switch and the kubectl patch after it are both written by the next registrar, though only the last is live."""
    world.registrar.kill()
    world.switch()
    house.patch_slot(world.model, "blue")
    world.registrar.start()
    world.follows(FIRST, SWITCHED, BACK, champion="1", seconds=START_SECONDS)
    world.registrar.kill()
    world.registrar.start()
    world.follows(FIRST, SWITCHED, BACK, champion="1", seconds=START_SECONDS)


def test_switches_while_the_registrar_is_dead_are_all_written(world):
    """The first, which the second overwrote, comes first, in its releaser's words; once, whoever looks again; a patch comes after both."""
    world.registrar.kill()
    world.there_and_back()
    world.registrar.start()
    world.follows(FIRST, SWITCHED, BACK, champion="1", seconds=START_SECONDS)
    assert [
        entry["by"]
        for entry in world.registrar.get(f"/history/{world.model}")
        if entry["kind"] != "overridden"
    ] == ["ci"] * 3
    world.registrar.kill()
    world.there_and_back()
    house.patch_slot(world.model, "green")
    world.registrar.start()
    world.follows(
        FIRST, *(SWITCHED, BACK) * 2, ("rolled_back", "two"), champion="2", seconds=START_SECONDS
    )
    world.registrar.kill()
    world.registrar.start()
    world.follows(
        FIRST, *(SWITCHED, BACK) * 2, ("rolled_back", "two"), champion="2", seconds=START_SECONDS
    )
    house.wait_until(lambda: world.faults() == [])


def test_the_test_catches_a_releaser_that_keeps_nothing(world, monkeypatch):
    """Broken on purpose: overwritten and not kept, who released it is lost; the ledger says at least that it was live."""
    monkeypatch.setattr(slots_module.LiveService, "earlier", Earlier())
    monkeypatch.setattr(Earlier, "and_then", lambda self, told: self)
    world.registrar.kill()
    world.there_and_back()
    world.registrar.start()
    world.follows(FIRST, SWITCHED, BACK, champion="1", seconds=START_SECONDS)
    assert "unknown" in [entry["by"] for entry in world.registrar.get(f"/history/{world.model}")]


def test_a_release_waits_for_the_ledger_and_a_rollback_does_not(world):
    """While the registrar is dead, no next release begins, and it is said which registrar and what to do; back again, it begins."""
    world.place.require_recorded()
    world.registrar.kill()
    with pytest.raises(
        NotAllowed,
        match=f"registrar in {house.NAMESPACE} does not answer.*kubectl logs.*deployment/registrar",
    ):
        world.place.require_recorded()
    world.there_and_back()
    world.registrar.start()
    world.place.require_recorded()


def test_a_release_put_back_in_the_live_slot_is_followed(world):
    """What helm rollback of the live slot does: the Service stays, the Deployment names another release."""
    house.apply(house.slot(world.model, "blue", world.two.id))
    world.follows(FIRST, SWITCHED, champion="2")
    house.apply(house.slot(world.model, "blue", world.one.id))
    world.follows(FIRST, SWITCHED, BACK, champion="1")


def test_a_tampered_chain_is_found_by_verify(world, database):
    """An entry that was altered in PostgreSQL no longer has its hash."""
    engine = sqlalchemy.create_engine(database)
    with engine.begin() as connection:
        connection.execute(
            sqlalchemy.text(
                "UPDATE ledger SET reason = 'no' WHERE model = :m AND kind = 'switched'"
            ),
            {"m": world.model},
        )
    assert any("altered" in fault for fault in world.faults())


@pytest.mark.parametrize("column", ["evidence", "kind", "from_release"])
def test_a_tampered_model_does_not_keep_the_others_from_being_followed(
    world, tmp_path, database, mlflow, column
):
    """What cannot even be read is named by verify and status; nothing is written after it, and other models go on."""
    other = World(tmp_path, database, mlflow)
    try:
        house.wait_until(lambda: len(world.registrar.get(f"/history/{other.model}") or ()) == 2)
        with sqlalchemy.create_engine(database).begin() as connection:
            connection.execute(
                sqlalchemy.text(f"UPDATE ledger SET {column} = '{{' WHERE model = :m"),  # noqa: S608
                {"m": other.model},
            )
        other.switch()
        world.switch()
        world.follows(FIRST, SWITCHED, champion="2")
        assert (
            "entry 1 was altered"
            in world.registrar.get("/status")["problems"][f"ledger of {other.model}"]
        )
        assert [
            fault
            for fault in world.registrar.get("/verify")["faults"]
            if fault.startswith(f"{other.model}: entry 1 was altered")
        ]
        assert world.faults() == []
        other.registrar = world.registrar
        with pytest.raises(NotAllowed, match="entry 1"):
            other.place.require_recorded()
    finally:
        house.kubectl(
            "delete",
            "service,deployment",
            other.model,
            f"{other.model}-blue",
            f"{other.model}-green",
            "--ignore-not-found",
        )


def test_the_test_catches_a_registrar_that_writes_what_was_told_only(world):
    """Broken on purpose: without the look at what came from outside, a kubectl patch is not followed."""
    world.registrar.kill()
    broken = "import titlebout.registrar.write_entries as w; w._write_outside_change = lambda *a: None; from titlebout.registrar.__main__ import main; main()"
    world.registrar._command = ("-c", broken)
    world.registrar.start()
    house.patch_slot(world.model, "green")
    with pytest.raises(AssertionError, match="not within"):
        world.follows(FIRST, SWITCHED, champion="2")


def test_the_plugin_rolls_back_once_and_needs_no_registrar(world):
    """With registrar dead the plugin patches the Service; run again it does nothing; refused where no pod is ready."""
    world.switch()
    world.follows(FIRST, SWITCHED, champion="2")
    world.registrar.kill()
    plugin = [
        str(Path(sys.executable).with_name("kubectl-titlebout")),
        "rollback",
        world.model,
        "-n",
        house.NAMESPACE,
    ]
    refused = subprocess.run(plugin, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "no pod of slot blue is ready" in refused.stderr
    assert shutil.which("kubectl")
    house.apply(house.slot(world.model, "blue", world.one.id, replicas=1))
    house.kubectl("rollout", "status", f"deployment/{world.model}-blue", "--timeout=60s")
    done = subprocess.run(plugin, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    world.registrar.start()
    world.follows(FIRST, SWITCHED, BACK, champion="1", seconds=START_SECONDS)
    assert (
        "rolled back already"
        in subprocess.run(plugin, capture_output=True, text=True, check=False).stdout
    )
