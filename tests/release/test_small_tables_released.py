"""Release small tables by the command line alone, from `titlebout new` to `titlebout verify`.

MLflow, BentoML, ONNX Runtime and Caddy are real. By default one table is released.
TITLEBOUT_RELEASED_TABLES=20 .venv/bin/pytest tests/release/test_small_tables_released.py -s
releases twenty, in about as many minutes, and prints one line for each table.
"""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
from support.free_ports import free_ports
from support.small_tables import SmallTable, small_table

from titlebout.rollout import model_homes, open_model
from titlebout.rollout.ports import PORTS_PER_MODEL
from titlebout.spec import load_environment

REPOSITORY = Path(__file__).parents[2]
PARTS = ("bentos", "components", "pipelines", "requirements.lock")
TABLES = int(os.environ.get("TITLEBOUT_RELEASED_TABLES", "1"))
# A table without a signal is refused, so more are tried than are released: at most this many.
MOST_TRIED = 2 * TABLES + 5
# The only check that says something about the rows. Any other would be a default that cannot hold.
ROWS_FAULT = "beats the baseline"
STRONG, ENOUGH_ROWS = 0.99, 100
# A live model takes about 250 MB: a slot, a proxy and a supervisor. Older ones are stopped.
MOST_RUNNING = 3
# Other programs use the machine, too: its latency and throughput decide nothing here.
OBJECTIVE = {
    "p99_ms: 50": "p99_ms: 60000",
    "requests_per_second: 100": "requests_per_second: 10",
}
SECONDS_PER_TABLE = 300
# ONNX Runtime computes in float32, and its sums depend on how many rows it is given at once.
FLOAT32_NOISE = 1e-6

pytestmark = [pytest.mark.slow, pytest.mark.timeout(MOST_TRIED * SECONDS_PER_TABLE)]


class Command(NamedTuple):
    """Hold what a command returned."""

    code: int
    result: Any
    progress: str


