"""Run a person's commands on a laptop for an environment on a cluster.

Each one reaches the data, the registry or the namespace.
"""

import json
import subprocess

import pandas as pd
import pytest
import yaml
from cluster.test_loop import eventually, history, live_release
from support.company_fork import MODEL

ROWS = 300  # monitor tests windows of 100 and more
EXIT_DRIFT = 10
TABLE_SECONDS = 60.0  # a server writes its rows every 5 s


@pytest.fixture(scope="module")
def drifted_request_ids(released_twice):
    """Send rows unlike the training data, and return their request ids.

    The rows are answered and in the inference table.
    """
    columns = yaml.safe_load(
        (released_twice.project / "models" / MODEL / "model.yaml").read_text()
    )["columns"]
    table = pd.read_csv(released_twice.project / "models" / MODEL / "table.csv")
    rows = table[list(columns)].head(ROWS) * 3
    path = released_twice.project / "rows.json"
    path.write_text(rows.to_json(orient="records"))
    before = count_inference_files(released_twice)
    address = (
        f"/api/v1/namespaces/{released_twice.namespace('prod')}/services/{MODEL}:80/proxy/predict"
    )
    done = subprocess.run(
        ["kubectl", "create", "--raw", address, "--filename", str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    eventually(lambda: count_inference_files(released_twice) > before, seconds=TABLE_SECONDS)
    request = json.loads(done.stdout)["request_id"]
    return [f"{request}/{row}" for row in range(ROWS)]


def test_late_labels(released_twice, drifted_request_ids, tmp_path):
    """Labels go from a laptop to the namespace's store; the same file again adds nothing."""
    file = tmp_path / "labels.csv"
    pd.DataFrame(
        {"request_id": drifted_request_ids[:150], "label": ["malignant", "benign"] * 75}
    ).to_csv(file, index=False)
    assert released_twice.result("label", MODEL, str(file), "--env", "prod")["added"] == 150
    again = released_twice.result("label", MODEL, str(file), "--env", "prod")
    assert (again["added"], again["unknown_request_ids"]) == (0, 0)


def test_drift_is_the_exit_code(released_twice, drifted_request_ids):
    """A Job in the namespace monitors; the command prints its report and has its exit code."""
    done = released_twice.attempt("monitor", MODEL, "--env", "prod", "--json")
    assert done.returncode == EXIT_DRIFT, done.stderr
    report = json.loads(done.stdout)
    assert report["decision"] == "drift"
    assert sum(drift["drifted"] for drift in report["drifts"]) >= 5


def test_drift_may_train_again(released_twice, drifted_request_ids):
    """A Job trains again; the gate accepts nothing better, and the command says so."""
    moves = len(history(released_twice))
    done = released_twice.attempt("monitor", MODEL, "--env", "prod", "--retrain")
    assert done.returncode == EXIT_DRIFT, done.stderr
    assert "the Champion stays: " in done.stderr
    assert len(history(released_twice)) == moves


def test_no_predictions_in_the_window(released_twice):
    """The command ends with the Job's report and its exit code, 11: it cannot tell."""
    done = released_twice.attempt(
        "monitor", MODEL, "--env", "prod", "--since", "2001-01-01", "--until", "2001-02-01"
    )
    assert done.returncode == 11
    assert "there are no predictions of the Champion" in done.stdout


def test_a_verdict_is_reached_again_on_a_laptop(released_twice):
    """Replay a verdict from the cluster's records; without --model, ask for it."""
    verdict = released_twice.result("train", MODEL, "--env", "prod")["verdict"]["digest"]
    again = released_twice.result("gate", "--replay", verdict, "--env", "prod", "--model", MODEL)
    assert again["same"]
    assert (
        "--model MODEL"
        in released_twice.run("gate", "--replay", verdict, "--env", "prod", fails=True).stderr
    )


def test_a_table_on_a_laptop_is_scored_by_what_is_live(released_twice, tmp_path):
    """The Champion's files are downloaded from the namespace, and score a local table."""
    out = tmp_path / "scored.parquet"
    released_twice.run(
        "score",
        MODEL,
        str(released_twice.project / "models" / MODEL / "table.csv"),
        "--env",
        "prod",
        "--out",
        str(out),
    )
    scored = pd.read_parquet(out)
    assert len(scored) == 569
    assert set(scored["release"]) == {live_release(released_twice)}


def test_a_model_that_the_image_does_not_hold(released_twice):
    """Refuse to train a model that differs from the image's copy, and name `make images`."""
    path = released_twice.project / "models" / MODEL / "model.yaml"
    written = path.read_text()
    path.write_text(f"{written}# another wish\n")
    try:
        refused = released_twice.run("train", MODEL, "--env", "prod", fails=True)
    finally:
        path.write_text(written)
    assert f"models/{MODEL} in the platform image" in refused.stderr
    assert "make images" in refused.stderr


def count_inference_files(fork):
    """Return the number of files in the model's inference table."""
    with fork.store("prod") as store:
        return store.list_objects_v2(Bucket="titlebout", Prefix=f"inference/{MODEL}/")["KeyCount"]
