"""Make a small project with real Caddy, real processes and a real ledger.

Only registry, packager and model are light.
"""

import json
import shutil
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import yaml
from support.free_ports import first_of_three
from support.tried_model import MODEL_YAML as SMALLEST_MODEL_YAML

from titlebout.ledger.history import history
from titlebout.registry import Version
from titlebout.release import Outcome, release, rollback
from titlebout.release.release_target import Adapters, Server
from titlebout.rollout import halt_serving, open_slots
from titlebout.spec import (
    CONFIGURATION_TAG,
    Comparison,
    Contract,
    Engine,
    Environment,
    GatePolicy,
    Input,
    IntegrityError,
    Override,
    Progress,
    RegistryError,
    Verdict,
    digest_of_folder,
    load_environment,
    load_model_spec,
)
from titlebout.storage import Storage, layout, open_storage

MODEL, ENVIRONMENT = "tiny", "prod"
NOT_USED: Any = None  # stands for an adapter that these tests never call
TINY_SERVER = Path(__file__).with_name("tiny_server.py")
SERVICE = "service: {p99_ms: 1000, requests_per_second: 40}\n"
MODEL_YAML = SMALLEST_MODEL_YAML.replace("tried", MODEL) + SERVICE


class FolderRegistry:
    """Keep versions in one JSON file, so that a killed process loses nothing.

    It has the registry's methods that a release uses. It is away while the file `away` exists.
    """

    def __init__(self, folder: Path, *, away: Path | None = None) -> None:
        self.folder, self.file, self.away = folder, folder / "registry.json", away

    def find(
        self,
        model: str,
        *,
        alias: str | None = None,
        version: str | None = None,
        digest: str | None = None,
    ) -> Version | None:
        """Return the version with this alias, number or model digest, or None."""
        state = self._state()
        wanted = state["aliases"].get(alias) if alias else version
        for number, tags in state["versions"].items():
            if number == wanted or (digest and tags["model_digest"] == digest):
                return Version(model=model, version=number, run_id="run", tags=tags)
        return None

    def newest(self, model: str) -> Version | None:
        """Return the version with the highest number, or None."""
        numbers = sorted(map(int, self._state()["versions"]))
        return self.find(model, version=str(numbers[-1])) if numbers else None

    def tag(self, version: Version, **tags: str) -> None:
        """Set tags on the version."""
        state = self._state()
        state["versions"][version.version].update(tags)
        self._write(state)

    def set_alias(self, model: str, alias: str, version: Version) -> None:
        """Give the alias to the version."""
        state = self._state()
        state["aliases"][alias] = version.version
        self._write(state)

    def clear_alias(self, model: str, alias: str) -> None:
        """Take the alias from the version that has it."""
        state = self._state()
        state["aliases"].pop(alias, None)
        self._write(state)

    def download(self, version: Version, to: Path) -> Path:
        """Copy the model folder; raise IntegrityError if it was altered."""
        source = self.folder / version.version
        if digest_of_folder(source) != version.digest:
            raise IntegrityError(
                "version", expected=version.digest, found="another digest", next_step="restore it"
            )
        return Path(shutil.copytree(source, to))

    def register(self, model_folder: Path, **tags: str) -> Version:
        """Copy the model folder as a new version with the alias `challenger`."""
        state = self._state()
        number = str(len(state["versions"]) + 1)
        shutil.copytree(model_folder, self.folder / number)
        known = {
            "model_digest": digest_of_folder(model_folder),
            "dataset": "d" * 64,
            "validation_status": "passed",
            **tags,
        }
        state["versions"][number] = known
        state["aliases"]["challenger"] = number
        self._write(state)
        return Version(model=MODEL, version=number, run_id="run", tags=known)

    def _state(self) -> dict[str, dict[str, Any]]:
        if self.away and self.away.exists():
            raise RegistryError(
                "registry", expected="an answer", found="none", next_step="titlebout up"
            )
        return (
            json.loads(self.file.read_text())
            if self.file.is_file()
            else {"versions": {}, "aliases": {}}
        )

    def _write(self, state: dict[str, dict[str, Any]]) -> None:
        partial = self.file.with_suffix(".partial")
        partial.write_text(json.dumps(state))
        partial.replace(self.file)