class Tried(NamedTuple):
    """Report a table's verdict; `refusal` says why it was not released, None if it was."""

    verdict: str
    refusal: str | None
    release: str | None


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make a project whose one environment runs, and stop it at the end in any case."""
    (tmp_path / "models").mkdir()
    (tmp_path / "environments" / "prod").mkdir(parents=True)
    mlflow, *serving = free_ports(1 + PORTS_PER_MODEL * MOST_TRIED)
    (tmp_path / "environments" / "prod" / "environment.yaml").write_text(
        f"name: prod\nmlflow: http://127.0.0.1:{mlflow}\nstorage: .titlebout/prod/storage\n"
        f"serving: {{port: {serving[0]}, test_seconds: 0.3, bake_seconds: 0.3}}\n"
    )
    for part in PARTS:
        (tmp_path / part).symlink_to(REPOSITORY / part)
    monkeypatch.setenv("TITLEBOUT_PROJECT", str(tmp_path))
    try:
        assert run("up").code == 0
        yield tmp_path
    finally:
        run("down")


def run(*arguments: str) -> Command:
    """Run the real command with --json."""
    command = [str(Path(sys.executable).with_name("titlebout")), *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return Command(done.returncode, json.loads(done.stdout), done.stderr)


def succeed(*arguments: str) -> Any:
    """Run the command, and return its result; fail the test if it fails."""
    done = run(*arguments)
    assert done.code == 0, f"titlebout {' '.join(arguments)}: {done.result}\n{done.progress}"
    return done.result


def test_small_tables_are_released_and_the_served_prediction_is_the_scored_one(
    project: Path,
) -> None:
    """Every table is released or refused for its own rows; all records of the released hold."""
    released = release_tables(project)
    assert len(released) == TABLES
    assert succeed("verify", "--env", "prod")["faults"] == []
    assert live_releases(succeed("status", "prod")) == released
    assert states(succeed("down", "prod")) == {"stopped"}


def release_tables(project: Path) -> dict[str, str]:
    """Try one table after the other until enough are released; return the models' releases.

    Raises an ExceptionGroup, after the last table, of all that went wrong.
    """
    released: dict[str, str] = {}
    verdicts: Counter[str] = Counter()
    refused, faults = 0, []
    for seed in range(MOST_TRIED):
        if len(released) == TABLES:
            break
        began, table = time.monotonic(), small_table(seed)
        try:
            tried = try_table(project, table)
        except (AssertionError, OSError) as fault:  # OSError: no answer, or one that says 4xx
            fault.add_note(table.name)
            faults.append(fault)
            print(f"{table.name}: FAULT {fault}", flush=True)
            continue
        if tried.release is None:
            refused += 1
        else:
            released[table.name] = tried.release
            verdicts[tried.verdict] += 1
        stop_all_but(list(released)[-MOST_RUNNING:], project)
        print(
            f"{table.name}: {table.task}, {len(table.frame)} rows, strength {table.strength}: "
            f"{tried.verdict}; {tried.refusal or 'released'}; {time.monotonic() - began:.0f} s",
            flush=True,
        )
    print(f"{len(released)} released {dict(verdicts)}, {refused} refused, {len(faults)} faults")
    if faults:
        raise ExceptionGroup("tables that were neither released nor refused for their rows", faults)
    return released


def try_table(project: Path, table: SmallTable) -> Tried:
    """Take one table from `new` to its scored rows; raises AssertionError at the first fault."""
    file = table.write(project)
    columns = succeed("new", table.name, "--data", str(file), "--target", table.target)["columns"]
    be_generous(project / "models" / table.name / "model.yaml")
    trained = succeed("train", table.name, "--env", "prod")
    verdict, reasons = trained["verdict"]["verdict"], trained["verdict"]["reasons"]
    failed = {
        check["name"]: check["detail"]
        for check in trained["validation"]["checks"]
        if not check["passed"]
    }
    if failed:
        return Tried(verdict, refusal_of(table, failed), release=None)
    against = () if verdict == "accept" else ("--override", f"a test; the gate: {reasons[0]}")
    found = succeed("release", table.name, "--env", "prod", "--by", "a test", *against)
    assert found["state"] == "released"
    check_predictions(table, file, columns, found)
    return Tried(verdict, refusal=None, release=found["release"])


def be_generous(path: Path) -> None:
    """Change the service objective, and nothing else of what `new` wrote."""
    text = path.read_text()
    for tight, generous in OBJECTIVE.items():
        assert tight in text
        text = text.replace(tight, generous)
    path.write_text(text)


def refusal_of(table: SmallTable, failed: dict[str, str]) -> str:
    """Return why `release` refuses a table whose validation failed, also with an override."""
    assert set(failed) == {ROWS_FAULT}, failed
    assert table.strength < STRONG or len(table.frame) < ENOUGH_ROWS, failed
    refused = run(
        "release", table.name, "--env", "prod", "--by", "a test", "--override", "to be refused"
    )
    assert refused.code == 1, refused.result
    assert ROWS_FAULT in refused.result["error"]["found"], refused.result
    return f"{ROWS_FAULT}: {failed[ROWS_FAULT]}"


def check_predictions(
    table: SmallTable, file: Path, columns: dict[str, Any], found: dict[str, Any]
) -> None:
    """Ask the live address for all rows, and for one, and compare with the scored table."""
    out = file.with_suffix(".scored.parquet")
    result = succeed("score", table.name, str(file), "--env", "prod", "--out", str(out))
    assert (result["rows"], result["refused"]) == (len(table.frame), 0), result
    assert result["release"] == found["release"]
    rows = rows_of_client(file, columns)
    served = ask(found["endpoint"], rows)
    assert served["release"] == found["release"]
    scored = pd.read_parquet(out).to_dict(orient="records")
    expected = [scored_row(row, result["columns"]) for row in scored]
    shares = served.get("probabilities", [{}] * len(rows))
    assert list(zip(served["predictions"], shares, strict=True)) == expected
    check_alone(ask(found["endpoint"], rows[0]), *expected[0])


def check_alone(answer: dict[str, Any], prediction: str | float, shares: dict[str, float]) -> None:
    """Compare the answer to a row that was sent alone."""
    if isinstance(prediction, float):
        assert answer["prediction"] == pytest.approx(prediction, rel=FLOAT32_NOISE)
    else:
        assert answer["prediction"] == prediction
        assert answer["probabilities"] == pytest.approx(shares, abs=FLOAT32_NOISE, rel=0)


def rows_of_client(file: Path, columns: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the table's rows as a client of the JSON interface sends them; categories are text."""
    text = {name: str for name, column in columns.items() if column["type"] == "category"}
    frame = pd.read_csv(file, dtype=text)[list(columns)].astype(object)
    return frame.where(frame.notna(), None).to_dict(orient="records")


def ask(endpoint: str, body: object) -> Any:
    """Return the endpoint's answer to the body."""
    request = urllib.request.Request(
        f"{endpoint}/predict",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.loads(response.read())


def scored_row(row: dict[str, Any], columns: dict[str, str]) -> tuple[Any, dict[str, float]]:
    """Return prediction and probabilities; `columns` says how the output names its columns."""
    scores = {
        name.removeprefix("score."): row[column]
        for name, column in columns.items()
        if name.startswith("score.")
    }
    return row[columns["prediction"]], scores


def stop_all_but(models: list[str], project: Path) -> None:
    """Stop the servers of all other models, so that twenty fit into memory."""
    for home in model_homes(project, load_environment(project, "prod")):
        if home.name not in models:
            open_model(home).halt()


def live_releases(status: list[dict[str, Any]]) -> dict[str, str]:
    """Return what is live by the traffic's record; nothing may differ from the ledger."""
    (prod,) = status
    assert [model["differences"] for model in prod["models"] if model["differences"]] == []
    return {model["model"]: model["live"] for model in prod["models"] if model["live"]}


def states(status: list[dict[str, Any]]) -> set[str]:
    """Return every state that a server of the environment is in."""
    (prod,) = status
    models = prod["models"]
    servers = [model[name] for model in models for name in ("proxy", "supervisor")]
    slots = [slot["state"] for model in models for slot in model["slots"]]
    return {prod["mlflow"]["state"], *servers, *slots}
