"""Score tables with a Champion in a folder, without servers."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from support.release_project import NOT_USED, FolderRegistry
from support.tried_model import MODEL_YAML

from titlebout.batch import score_file
from titlebout.packaging.model_folder import write_model
from titlebout.registry import Version
from titlebout.release.release_target import Adapters
from titlebout.spec import Contract, Engine, Environment, Input, Override, Release, digest_of_folder
from titlebout.storage import open_storage

MODEL, ENVIRONMENT = "tried", "prod"


class InPlaceRegistry(FolderRegistry):
    """Return models where they were registered; nothing is downloaded."""

    def download(self, version: Version, to: Path) -> Path:
        return self.folder / version.version


class Scorer:
    """Score with a model that takes one number and one category, under any names."""

    def __init__(
        self,
        project: Path,
        *,
        number: str = "weight",
        category: str = "carrier",
        classes: tuple[str, ...] = ("no", "yes"),
    ):
        self.project, self.number, self.category, self.classes = project, number, category, classes
        (project / "models" / MODEL).mkdir(parents=True)
        (project / "models" / MODEL / "model.yaml").write_text(MODEL_YAML)
        (project / "environments" / ENVIRONMENT).mkdir(parents=True)
        (project / "environments" / ENVIRONMENT / "environment.yaml").write_text(
            f"name: {ENVIRONMENT}\nmlflow: http://127.0.0.1:9\nstorage: store\n"
        )
        (project / "registry").mkdir()
        self.registry = InPlaceRegistry(project / "registry")
        self.release = self._champion()

    def score(self, file: Path, out: Path) -> dict[str, Any]:
        """Score the file, and return what `score_file` returns."""
        adapters = Adapters(
            connect=self._connect, build=NOT_USED, serve=NOT_USED, build_image=NOT_USED
        )
        return score_file(self.project, MODEL, ENVIRONMENT, file=file, out=out, adapters=adapters)

    def _connect(self, project: Path, environment: Environment) -> Any:
        return self.registry

    def _champion(self) -> str:
        folder = self.project / "fitted"
        self._fit(folder)
        digest = digest_of_folder(folder)
        release = Release(
            model=MODEL,
            model_digest=digest,
            package_digest="p" * 64,
            data_digest="d" * 64,
            code_version="c",
            configuration_digest="f" * 64,
            threshold=None,
            verdict=None,
            override=Override(by="a test", reason="there is no gate here"),
        )
        open_storage(self.project, "store").write_record(release, "releases", f"{release.id}.json")
        self.registry.set_alias(
            MODEL, "champion", self.registry.register(folder, release=release.id)
        )
        shutil.rmtree(folder)
        return release.id

    def _fit(self, folder: Path) -> None:
        table = pd.DataFrame(
            {
                self.number: np.linspace(0, 0.1, 60, dtype=np.float32),
                self.category: ["A", "B", "C"] * 20,
            }
        )
        columns = make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), [self.category]),
            (make_pipeline(SimpleImputer(), StandardScaler()), [self.number]),
        )
        broken = (table[self.number] * 10 + (table[self.category] == "B") > 0.7).astype(int)
        estimator = LogisticRegression() if self.classes else LinearRegression()
        pipeline = make_pipeline(columns, estimator).fit(table, broken)
        contract = Contract(
            model=MODEL,
            task="binary" if self.classes else "regression",
            target="broken",
            inputs=(
                Input(name=self.number, type="number"),
                Input(name=self.category, type="category"),
            ),
            classes=self.classes,
            positive=self.classes[-1] if self.classes else None,
            threshold=0.5 if self.classes else None,
            engine=Engine(name="sklearn", reason="not chosen yet"),
        )
        write_model(folder, pipeline=pipeline, contract=contract, sample=table)
