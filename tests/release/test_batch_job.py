"""What a scoring Job's chart is given: by the command what it does, by the platform with what."""

import json
from pathlib import Path

import pytest
import yaml

from titlebout.batch.scoring_job import said_result, scoring_values
from titlebout.cluster import Helm

CHART = Path(__file__).parents[2] / "helm" / "batch"
IMAGE = f"localhost:5000/titlebout/platform@sha256:{'0' * 64}"
MORE = {"requests": {"cpu": "2", "memory": "8Gi"}, "limits": {"cpu": "4", "memory": "8Gi"}}
SOURCE, OUTPUT = "s3://titlebout/in.parquet", "s3://titlebout/out.parquet"


@pytest.fixture
def manifests(tmp_path: Path):
    """By kind, as rendered with what `environments/prod/batch-values.yaml` says."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "digests.json").write_text(json.dumps({"platform": IMAGE}))
    (tmp_path / "environments" / "prod").mkdir(parents=True)

    def manifests(**said: object) -> dict[str, dict]:
        (tmp_path / "environments" / "prod" / "batch-values.yaml").write_text(yaml.safe_dump(said))
        values = scoring_values(tmp_path, "flights", "prod", source=SOURCE, output=OUTPUT)
        text = Helm(None).template("flights-score-1", CHART, namespace="ring-prod", values=values)
        return {found["kind"]: found for found in yaml.safe_load_all(text) if found}

    return manifests


def test_a_large_table_has_the_room_that_the_platform_gives_it(manifests):
    """Resources and time are the environment's own; what is not said stays as it is."""
    spec = manifests(resources=MORE, score={"deadlineSeconds": 36000})["Job"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert (
        container["resources"],
        spec["activeDeadlineSeconds"],
        spec["ttlSecondsAfterFinished"],
    ) == (MORE, 36000, 86400)
    assert container["image"] == IMAGE


def test_what_is_scored_is_what_the_command_names(manifests):
    """Whatever the environment's file says, also of the monitoring that the same chart can do."""
    found = manifests(
        model="rides", score={"input": "s3://other/in.csv"}, monitor={"enabled": True}
    )
    assert found["Job"]["spec"]["template"]["spec"]["containers"][0]["command"][-4:] == [
        "flights",
        "prod",
        SOURCE,
        OUTPUT,
    ]
    assert found.keys() == {"Job"}


@pytest.mark.parametrize(
    ("log", "result"),
    [
        (['a warning\n{"rows": 9, "refused": 2}\n'], {"rows": 9, "refused": 2}),
        (['{"rows": 9}\na late warning\n12\n'], {"rows": 9}),
        ([], {}),
        (["{cut"], {}),
    ],
)
def test_a_job_says_what_it_did(log, result):
    """Its log's last object: how many rows were scored, and how many refused; a log that is gone says nothing."""
    assert said_result(log) == result
