"""Make a small project with a real dataset and real model folders; only the registry is a fake."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from titlebout.data import load_part, prepare
from titlebout.evaluate import PageMaterial
from titlebout.packaging.model_folder import write_model
from titlebout.spec import (
    PART_NAMES,
    CandidateEvaluation,
    Check,
    Contract,
    Dataset,
    Engine,
    Environment,
    Estimate,
    Evaluation,
    FittedCandidate,
    Input,
    IntegrityError,
    Training,
    Validation,
    digest_of_folder,
    load_environment,
    load_model_spec,
    metrics_of,
)
from titlebout.storage import Storage, open_storage

MODEL, ENVIRONMENT = "tiny", "prod"
MODEL_YAML = """
name: tiny
owner: tests
brief: {question: is it late, decided_by: a test, error_cost: nothing}
source: {file: tiny.csv}
task: binary
target: {column: late, positive: "yes"}
time_column: day
columns: {x: {type: number}, z: {type: number}}
split: {by: time, validation: 0.15, holdout: 0.3}
candidates: {linear: {estimator: linear}}
metric: log_loss
gate: {guardrails: {roc_auc: 0.02}}
seed: 5
"""
ENVIRONMENT_YAML = "name: prod\nmlflow: http://127.0.0.1:1\nstorage: store\n"


@dataclass(frozen=True)
class GateVersion:
    """Describe a version as the registry does."""

    model: str
    version: str
    run_id: str
    tags: dict[str, str]

    @property
    def digest(self) -> str:
        """Return the model's digest from the tags."""
        return self.tags["model_digest"]


@dataclass
class GateRegistry:
    """Do over folders what the gate needs of a registry: versions, one alias, runs' artifacts.

    A download verifies the digest, as the real registry does.
    """

    root: Path
    versions: list[GateVersion] = field(default_factory=list)
    champion: GateVersion | None = None
    logged: list[str] = field(default_factory=list)

    def register(
        self, folder: Path, *, dataset: str, baseline: Path, status: str = "passed"
    ) -> GateVersion:
        """Copy the model and the baseline of its run, and return the new version."""
        number, run = str(len(self.versions) + 1), f"run{len(self.versions) + 1}"
        shutil.copytree(folder, self.root / number)
        shutil.copytree(baseline, self.root / run / "baseline")
        tags = {
            "model_digest": digest_of_folder(folder),
            "dataset": dataset,
            "validation_status": status,
        }
        self.versions.append(GateVersion(MODEL, number, run, tags))
        return self.versions[-1]

    def find(
        self,
        model: str,
        *,
        alias: str | None = None,
        version: str | None = None,
        digest: str | None = None,
    ) -> GateVersion | None:
        """Return the version by alias, number or digest, or None."""
        if alias is not None:
            return self.champion
        return next(
            (
                one
                for one in self.versions
                if one.version == version or one.tags.get("model_digest") == digest
            ),
            None,
        )

    def download(self, version: GateVersion, to: Path) -> Path:
        """Copy the version's folder. Raise IntegrityError if its digest differs."""
        shutil.copytree(self.root / version.version, to)
        if (found := digest_of_folder(to)) != version.digest:
            raise IntegrityError(
                str(to),
                expected=f"model digest {version.digest}",
                found=f"digest {found}",
                next_step="restore it",
            )
        return to

    def download_artifact(self, run_id: str, path: str, to: Path) -> Path:
        """Copy a folder of the run's artifacts."""
        return Path(shutil.copytree(self.root / run_id / path, to / path))

    def log_file(self, run_id: str, path: Path, folder: str = "") -> None:
        """Note the file's name."""
        self.logged.append(f"{run_id}/{path.name}")

    def tag(self, version: GateVersion, **tags: str) -> None:
        """Set the version's tags."""
        version.tags.update(tags)


@dataclass
class GateProject:
    """Hold the project, its dataset, and model folders by name.

    The models are strong, weak, baseline, other target (trained for another target) and extra
    column (which needs a column that the dataset lacks).
    """

    project: Path
    environment: Environment
    storage: Storage
    registry: GateRegistry
    dataset: Dataset
    models: dict[str, Path]

    def register_challenger(
        self, name: str, *, dataset: Dataset | None = None, status: str = "passed"
    ) -> tuple[Evaluation, Validation]:
        """Register the Challenger, and return the records of its evaluation and validation."""
        used = dataset or self.dataset
        version = self.registry.register(
            self.models[name], dataset=used.digest, baseline=self.models["baseline"], status=status
        )
        evaluation = _evaluation(
            version, dataset=used.digest, baseline=digest_of_folder(self.models["baseline"])
        )
        checks = (Check(name="latency", passed=status == "passed", detail="9 ms"),)
        return evaluation, Validation(
            model=MODEL,
            version=version.version,
            model_digest=version.digest,
            status=status,
            checks=checks,
        )

    def material(self) -> PageMaterial:
        """Return what evaluate leaves for the page."""
        cost: dict[str, Any] = {
            "settings": {},
            "cross_validated": None,
            "fit_seconds": 0.1,
            "peak_memory_bytes": 1,
        }
        spec = load_model_spec(self.project, MODEL)
        training = Training(
            model=MODEL,
            configuration_digest=spec.digest,
            dataset=self.dataset.digest,
            metric=spec.metric,
            candidates=tuple(
                FittedCandidate(name=name, estimator=name, **cost)
                for name in ("baseline", "linear")
            ),
            tuned=False,
            overfit_check="passed",
        )
        return PageMaterial(spec=spec, training=training, dataset=self.dataset)

    def make_champion(self, name: str) -> GateVersion:
        """Register the model and make it the Champion."""
        self.registry.champion = self.registry.register(
            self.models[name], dataset=self.dataset.digest, baseline=self.models["baseline"]
        )
        return self.registry.champion


