"""What `titlebout doctor` asks for is what `team apply` needs and makes, wherever images are named and stores run."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from titlebout.team import examine
from titlebout.team.charts import mlflow_chart
from titlebout.team.team_namespace import open_team_namespace

NOTED = f"docker.io/library/one@sha256:{'0' * 64}"
OTHER = f"registry.example.com/other@sha256:{'1' * 64}"
ELSEWHERE = {"external": True}
POSTGRES, SEAWEEDFS, READER = "image postgres", "image seaweedfs", "Secret storage-prod-reader"


@pytest.fixture
def examined(cluster, project):
    """Every finding by what was looked at, for what mlflow-values.yaml says in each environment; of the images only `noted` are noted."""
    cluster.discoverable()
    for environment in ("dev", "prod"):
        cluster.put(
            f"/api/v1/namespaces/ring-{environment}",
            {"metadata": {"labels": {"titlebout.io/team": "ring"}}},
        )

    def examined(environment: str, *noted: str, **values: dict) -> dict[str, tuple[str, str]]:
        (project / "images").mkdir()
        (project / "images" / "digests.json").write_text(
            json.dumps(dict.fromkeys(("platform", *noted), NOTED))
        )
        for name, said in values.items():
            (project / "environments" / name / "mlflow-values.yaml").write_text(
                yaml.safe_dump(said)
            )
        return {
            found.part: (found.state, found.found)
            for found in examine(project, "ring", environment)
        }

    return examined


METRICS, ROOM = "metrics for autoscaling", "room on the volume of storage"


def test_metrics_are_there_when_somebody_answers(examined, cluster):
    """The group stays listed while metrics-server's pods are away, and the API server says 503 to whoever asks it."""
    cluster.objects["/apis"]["groups"].append({"name": "metrics.k8s.io", "versions": []})
    path = "/apis/metrics.k8s.io/v1beta1"
    cluster.statuses[path] = 503
    found = examined("prod")
    assert found[METRICS] == ("missing", f"nobody answers {path}")


def test_metrics_that_answer_are_ok(examined, cluster):
    """By what they themselves say."""
    cluster.objects["/apis/metrics.k8s.io/v1beta1"] = {"kind": "APIResourceList", "resources": []}
    assert examined("prod")[METRICS] == ("ok", "")


def test_metrics_that_nobody_may_see_are_unknown(examined, cluster):
    """No right to look is another thing than nobody there."""
    cluster.statuses["/apis/metrics.k8s.io/v1beta1"] = 403
    assert examined("prod")[METRICS][0] == "unknown"


@pytest.mark.parametrize(
    ("container", "minutes", "state"),
    [("disk", 1, "missing"), ("disk", 60, "ok"), ("seaweedfs", 1, "ok")],
)
def test_a_volume_that_is_nearly_full_is_named(examined, cluster, container, minutes, state):
    """The pod's own probe says so in an event; one of an hour ago, or of another container, says nothing about now."""
    event = {
        "metadata": {"name": "one", "namespace": "ring-prod"},
        "involvedObject": {"name": "storage-0", "fieldPath": f"spec.containers{{{container}}}"},
        "lastTimestamp": (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat(),
        "message": "Liveness probe failed: volume data-storage-0 is 81 % full\n",
    }
    cluster.objects["/api/v1/namespaces/ring-prod/events"] = {"items": [event]}
    said = "Liveness probe failed: volume data-storage-0 is 81 % full" if state == "missing" else ""
    assert examined("prod")[ROOM] == (state, said)


def of(found: dict[str, tuple[str, str]], *parts: str) -> dict[str, tuple[str, str]]:
    return {part: found[part] for part in parts if part in found}


def test_an_image_that_the_platform_names_need_not_be_noted(examined, project: Path):
    """As for `apply`, which installs that one."""
    found = examined("prod", prod={"database": {"image": OTHER}, "storage": {"image": OTHER}})
    assert of(found, POSTGRES, SEAWEEDFS) == {POSTGRES: ("ok", OTHER), SEAWEEDFS: ("ok", OTHER)}
    assert (
        mlflow_chart(open_team_namespace(project, "ring", "prod"), prod_reader=None).values[
            "database"
        ]["image"]
        == OTHER
    )


def test_an_image_that_nobody_names_is_missing(examined):
    """Of each part by itself."""
    assert of(examined("prod", "postgres"), POSTGRES, SEAWEEDFS) == {
        POSTGRES: ("ok", NOTED),
        SEAWEEDFS: ("missing", ""),
    }


@pytest.mark.parametrize(("external", "asked"), [("storage", POSTGRES), ("database", SEAWEEDFS)])
def test_a_part_that_runs_elsewhere_needs_no_image(examined, external, asked):
    """And the other one does."""
    found = examined("prod", prod={external: ELSEWHERE})
    assert of(found, POSTGRES, SEAWEEDFS) == {asked: ("missing", "")}


def test_dev_has_the_reader_of_a_store_that_prod_runs(examined):
    """Wherever dev's own store is."""
    assert examined("dev", dev={"storage": ELSEWHERE})[READER][0] == "missing"


def test_there_is_no_reader_of_a_store_elsewhere(examined):
    """Prod's is the cloud's: nothing makes a Secret for it."""
    assert READER not in examined("dev", prod={"storage": ELSEWHERE})
