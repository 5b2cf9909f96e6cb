"""Release twice, roll back and score with real MLflow, BentoML, ONNX Runtime and Caddy."""

import json
import shutil
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from support.free_ports import first_of_three
from support.release_project import make_verdict

from titlebout.batch import score_file
from titlebout.ledger import history
from titlebout.packaging.model_folder import write_model
from titlebout.registry import Registry
from titlebout.release import release, rollback, verify
from titlebout.rollout import halt_serving, open_slots, resume_serving
from titlebout.spec import (
    CONFIGURATION_TAG,
    Contract,
    DataError,
    Engine,
    Input,
    NotAllowed,
    digest_of_folder,
    load_environment,
    load_model_spec,
)
from titlebout.storage import layout, open_storage

CHECKOUT = Path(__file__).parents[2]
MODEL, ENVIRONMENT = "parcels", "prod"
MODEL_YAML = """
name: parcels
owner: tests
brief: {question: will it break, decided_by: a test, error_cost: a parcel}
source: {file: parcels.csv}
task: binary
target: {column: broken, positive: "yes"}
columns: {weight: {type: number}, carrier: {type: category}}
split: {by: row}
candidates: {linear: {estimator: linear}}
metric: log_loss
service: {p99_ms: 2000, requests_per_second: 20}
"""
CONTRACT = Contract(
    model=MODEL,
    task="binary",
    target="broken",
    inputs=(
        Input(name="weight", type="number", example=2.0),
        Input(name="carrier", type="category", example="A"),
    ),
    classes=("no", "yes"),
    positive="yes",
    threshold=0.5,
    engine=Engine(name="sklearn", reason="not chosen yet"),
)


def fitted_folder(folder, *, strength):
    """Fit a logistic regression on sixty parcels, and write its model folder."""
    table = pd.DataFrame(
        {"weight": np.linspace(0, 10, 60, dtype=np.float32), "carrier": ["A", "B", "C"] * 20}
    )
    broken = (table["weight"] + (table["carrier"] == "B") * 3 > 6).astype(int)
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["carrier"]), remainder=SimpleImputer()
    )
    pipeline = make_pipeline(columns, LogisticRegression(C=strength)).fit(table, broken)
    write_model(folder, pipeline=pipeline, contract=CONTRACT, sample=table)
    return folder


def make_challenger(project, folder, *, opponent):
    """Register, validate and judge a model, as the pipeline would."""
    environment = load_environment(project, ENVIRONMENT)
    registry = Registry.connect(project, environment)
    registry.ensure_model(MODEL)
    verdict = make_verdict("accept", digest_of_folder(folder), opponent, model=MODEL)
    open_storage(project, environment.storage).write_record(
        verdict, "verdicts", f"{verdict.digest}.json"
    )
    run = registry.start_run(MODEL, "train", {})
    spec = load_model_spec(project, MODEL)
    open_storage(project, environment.storage).write_record(
        spec, *layout.configuration(spec.digest)
    )
    tags = {
        "dataset": "d" * 64,
        CONFIGURATION_TAG: spec.digest,
        "validation_status": "passed",
        "verdict": verdict.digest,
    }
    version = registry.register(MODEL, run, folder, CONTRACT, tags)
    registry.finish_run(run)
    registry.set_alias(MODEL, "challenger", version)
    return version


@pytest.fixture
def project(mlflow_server):
    """Add serving to the project whose servers run."""
    for name in ("bentos", "requirements.lock"):
        if not (mlflow_server / name).exists():
            (mlflow_server / name).symlink_to(CHECKOUT / name)
    (mlflow_server / "models" / MODEL).mkdir()
    (mlflow_server / "models" / MODEL / "model.yaml").write_text(MODEL_YAML)
    declared = mlflow_server / "environments" / ENVIRONMENT / "environment.yaml"
    before = declared.read_text()
    declared.write_text(
        before + f"serving: {{port: {first_of_three()}, test_seconds: 0.3, bake_seconds: 0.3}}\n"
    )
    yield mlflow_server
    halt_serving(mlflow_server, load_environment(mlflow_server, ENVIRONMENT))
    declared.write_text(before)
    shutil.rmtree(mlflow_server / "models" / MODEL)