class ReleaseProject:
    """Release tiny models in a project of its own.

    `challenger()` registers a version that the gate accepts against what is live.
    """

    def __init__(self, project: Path) -> None:
        self.project = project
        self.adapters = Adapters(
            connect=self._connect, build=_build, serve=_serve, build_image=NOT_USED
        )

    def build(self, *, test_seconds: float = 0.1, bake_seconds: float = 0.2) -> Self:
        """Write the project's files, and return the project."""
        (self.project / "models" / MODEL).mkdir(parents=True)
        (self.project / "models" / MODEL / "model.yaml").write_text(MODEL_YAML)
        (self.project / "environments" / ENVIRONMENT).mkdir(parents=True)
        (self.project / "environments" / ENVIRONMENT / "environment.yaml").write_text(
            f"name: prod\nmlflow: http://127.0.0.1:9\nstorage: storage\n"
            f"serving: {{port: {first_of_three()}, test_seconds: {test_seconds}, "
            f"bake_seconds: {bake_seconds}}}\n"
        )
        (self.project / "registry").mkdir()
        return self

    def edit_model_yaml(self, **more: Any) -> None:
        """Set these fields of model.yaml."""
        path = self.project / "models" / MODEL / "model.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | more))

    def declare(self, **more: Any) -> None:
        """Set these fields of environment.yaml."""
        path = self.project / "environments" / ENVIRONMENT / "environment.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | more))

    @property
    def environment(self) -> Environment:
        """Return the environment as it is declared now."""
        return load_environment(self.project, ENVIRONMENT)

    @property
    def slots(self) -> Any:
        """Open the model's slots."""
        return open_slots(self.project, MODEL, self.environment)

    @property
    def storage(self) -> Storage:
        """Open the environment's storage."""
        return open_storage(self.project, self.environment.storage)

    @property
    def registry(self) -> FolderRegistry:
        """Open the registry, whether it is away or not."""
        return FolderRegistry(self.project / "registry")

    def challenger(
        self,
        *,
        verdict: Any = "accept",
        opponent: str | None = "live",
        validation: str = "passed",
        disagreement: Any = None,
        **behaviour: Any,
    ) -> Version:
        """Register a version; equal behaviours make equal models, so give each a `name`."""
        folder = self.project / "fitted"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "behaviour.json").write_text(json.dumps(behaviour))
        contract = Contract(
            model=MODEL,
            task="regression",
            target="y",
            inputs=tuple(
                Input(name=name, type="number", example=1.0)
                for name in behaviour.get("columns", ["x"])
            ),
            engine=Engine(name="onnx", reason="tests"),
        )
        (folder / "contract.json").write_text(contract.canonical_json())
        against = self._live_model() if opponent == "live" else opponent
        verdict_record = make_verdict(
            verdict, digest_of_folder(folder), against, disagreement=disagreement
        )
        self.storage.write_record(verdict_record, "verdicts", f"{verdict_record.digest}.json")
        spec = load_model_spec(self.project, MODEL)
        self.storage.write_record(spec, *layout.configuration(spec.digest))
        tags = {
            CONFIGURATION_TAG: spec.digest,
            "verdict": verdict_record.digest,
            "validation_status": validation,
        }
        return self.registry.register(folder, **tags)

    def register_failed_version(
        self, *, reasons: str = "trees: too slow", **behaviour: Any
    ) -> Version:
        """Register a version that fails validation; the alias `challenger` does not move."""
        before = self.registry.find(MODEL, alias="challenger")
        version = self.challenger(validation="failed", **behaviour)
        self.registry.tag(version, validation_failures=reasons)
        self.registry.set_alias(
            MODEL, "challenger", before
        ) if before else self.registry.clear_alias(MODEL, "challenger")
        return version

    def release(
        self,
        *,
        by: str = "a test",
        override: Override | None = None,
        version: str | None = None,
        progress: Progress = lambda line: None,
        wait_seconds: float = 10.0,
    ) -> Outcome:
        """Release with the project's adapters."""
        return release(
            self.project,
            MODEL,
            ENVIRONMENT,
            by=by,
            override=override,
            version=version,
            progress=progress,
            adapters=self.adapters,
            wait_seconds=wait_seconds,
        )

    def rollback(self, *, by: str = "a test", reason: str = "to see") -> Outcome:
        """Roll back with the project's adapters."""
        return rollback(
            self.project, MODEL, ENVIRONMENT, by=by, reason=reason, adapters=self.adapters
        )

    def released(self, name: str, **behaviour: Any) -> tuple[Version, Outcome]:
        """Make a Challenger and release it."""
        version = self.challenger(name=name, **behaviour)
        return version, self.release()

    def kinds(self) -> list[tuple[str, str]]:
        """Return kind and release of every ledger entry, in order."""
        return [
            (entry.kind, entry.to_release) for entry in history(self.project, MODEL, ENVIRONMENT)
        ]

    def champion(self) -> str | None:
        """Return the Champion's version number, or None."""
        version = self.registry.find(MODEL, alias="champion")
        return version.version if version else None

    def answers_with(self) -> str:
        """Return the release that the live address answers with."""
        request = urllib.request.Request(f"{self.slots.url}/predict", data=b'{"x": 1.0}')
        with urllib.request.urlopen(request, timeout=5) as response:
            return str(json.loads(response.read())["release"])

    def disconnect(self) -> None:
        """Take the registry away from now on."""
        (self.project / "away").touch()

    def reconnect(self) -> None:
        """Bring the registry back."""
        (self.project / "away").unlink()

    def close(self) -> None:
        """Stop all servers of the project."""
        halt_serving(self.project, self.environment)

    def _live_model(self) -> str | None:
        live = self.slots.live()
        if live is None:
            return None
        record = json.loads(self.storage.read("releases", f"{live.release}.json"))
        return str(record["model_digest"])

    def _connect(self, project: Path, environment: Environment) -> Any:
        return FolderRegistry(self.project / "registry", away=self.project / "away")