def build_gate_project(project: Path) -> GateProject:
    """Write the project's files, prepare its dataset and fit its models."""
    (project / "models" / MODEL).mkdir(parents=True)
    (project / "environments" / ENVIRONMENT).mkdir(parents=True)
    (project / "models" / MODEL / "model.yaml").write_text(MODEL_YAML)
    (project / "environments" / ENVIRONMENT / "environment.yaml").write_text(ENVIRONMENT_YAML)
    table().to_csv(project / "models" / MODEL / "tiny.csv", index=False)
    environment = load_environment(project, ENVIRONMENT)
    dataset = prepare(project, load_model_spec(project, MODEL), environment, as_of=None)
    storage = open_storage(project, environment.storage)
    models = _models(project / "fitted", storage, dataset)
    return GateProject(
        project, environment, storage, GateRegistry(project / "registry"), dataset, models
    )


def table(days: int = 100, per_day: int = 25) -> pd.DataFrame:
    """Return a table in which both columns predict the target, z better than x."""
    random = np.random.default_rng(2)
    rows = days * per_day
    x, z = random.normal(size=rows), random.normal(size=rows)
    late = random.random(rows) < 1 / (1 + np.exp(-(x + 2 * z)))
    day = pd.Timestamp("2013-01-01") + pd.to_timedelta(
        np.repeat(np.arange(days), per_day), unit="D"
    )
    return pd.DataFrame(
        {"day": day, "x": x.round(6), "z": z.round(6), "late": np.where(late, "yes", "no")}
    )


def _models(folder: Path, storage: Storage, dataset: Dataset) -> dict[str, Path]:
    train = load_part(storage, dataset, "train")
    fits: dict[str, tuple[Any, list[str], Contract]] = {
        "strong": (LogisticRegression(), ["x", "z"], contract()),
        "weak": (LogisticRegression(), ["x"], contract()),
        "baseline": (DummyClassifier(), ["x", "z"], contract()),
        "other target": (LogisticRegression(), ["x", "z"], contract(target="cancelled")),
        "extra column": (LogisticRegression(), ["x", "z"], contract(inputs=("x", "z", "wind"))),
    }
    for name, (estimator, columns, its_contract) in fits.items():
        X = train.X.assign(wind=0.0) if name == "extra column" else train.X
        pipeline = Pipeline(
            [
                ("prepare", ColumnTransformer([("numbers", "passthrough", columns)])),
                ("estimate", estimator),
            ]
        ).fit(X, train.y)
        write_model(
            folder / name,
            pipeline=pipeline,
            contract=its_contract,
            sample=X[[column.name for column in its_contract.inputs]],
        )
    return {name: folder / name for name in fits}


def contract(*, target: str = "late", inputs: tuple[str, ...] = ("x", "z")) -> Contract:
    """Return the contract of a binary model of `inputs`, which are numbers."""
    return Contract(
        model=MODEL,
        task="binary",
        target=target,
        inputs=tuple(Input(name=name, type="number") for name in inputs),
        classes=("no", "yes"),
        positive="yes",
        threshold=0.5,
        engine=Engine(name="sklearn", reason="not converted yet"),
    )


def _evaluation(version: GateVersion, *, dataset: str, baseline: str) -> Evaluation:
    return Evaluation(
        model=MODEL,
        dataset=dataset,
        run_id=version.run_id,
        version=version.version,
        model_digest=version.digest,
        baseline_digest=baseline,
        chosen="linear",
        why_chosen="the only one",
        metric="log_loss",
        threshold=0.5,
        candidates=tuple(
            CandidateEvaluation(
                name=name,
                metrics={
                    part: {metric: Estimate(value=0.5) for metric in metrics_of("binary")}
                    for part in PART_NAMES
                },
                predict_ms_per_row=0.1,
                size_bytes=1,
            )
            for name in ("baseline", "linear")
        ),
        slices=(),
        importance={},
        leaks=(),
        calibration=(),
        calibration_error=None,
    )
