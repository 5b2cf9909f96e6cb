"""Prepare, train, evaluate and validate on real tables, against a real MLflow server."""

import json
import shutil

import pytest
import yaml
from sklearn import datasets

from titlebout.data import prepare_dataset
from titlebout.evaluate import evaluate_candidates
from titlebout.registry import Registry
from titlebout.spec import NotAllowed, Training, digest_of_folder, load_environment
from titlebout.train import train_candidates
from titlebout.validate import validate_version

pytestmark = pytest.mark.slow

TABLES = {
    "cancer": (datasets.load_breast_cancer, "binary", "log_loss"),
    "wine": (datasets.load_wine, "multiclass", "log_loss"),
    "diabetes": (datasets.load_diabetes, "regression", "mae"),
}


@pytest.fixture
def project(mlflow_server, monkeypatch):
    """Yield the servers' project for the steps, and remove its models afterwards."""
    monkeypatch.setenv("TITLEBOUT_PROJECT", str(mlflow_server))
    yield mlflow_server
    shutil.rmtree(mlflow_server / "models")
    (mlflow_server / "models").mkdir()


def declare(
    project, table: str, *, name: str | None = None, copied: str | None = None, **more
) -> str:
    """Write a table of scikit-learn as CSV, with missing values, and a model.yaml for it.

    `copied` names a column that equals the target except in each fortieth row.
    """
    load, task, metric = TABLES[table]
    frame = load(as_frame=True).frame
    if task == "binary":
        frame["target"] = frame["target"].map({0: "malignant", 1: "benign"})
    if task == "multiclass":
        frame["target"] = frame["target"].map(lambda code: f"cultivar-{code}")
    columns = [str(column) for column in frame.columns if column != "target"][:5]
    frame.loc[::11, columns[1]] = None
    if copied:
        frame[copied] = (frame["target"] == frame["target"].iloc[0]).astype(float)
        frame.loc[::40, copied] = 1 - frame.loc[::40, copied]
        columns.append(copied)
    name = name or table
    folder = project / "models" / name
    folder.mkdir()
    frame.to_csv(folder / "table.csv", index=False)
    spec = {
        "name": name,
        "owner": "tests",
        "brief": {"question": "Which?", "decided_by": "a test", "error_cost": "a red build"},
        "source": {"file": "table.csv"},
        "task": task,
        "target": {"column": "target", **({"positive": "malignant"} if task == "binary" else {})},
        "columns": {column: {"type": "number"} for column in columns},
        "split": {"by": "row"},
        "candidates": {
            "linear": {"estimator": "linear"},
            "trees": {"estimator": "trees", "settings": {"max_iter": 20}},
        },
        "metric": metric,
        **more,
    }
    (folder / "model.yaml").write_text(yaml.safe_dump(spec))
    return name


def run(model: str, folder):
    """Run every step in its own folder, as the pipeline does."""
    step = {"model": model, "environment": "prod"}
    prepare_dataset(**step, as_of=None, out=folder / "dataset")
    train_candidates(**step, dataset=folder / "dataset", out=folder / "training")
    evaluation = evaluate_candidates(
        **step, dataset=folder / "dataset", training=folder / "training", out=folder / "evaluation"
    )
    return evaluation, validate_version(
        **step, evaluation=folder / "evaluation", out=folder / "validation"
    )


@pytest.mark.parametrize("table", TABLES)
def test_a_good_model_becomes_the_challenger(project, tmp_path, table):
    """Register the model with its lineage, pass it and set the alias.

    The report needs no network, and the run holds it.
    """
    name = declare(project, table)
    evaluation, validation = run(name, tmp_path)
    assert validation.status == "passed", validation.checks
    registry = Registry.connect(project, load_environment(project, "prod"))
    version = registry.find(name, alias="challenger")
    assert (version.version, version.digest) == (evaluation.version, evaluation.model_digest)
    assert version.tags["validation_status"] == "passed"
    assert (version.tags["dataset"], version.tags["candidate"]) == (
        evaluation.dataset,
        evaluation.chosen,
    )
    page = (tmp_path / "evaluation" / "report.html").read_text()
    assert "<svg" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    baseline = registry.download_artifact(evaluation.run_id, "baseline", tmp_path / "down")
    assert digest_of_folder(baseline) == evaluation.baseline_digest
    assert (
        registry.download_artifact(evaluation.run_id, "report.html", tmp_path / "down").read_text()
        == page
    )


def test_a_version_that_fails_stays_registered_with_its_reasons(project, tmp_path):
    """Set no alias and tag both reasons, without an error, for a threshold and a leak that fail."""
    name = declare(
        project,
        "cancer",
        name="too-good",
        thresholds={"accuracy": 1.0},
        leaks="fail",
        copied="copy",
    )
    evaluation, validation = run(name, tmp_path)
    assert validation.status == "failed"
    registry = Registry.connect(project, load_environment(project, "prod"))
    version = registry.find(name, version=evaluation.version)
    assert (version.tags["validation_status"], registry.find(name, alias="challenger")) == (
        "failed",
        None,
    )
    assert "threshold accuracy: " in version.tags["validation_failures"]
    assert "copy alone" in version.tags["validation_failures"]


def test_training_twice_gives_the_same_bytes_and_an_interrupted_evaluation_is_taken_up(
    project, tmp_path
):
    """Give the same digests for the same data and code.

    A pending version that is evaluated again is not registered twice.
    """
    name = declare(project, "wine", name="twice")
    step = {"model": name, "environment": "prod"}
    prepare_dataset(**step, as_of=None, out=tmp_path / "dataset")
    for attempt in ("one", "two"):
        train_candidates(**step, dataset=tmp_path / "dataset", out=tmp_path / attempt)
    for candidate in ("baseline", "linear", "trees"):
        assert digest_of_folder(tmp_path / "one" / candidate) == digest_of_folder(
            tmp_path / "two" / candidate
        )
    found = [
        evaluate_candidates(
            **step, dataset=tmp_path / "dataset", training=tmp_path / "one", out=tmp_path / out
        )
        for out in ("three", "four")
    ]
    assert (found[0].version, found[0].run_id) == (found[1].version, found[1].run_id)


def test_where_tuning_is_forbidden_it_is_refused_and_the_lock_is_trained(project, tmp_path):
    """Refuse to tune in prod, train the committed lock, and record it."""
    name = declare(project, "wine", name="locked")
    step = {"model": name, "environment": "prod", "dataset": tmp_path / "dataset"}
    prepare_dataset(model=name, environment="prod", as_of=None, out=tmp_path / "dataset")
    with pytest.raises(NotAllowed, match=r"has no `tuning: true`"):
        train_candidates(**step, out=tmp_path / "training", tune=True)
    untuned = train_candidates(**step, out=tmp_path / "training")
    assert (untuned.tuned, untuned.settings_digest) == (False, None)
    lock = {
        "dataset": "d",
        "metric": "log_loss",
        "candidates": {
            "linear": {"estimator": "linear", "settings": {"C": 0.125}, "score": 0.1, "trials": 3}
        },
    }
    (project / "models" / name / "settings.lock.yaml").write_text(yaml.safe_dump(lock))
    train_candidates(**step, out=tmp_path / "training")
    trained = Training.model_validate_json((tmp_path / "training" / "training.json").read_text())
    assert {one.name: (one.settings, one.settings_from) for one in trained.candidates}[
        "linear"
    ] == ({"C": 0.125}, "settings.lock.yaml")
    assert trained.settings_digest is not None
    assert (
        json.loads((tmp_path / "training" / "linear" / "contract.json").read_text())["model"]
        == name
    )
