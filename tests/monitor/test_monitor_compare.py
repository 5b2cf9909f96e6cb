"""Releases that answered at the same time are compared by their labels and by the requests that both saw."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from titlebout.monitor.compare import compare, in_words
from titlebout.spec import DataError

MODEL_YAML = Path(__file__).parents[2] / "models" / "flights" / "model.yaml"
OLD, NEW = "a" * 64, "b" * 64


def rows(release: str, ids: range, *, wrong_every: int) -> pd.DataFrame:
    """The label is always `yes`; every so many rows say `no`."""
    said = ["no" if number % wrong_every == 0 else "yes" for number in ids]
    return pd.DataFrame(
        {
            "request_id": [f"r{number}" for number in ids],
            "time": pd.Timestamp("2026-11-01", tz="UTC"),
            "release": release,
            "slot": "blue" if release == OLD else "green",
            "prediction": said,
            "score": [0.9 if release == OLD else 0.8] * len(said),
        }
    )


@pytest.fixture
def project(tmp_path):
    """A project whose inference table is written by `serve`."""
    (tmp_path / "models" / "flights").mkdir(parents=True)
    (tmp_path / "models" / "flights" / "model.yaml").write_text(MODEL_YAML.read_text())
    (tmp_path / "environments" / "prod").mkdir(parents=True)
    (tmp_path / "environments" / "prod" / "environment.yaml").write_text(
        json.dumps({"name": "prod", "mlflow": "http://x", "storage": "store"})
    )
    return tmp_path


def serve(project: Path, *frames: pd.DataFrame) -> None:
    day, labels = project / "store" / "inference" / "flights" / "date=2026-11-01", project / "store" / "labels" / "flights"
    for folder in (day, labels):
        folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        frame.to_parquet(day / f"{number}.parquet")
    ids = pd.concat(frames)["request_id"].unique()
    about = {"revision": 0, "time": datetime(2026, 11, 2, tzinfo=UTC), "by": "a test", "reason": None}
    pd.DataFrame({"request_id": ids, "label": "yes", **about}).to_parquet(labels / "labels.parquet")


def found(project: Path):
    return compare(project, "flights", "prod", releases=(OLD, NEW), span=None)


def test_groups_are_compared_by_their_labels(project):
    """Other clients each: a twentieth wrong against a fifth, an interval that says so, and no common request."""
    serve(project, rows(OLD, range(1000), wrong_every=20), rows(NEW, range(1000, 2000), wrong_every=5))
    result = found(project)
    assert [group.loss for group in result.groups] == [0.05, 0.2]
    assert 0 < result.low < result.difference < result.high
    assert result.pairs.rows == 0


def test_a_shadow_is_compared_on_the_same_requests(project):
    """Both answered every request; a tenth differ, and the scores are a tenth apart."""
    serve(project, rows(OLD, range(1000), wrong_every=10), rows(NEW, range(1000), wrong_every=1001))
    result = found(project)
    assert (result.pairs.rows, round(result.pairs.score_difference, 6)) == (1000, 0.1)
    assert result.pairs.agreement == pytest.approx(0.901)
    assert "1000 requests answered by both" in in_words(result)


def test_a_release_without_answers_is_refused(project):
    """A comparison with nothing would look like no difference."""
    serve(project, rows(OLD, range(10), wrong_every=5))
    with pytest.raises(DataError, match="answers of release bbbb"):
        found(project)
