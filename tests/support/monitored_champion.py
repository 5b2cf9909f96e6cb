"""Build a Champion on real flights of January to April, and serve later flights with it.

The registry is a folder: FolderRegistry.
"""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from titlebout.data import features, load_part, prepare, read_source, wire_features
from titlebout.packaging.model_folder import write_model
from titlebout.scoring import predictor_columns
from titlebout.scoring.predictor import Predictor, load_predictor
from titlebout.serve.inference_table import InferenceTable, Served
from titlebout.spec import (
    Contract,
    Dataset,
    Engine,
    Input,
    ModelSpec,
    Override,
    Release,
    digest_of_folder,
    load_environment,
    load_model_spec,
)
from titlebout.storage import Storage, open_storage

MODEL, ENVIRONMENT, TRAINED_UNTIL = "flights", "prod", "2013-05-01"
ENVIRONMENT_YAML = "name: prod\nmlflow: http://127.0.0.1:1\nstorage: store\ndata: {fraction: 0.2}\n"
REAL_MODEL = Path(__file__).parents[2] / "models" / MODEL


@dataclass(frozen=True)
class FolderVersion:
    """Hold a registered version, as the monitor reads it."""

    version: str
    run_id: str
    tags: dict[str, str]

    @property
    def digest(self) -> str:
        return self.tags["model_digest"]


@dataclass
class FolderRegistry:
    """Serve as the monitor's registry: the Champion, its folder, and a place for the report."""

    champion: FolderVersion | None
    folder: Path
    logged: list[str]

    def find(self, model: str, *, alias: str) -> FolderVersion | None:
        return self.champion

    def download(self, version: FolderVersion, to: Path) -> Path:
        return Path(shutil.copytree(self.folder, to))

    def log_file(self, run_id: str, path: Path, folder: str = "") -> None:
        self.logged.append(f"{run_id}/{folder}/{path.name}")


@dataclass
class MonitoredChampion:
    """Hold a project whose Champion answers flights and is monitored."""

    project: Path
    storage: Storage
    registry: FolderRegistry
    spec: ModelSpec
    dataset: Dataset
    release: Release
    predictor: Predictor
    flights: pd.DataFrame

    def serve(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Answer the flights on the day they departed, one request a day. Return their labels.

        The answers go through the server's own inference table.
        """
        table = InferenceTable(
            self.storage.address("inference", MODEL),
            self.predictor.contract,
            release=self.release.id,
            slot="blue",
        )
        wire = wire_features(rows, self.spec.columns, subject="the flights")
        scores = self.predictor.scores(predictor_columns(features(wire, self.spec.columns)))
        days = rows["departs"].dt.strftime("%Y-%m-%d").to_numpy()
        ids = np.empty(len(rows), dtype=object)
        for day in np.unique(days):
            inside = np.flatnonzero(days == day)
            table.put(_served(str(day), wire.iloc[inside], scores[inside]))
            ids[inside] = [f"{day}/{row}" for row in range(len(inside))]
        table.close()
        return pd.DataFrame({"request_id": ids, "label": rows["late"].to_numpy()})

    def between(self, first: str, end: str) -> pd.DataFrame:
        """Return the flights from `first` to before `end`, in order."""
        return self.flights[
            (self.flights["departs"] >= first) & (self.flights["departs"] < end)
        ].sort_values("departs")


def build_monitored_champion(project: Path) -> MonitoredChampion:
    """Prepare the dataset, fit the model, and write its release."""
    (project / "environments" / ENVIRONMENT).mkdir(parents=True)
    (project / "environments" / ENVIRONMENT / "environment.yaml").write_text(ENVIRONMENT_YAML)
    shutil.copytree(REAL_MODEL, project / "models" / MODEL)
    spec, environment = load_model_spec(project, MODEL), load_environment(project, ENVIRONMENT)
    dataset = prepare(project, spec, environment, as_of=TRAINED_UNTIL)
    storage = open_storage(project, environment.storage)
    folder = project / "fitted"
    _fit(folder, spec, storage, dataset)
    release = _release(digest_of_folder(folder), dataset.digest)
    storage.write_record(release, "releases", f"{release.id}.json")
    champion = FolderVersion(
        "1", "run1", {"model_digest": release.model_digest, "dataset": dataset.digest}
    )
    predictor = load_predictor(folder, digest=release.model_digest)
    flights = read_source(project, spec)
    return MonitoredChampion(
        project,
        storage,
        FolderRegistry(champion, folder, []),
        spec,
        dataset,
        release,
        predictor,
        flights,
    )


def _fit(folder: Path, spec: ModelSpec, storage: Storage, dataset: Dataset) -> None:
    train = load_part(storage, dataset, "train")
    texts = [name for name, column in spec.columns.items() if column.type == "category"]
    numbers = [name for name in spec.columns if name not in texts]
    filled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    prepared = ColumnTransformer(
        [("numbers", filled, numbers), ("texts", OneHotEncoder(handle_unknown="ignore"), texts)]
    )
    pipeline = Pipeline(
        [("prepare", prepared), ("estimate", LogisticRegression(max_iter=300))]
    ).fit(train.X, train.y)
    contract = Contract(
        model=MODEL,
        task="binary",
        target="late",
        inputs=tuple(Input(name=name, type=column.type) for name, column in spec.columns.items()),
        classes=dataset.classes,
        positive="late",
        threshold=0.5,
        engine=Engine(name="sklearn", reason="not converted yet"),
    )
    write_model(folder, pipeline=pipeline, contract=contract, sample=train.X.iloc[:500])


def _release(model_digest: str, data_digest: str) -> Release:
    return Release(
        model=MODEL,
        model_digest=model_digest,
        package_digest="p" * 64,
        data_digest=data_digest,
        code_version="c",
        configuration_digest="f" * 64,
        threshold=0.5,
        verdict=None,
        override=Override(by="a test", reason="there is no gate here"),
    )


def _served(day: str, wire: pd.DataFrame, scores: np.ndarray) -> Served:
    return Served(
        request_id=day,
        single=False,
        time=datetime.fromisoformat(day).replace(hour=12, tzinfo=UTC),
        columns={
            str(name): wire[name].astype(object).where(wire[name].notna(), None).tolist()
            for name in wire
        },
        predictions=["late" if score >= 0.5 else "on time" for score in scores],
        scores=scores.tolist(),
        latency_ms=1.0,
    )
