"""A small project with real data, real model folders and a real dataset; the registry alone is light (its name says so)."""

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
class Version:
    model: str
    version: str
    run_id: str
    tags: dict[str, str]

    @property
    def digest(self) -> str:
        return self.tags["model_digest"]


@dataclass
class FolderRegistry:
    """What the gate asks of the registry, over folders: versions by number, one alias, runs' artifacts; digests verified as there."""

    root: Path
    versions: list[Version] = field(default_factory=list)
    champion: Version | None = None
    logged: list[str] = field(default_factory=list)

    def register(
        self, folder: Path, *, dataset: str, baseline: Path, status: str = "passed"
    ) -> Version:
        number, run = str(len(self.versions) + 1), f"run{len(self.versions) + 1}"
        shutil.copytree(folder, self.root / number)
        shutil.copytree(baseline, self.root / run / "baseline")
        tags = {
            "model_digest": digest_of_folder(folder),
            "dataset": dataset,
            "validation_status": status,
        }
        self.versions.append(Version(MODEL, number, run, tags))
        return self.versions[-1]

    def find(
        self,
        model: str,
        *,
        alias: str | None = None,
        version: str | None = None,
        digest: str | None = None,
    ) -> Version | None:
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

    def download(self, version: Version, to: Path) -> Path:
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
        return Path(shutil.copytree(self.root / run_id / path, to / path))

    def log_file(self, run_id: str, path: Path, folder: str = "") -> None:
        self.logged.append(f"{run_id}/{path.name}")

    def tag(self, version: Version, **tags: str) -> None:
        version.tags.update(tags)


@dataclass
class Arena:
    """`models` are folders by name: strong, weak, baseline, and other, which is trained for another target."""

    project: Path
    environment: Environment
    storage: Storage
    registry: FolderRegistry
    dataset: Dataset
    models: dict[str, Path]

    def challenge(
        self, name: str, *, dataset: Dataset | None = None, status: str = "passed"
    ) -> tuple[Evaluation, Validation]:
        """Register the model as the Challenger, with the records that evaluate and validate would have left."""
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
        """What evaluate would have left for the page."""
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

    def crown(self, name: str) -> Version:
        """Make the model the Champion."""
        self.registry.champion = self.registry.register(
            self.models[name], dataset=self.dataset.digest, baseline=self.models["baseline"]
        )
        return self.registry.champion


def build(project: Path) -> Arena:
    (project / "models" / MODEL).mkdir(parents=True)
    (project / "environments" / ENVIRONMENT).mkdir(parents=True)
    (project / "models" / MODEL / "model.yaml").write_text(MODEL_YAML)
    (project / "environments" / ENVIRONMENT / "environment.yaml").write_text(ENVIRONMENT_YAML)
    table().to_csv(project / "models" / MODEL / "tiny.csv", index=False)
    environment = load_environment(project, ENVIRONMENT)
    dataset = prepare(project, load_model_spec(project, MODEL), environment, as_of=None)
    storage = open_storage(project, environment.storage)
    models = _models(project / "fitted", storage, dataset)
    return Arena(
        project, environment, storage, FolderRegistry(project / "registry"), dataset, models
    )


def table(days: int = 100, per_day: int = 25) -> pd.DataFrame:
    """Both columns tell of the target, z more than x."""
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
        "other": (LogisticRegression(), ["x", "z"], contract(target="cancelled")),
        "hungry": (LogisticRegression(), ["x", "z"], contract(inputs=("x", "z", "wind"))),
    }
    for name, (estimator, columns, what) in fits.items():
        X = train.X.assign(wind=0.0) if name == "hungry" else train.X
        pipeline = Pipeline(
            [
                ("prepare", ColumnTransformer([("numbers", "passthrough", columns)])),
                ("estimate", estimator),
            ]
        ).fit(X, train.y)
        write_model(
            folder / name,
            pipeline=pipeline,
            contract=what,
            sample=X[[column.name for column in what.inputs]],
        )
    return {name: folder / name for name in fits}


def contract(*, target: str = "late", inputs: tuple[str, ...] = ("x", "z")) -> Contract:
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


def _evaluation(version: Version, *, dataset: str, baseline: str) -> Evaluation:
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
