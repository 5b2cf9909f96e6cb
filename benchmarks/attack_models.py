"""Make the project and the models of attack_bake.py: parcels that break, by weight and carrier."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]

from support import release_project as light  # noqa: E402 (found through the path set above)

from titlebout.packaging.model_folder import write_model  # noqa: E402
from titlebout.release.adapters import ADAPTERS  # noqa: E402
from titlebout.release.release_target import Adapters  # noqa: E402
from titlebout.spec import (  # noqa: E402
    CONFIGURATION_TAG,
    Contract,
    Engine,
    Input,
    digest_of_folder,
    load_model_spec,
)
from titlebout.storage import layout  # noqa: E402

CHECKOUT = Path(__file__).parents[1]
MODEL_YAML = """
name: tiny
owner: tests
brief: {{question: will it break, decided_by: a benchmark, error_cost: a parcel}}
source: {{file: parcels.csv}}
task: binary
target: {{column: broken, positive: "yes"}}
columns: {{weight: {{type: number}}, carrier: {{type: category}}}}
split: {{by: row}}
candidates: {{linear: {{estimator: linear}}}}
metric: log_loss
service: {{p99_ms: {p99}, requests_per_second: {rate}}}
"""
CONTRACT = Contract(
    model=light.MODEL,
    task="binary",
    target="broken",
    inputs=(
        Input(name="weight", type="number", example=2.0),
        Input(name="carrier", type="category", example="A"),
    ),
    classes=("no", "yes"),
    positive="yes",
    engine=Engine(name="sklearn", reason="not converted yet"),
)


def set_up(folder: Path, *, model_yaml: str, bake_seconds: float) -> light.ReleaseProject:
    """Make a release project whose packages and servers are the real ones."""
    release_project = light.ReleaseProject(folder)
    release_project.build(test_seconds=0.5, bake_seconds=bake_seconds)
    (folder / "models" / light.MODEL / "model.yaml").write_text(model_yaml)
    for name in ("bentos", "requirements.lock"):
        (folder / name).symlink_to(CHECKOUT / name)
    release_project.adapters = Adapters(
        connect=release_project._connect,
        build=ADAPTERS.build,
        serve=ADAPTERS.serve,
        build_image=ADAPTERS.build_image,
    )
    return release_project


def challenger(
    release_project: light.ReleaseProject, number: int, *, broken: str | None = None
) -> None:
    """Register a model that the gate accepts. Each number is another, a little different one."""
    folder = release_project.project / "fitted"
    shutil.rmtree(folder, ignore_errors=True)
    fit(folder, strength=0.5 + 0.05 * number, broken=broken)
    live = release_project.slots.live()
    against = (
        json.loads(release_project.storage.read("releases", f"{live.release}.json"))["model_digest"]
        if live
        else None
    )
    verdict = light.make_verdict("accept", digest_of_folder(folder), against)
    release_project.storage.write_record(verdict, "verdicts", f"{verdict.digest}.json")
    spec = load_model_spec(release_project.project, light.MODEL)
    release_project.storage.write_record(spec, *layout.configuration(spec.digest))
    tags = {
        CONFIGURATION_TAG: spec.digest,
        "verdict": verdict.digest,
        "validation_status": "passed",
    }
    release_project.registry.register(folder, **tags)


def rows_of_clients(count: int) -> list[dict[str, Any]]:
    """Return different rows, half of them likely to break."""
    weights = np.random.default_rng(3).uniform(0, 12, count).round(3)
    return [
        {"weight": float(weight), "carrier": "AB"[number % 2]}
        for number, weight in enumerate(weights)
    ]


def fit(folder: Path, *, strength: float, broken: str | None) -> Path:
    """Fit a model and write its folder; `broken` names the fault to put in."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"weight": rng.uniform(0, 12, 2000), "carrier": rng.choice(["A", "B"], 2000)}
    )
    breaks = (table["weight"] + (table["carrier"] == "B") * 3 + rng.normal(0, 1, 2000) > 7).astype(
        int
    )
    if broken == "its classes swapped":
        breaks = 1 - breaks
    elif broken == "nearly always one class":
        breaks = (table["weight"] > 11.5).astype(int)
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["carrier"]), (SimpleImputer(), ["weight"])
    )
    pipeline = make_pipeline(columns, LogisticRegression(C=strength)).fit(table, breaks)
    write_model(folder, pipeline=pipeline, contract=CONTRACT, sample=table)
    return folder