def predict(url, row):
    request = urllib.request.Request(
        f"{url}/predict",
        data=json.dumps(row).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.loads(response.read()), response.headers["x-titlebout-release"]


@pytest.mark.slow
def test_the_whole_way_of_two_releases(project, tmp_path):
    """Answer with the model that the records name after each release, rollback and reboot."""
    environment = load_environment(project, ENVIRONMENT)
    registry = Registry.connect(project, environment)
    old = make_challenger(project, fitted_folder(tmp_path / "old", strength=1.0), opponent=None)
    first = release(project, MODEL, ENVIRONMENT, by="a test", override=None, progress=print)
    new = make_challenger(
        project, fitted_folder(tmp_path / "new", strength=0.01), opponent=old.digest
    )
    second = release(project, MODEL, ENVIRONMENT, by="a test", override=None, progress=print)
    assert registry.find(MODEL, alias="champion").version == new.version
    assert registry.find(MODEL, alias="challenger") is None

    row = {"weight": 7.0, "carrier": "B"}
    table = tmp_path / "parcels.csv"
    pd.DataFrame([{"id": 1, **row}, {"id": 2, "weight": None, "carrier": "unheard of"}]).to_csv(
        table, index=False
    )
    answer, served_by = predict(second.endpoint, row)
    assert served_by == second.release
    scored = score_file(project, MODEL, ENVIRONMENT, file=table, out=tmp_path / "new.csv")
    assert (scored["rows"], scored["release"], scored["version"], scored["not_used"]) == (
        2,
        second.release,
        new.version,
        ["id"],
    )
    batch = pd.read_csv(tmp_path / "new.csv")
    assert batch["score.yes"][0] == pytest.approx(answer["probabilities"]["yes"], abs=1e-6)
    assert list(batch["id"]) == [1, 2]
    assert set(batch["release"]) == {second.release}

    outcome = rollback(project, MODEL, ENVIRONMENT, by="a test", reason="to see")
    assert (outcome.release, outcome.note) == (first.release, None)
    assert registry.find(MODEL, alias="champion").version == old.version
    before, served_by = predict(first.endpoint, row)
    assert served_by == first.release
    score_file(project, MODEL, ENVIRONMENT, file=table, out=tmp_path / "old.parquet")
    again = pd.read_parquet(tmp_path / "old.parquet")
    assert again["score.yes"][0] == pytest.approx(before["probabilities"]["yes"], abs=1e-6)
    assert again["score.yes"][0] != pytest.approx(batch["score.yes"][0], abs=1e-3)

    halt_serving(project, environment)
    resume_serving(project, environment, progress=print)
    assert predict(first.endpoint, row)[1] == first.release
    kinds = [entry.kind for entry in history(project, MODEL, ENVIRONMENT)]
    assert kinds == ["switched", "settled", "switched", "settled", "rolled_back"]
    assert verify(project, ENVIRONMENT) == []
    inference = Path(open_storage(project, environment.storage).address("inference", MODEL))
    halt_serving(project, environment)
    rows = pd.concat(pd.read_parquet(file) for file in inference.rglob("*.parquet"))
    assert len(rows) == 3, "the platform's own tests do not belong into the inference table"

    refused(project, tmp_path)


def refused(project, tmp_path):
    """Require an error for each table that cannot be scored."""
    missing = tmp_path / "missing.csv"
    pd.DataFrame([{"weight": 1.0}]).to_csv(missing, index=False)
    with pytest.raises(DataError, match="no such column"):
        score_file(project, MODEL, ENVIRONMENT, file=missing, out=tmp_path / "out.csv")
    with pytest.raises(DataError, match=r"\.csv or \.parquet"):
        score_file(project, MODEL, ENVIRONMENT, file=missing, out=tmp_path / "out.xlsx")
    with pytest.raises(NotAllowed, match="a Champion"):
        score_file(project, MODEL, "staging", file=missing, out=tmp_path / "out.csv")
    assert (
        open_slots(project, MODEL, load_environment(project, ENVIRONMENT)).live().kind
        == "rolled_back"
    )