def _build(project: Path, model_folder: Path, to: Path) -> tuple[Path, str]:
    return Path(shutil.copytree(model_folder, to)), digest_of_folder(model_folder)


def _serve(package: Path, *, port: int, slot: str, release_file: Path, inference: Path) -> Server:
    environment = {
        "TITLEBOUT_RELEASE_FILE": str(release_file),
        "TITLEBOUT_PROBE_SECRET": f"secret of {slot}",
    }
    command = [sys.executable, "-S", str(TINY_SERVER), str(package), str(port)]
    return Server(command, environment, {str(package): package.name})


def ask_as_client(
    release_project: ReleaseProject,
    row: Any,
    *,
    times: int,
    client: str = "somebody",
    headers: dict[str, str] | None = None,
) -> None:
    """Send the row so many times to the live address, whatever is answered.

    Bytes are sent as they are.
    """
    body = row if isinstance(row, bytes) else json.dumps(row).encode()
    for _ in range(times):
        request = urllib.request.Request(
            f"{release_project.slots.url}/predict",
            data=body,
            headers={"x-client": client, **(headers or {})},
        )
        with (
            suppress(urllib.error.HTTPError),
            urllib.request.urlopen(request, timeout=5) as response,
        ):
            response.read()


def make_verdict(
    outcome: Any,
    challenger: str,
    opponent: str | None,
    *,
    model: str = MODEL,
    disagreement: Any = None,
) -> Verdict:
    """Return a verdict of the gate; without an opponent it is against the baseline."""
    comparison = Comparison(
        metric="rmse",
        challenger=1.0,
        opponent=2.0,
        difference=1.0,
        low=0.5,
        high=1.5,
        confidence=0.95,
        margin=0.0,
        method="test",
        rows=100,
        blocks=10,
        outcome=outcome,
    )
    return Verdict(
        model=model,
        verdict=outcome,
        reasons=("a test says so",),
        opponent="champion" if opponent else "baseline",
        challenger_digest=challenger,
        opponent_digest=opponent or "b" * 64,
        dataset="d" * 64,
        holdout="e" * 64,
        primary=comparison,
        disagreement=disagreement,
        policy=GatePolicy(),
        confidence=0.95,
        seed=0,
    )
