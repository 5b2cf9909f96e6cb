"""Bring a user's own table from `titlebout new` to a served prediction."""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from sklearn import datasets
from support.free_ports import first_of_three

REPOSITORY = Path(__file__).parents[2]
LINKED = ("bentos", "components", "pipelines", "requirements.lock")
pytestmark = pytest.mark.slow


@pytest.fixture
def project(mlflow_server):
    """Yield the project whose servers run, able to train by its pipeline and to serve in prod."""
    declared = mlflow_server / "environments" / "prod" / "environment.yaml"
    before = declared.read_text()
    declared.write_text(
        before + f"serving: {{port: {first_of_three()}, test_seconds: 0.3, bake_seconds: 0.3}}\n"
    )
    links = [mlflow_server / name for name in LINKED if not (mlflow_server / name).exists()]
    for link in links:
        link.symlink_to(REPOSITORY / link.name)
    yield mlflow_server
    halt(mlflow_server)
    declared.write_text(before)
    for link in links:
        link.unlink()
    for model in (mlflow_server / "models").iterdir():
        shutil.rmtree(model)


def halt(project):
    from titlebout.rollout import halt_serving
    from titlebout.spec import load_environment

    halt_serving(project, load_environment(project, "prod"))


def titlebout(project, *arguments):
    command = [str(Path(sys.executable).with_name("titlebout")), *arguments, "--json"]
    done = subprocess.run(
        command,
        env={**os.environ, "TITLEBOUT_PROJECT": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def predicted(endpoint, row):
    request = urllib.request.Request(
        f"{endpoint}/predict",
        data=json.dumps(row).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.loads(response.read())


def wine(folder):
    frame = datasets.load_wine(as_frame=True).frame
    frame["target"] = frame["target"].map({0: "barolo", 1: "grignolino", 2: "barbera"})
    frame.to_csv(folder / "wine.csv", index=False)
    return folder / "wine.csv", frame, "multiclass"


def diabetes(folder):
    frame = datasets.load_diabetes(as_frame=True).frame
    frame.to_parquet(folder / "diabetes.parquet")
    return folder / "diabetes.parquet", frame, "regression"


@pytest.mark.parametrize("table", [wine, diabetes])
def test_from_a_table_to_a_served_prediction(project, tmp_path, table):
    """Recognise the task, beat the baseline, and answer a row sensibly."""
    file, frame, task = table(tmp_path)
    name = file.stem
    assert (
        titlebout(project, "new", name, "--data", str(file), "--target", "target")["task"] == task
    )
    assert titlebout(project, "train", name, "--env", "prod")["verdict"]["verdict"] == "accept"
    endpoint = titlebout(project, "release", name, "--env", "prod")["endpoint"]
    row = json.loads(frame.drop(columns="target").head(1).to_json(orient="records"))[0]
    answer = predicted(endpoint, row)
    assert (
        answer["release"]
        == json.loads(urllib.request.urlopen(f"{endpoint}/release", timeout=10).read())["release"]
    )
    if task == "multiclass":
        assert answer["prediction"] == frame["target"][0]
        assert sum(answer["probabilities"].values()) == pytest.approx(1)
    else:
        assert abs(answer["prediction"] - frame["target"][0]) < 3 * frame["target"].std()
