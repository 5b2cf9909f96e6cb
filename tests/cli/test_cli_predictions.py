"""Show what `score` and `label` print on the terminal."""

import pytest
from support.tried_model import MODEL_YAML
from typer.testing import CliRunner

from titlebout import batch, monitor
from titlebout.cli import app

RESULT = {
    "rows": 9,
    "refused": 0,
    "release": "r" * 64,
    "version": "3",
    "out": "t.predictions.parquet",
    "not_used": [],
}
COLUMNS = {"prediction": "prediction", "refused": "refused"}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, ["9 rows scored by release rrrrrrrrrrrr: t.predictions.parquet"]),
        (
            {"refused": 2},
            ["7 rows scored", "2 rows refused: column `refused` says why"],
        ),
        ({"rows": 0}, ["0 rows to score: t.predictions.parquet has the columns and no row"]),
        (
            {"columns": {**COLUMNS, "prediction": "titlebout.prediction"}},
            ["`prediction` is `titlebout.prediction`"],
        ),
    ],
)
def test_score_says_what_it_did_and_what_not(monkeypatch, tmp_path, more, words):
    """Report refused rows, an empty table, and column names that were taken."""
    monkeypatch.setattr("titlebout.spec.find_project", lambda: tmp_path)
    monkeypatch.setattr(
        batch, "score_file", lambda *names, **options: {**RESULT, "columns": COLUMNS, **more}
    )  # tests/batch holds its own tests
    shown = CliRunner().invoke(app, ["score", "tried", "t.csv", "--env", "prod"])
    assert shown.exit_code == 0, shown.output
    for line in words:
        assert line in shown.stdout


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({**RESULT, "columns": COLUMNS, "refused": 1}, "8 rows scored"),
        (
            {"found": "already there", "out": "s3://b/o.parquet"},
            "s3://b/o.parquet is already there",
        ),
        ({"out": "s3://b/o.parquet"}, "s3://b/o.parquet is written"),
    ],
)
def test_a_job_says_the_same(monkeypatch, tmp_path, result, words):
    """Report what the Job's log held."""
    (tmp_path / "environments" / "prod").mkdir(parents=True)
    (tmp_path / "environments" / "prod" / "environment.yaml").write_text(
        "name: prod\nmlflow: http://127.0.0.1:1\nstorage: store\n"
    )
    monkeypatch.setattr("titlebout.spec.find_project", lambda: tmp_path)
    asked = {}

    def submit(*names, **paths):
        asked.update(paths)
        return {"job": "j", "namespace": "n", **result}

    monkeypatch.setattr(batch, "submit_scoring", submit)
    shown = CliRunner().invoke(app, ["score", "tried", "s3://b/data/nodot", "--env", "prod"])
    assert shown.exit_code == 0, shown.output
    assert f"job j in n: {words}" in shown.stdout
    assert asked == {
        "source": "s3://b/data/nodot",
        "output": "s3://b/data/nodot.predictions.parquet",
    }


def test_label_hands_on_who_and_why(monkeypatch, tmp_path):
    """Pass on the name and the reason, and print how many labels were corrected."""
    given = {}

    def label(project, model, environment, file, **about):
        given.update(about)
        return {"added": 1, "corrected": 2}

    (tmp_path / "environments" / "prod").mkdir(parents=True)
    (tmp_path / "environments" / "prod" / "environment.yaml").write_text(
        "name: prod\nmlflow: http://127.0.0.1:1\nstorage: store\n"
    )
    (tmp_path / "models" / "tried").mkdir(parents=True)
    (tmp_path / "models" / "tried" / "model.yaml").write_text(MODEL_YAML)
    monkeypatch.setattr("titlebout.spec.find_project", lambda: tmp_path)
    monkeypatch.setattr(monitor, "label", label)
    shown = CliRunner().invoke(
        app, ["label", "tried", "t.csv", "--env", "prod", "--by", "ann", "--reason", "mixed up"]
    )
    assert shown.exit_code == 0, shown.output
    assert "1 added, 2 corrected" in shown.stdout
    assert given == {"by": "ann", "reason": "mixed up"}
