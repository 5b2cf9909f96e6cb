"""Show what a person or a script sees when a command cannot do what was asked."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TITLEBOUT = Path(sys.executable).with_name("titlebout")


def run(*arguments, cwd):
    return subprocess.run(
        [TITLEBOUT, *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=60
    )


def test_an_error_names_all_four_parts_and_no_traceback(tmp_path):
    """Print object, expected, found and next step on standard error, and exit 1."""
    done = run("train", "flights", "--env", "dev", cwd=tmp_path)
    assert done.returncode == 1
    assert [
        part for part in ("error:", "expected:", "found:", "next:") if part not in done.stderr
    ] == []
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_an_error_is_json_where_json_was_asked_for(tmp_path):
    """Print one JSON object with the four parts on standard output with --json.

    Standard error, where progress is read, holds the same words.
    """
    done = run("history", "flights", "--env", "prod", "--json", cwd=tmp_path)
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert set(error) == {"kind", "subject", "expected", "found", "next_step"}
    assert [
        error[part]
        for part in ("subject", "expected", "found", "next_step")
        if error[part] not in done.stderr
    ] == []


def test_tuning_is_refused_where_the_environment_forbids_it():
    """Refuse `train --tune` in prod before anything runs, and say where to tune."""
    done = run("train", "flights", "--env", "prod", "--tune", cwd=Path(__file__).parents[2])
    assert done.returncode == 1
    assert "has no `tuning: true`" in done.stderr
    assert "settings.lock.yaml" in done.stderr


@pytest.mark.parametrize("given", ["--since", "--until"])
def test_half_a_window_is_refused(given):
    """Refuse --since without --until: `compare` would otherwise use all rows without a word."""
    done = run(
        "compare",
        "flights",
        "a" * 12,
        "b" * 12,
        "--env",
        "prod",
        given,
        "2026-01-01",
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 1
    assert f"{given} alone" in done.stderr
    assert "--since and --until, or neither" in done.stderr


def test_unknown_names_are_told_with_the_path_looked_for():
    """Name the path that was looked for if a model or an environment does not exist."""
    project = Path(__file__).parents[2]
    assert "models/nosuch/model.yaml" in run("train", "nosuch", "--env", "dev", cwd=project).stderr
    assert (
        "environments/moon/environment.yaml"
        in run("history", "flights", "--env", "moon", cwd=project).stderr
    )


def test_help_imports_nothing_heavy():
    """Load no heavy library for `titlebout --help`, so that it is quick."""
    heavy = {"pydantic", "pandas", "numpy", "mlflow", "kfp", "sklearn", "bentoml"}
    code = f"import sys, titlebout.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
