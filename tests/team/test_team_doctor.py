"""Check with `titlebout doctor` what `team apply` needs and makes, wherever the stores are."""

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
    """Return the function that runs the checks, and returns state and finding by part.

    It takes what mlflow-values.yaml says in each environment. Only the images `noted` have digests.
    """
    cluster.add_discovery()
    for environment in ("dev", "prod"):
        cluster.put(
            f"/api/v1/namespaces/ring-{environment}",
            {"metadata": {"labels": {"titlebout.io/team": "ring"}}},
        )

    def run_checks(environment: str, *noted: str, **values: dict) -> dict[str, tuple[str, str]]:
        (project / "images").mkdir()
        (project / "images" / "digests.json").write_text(
            json.dumps(dict.fromkeys(("platform", *noted), NOTED))
        )
        for name, mlflow_values in values.items():
            (project / "environments" / name / "mlflow-values.yaml").write_text(
                yaml.safe_dump(mlflow_values)
            )
        return {
            found.part: (found.state, found.found)
            for found in examine(project, "ring", environment)
        }

    return run_checks


METRICS = "metrics for autoscaling"
SPACE = "space on the volume of storage"


def test_metrics_without_an_answer_are_missing(examined, cluster):
    """Report metrics as missing while the API server answers 503 for them.

    The API group stays listed while metrics-server's pods are away.
    """
    cluster.objects["/apis"]["groups"].append({"name": "metrics.k8s.io", "versions": []})
    path = "/apis/metrics.k8s.io/v1beta1"
    cluster.statuses[path] = 503
    found = examined("prod")
    assert found[METRICS] == ("missing", f"no answer from {path}")


def test_metrics_that_answer_are_ok(examined, cluster):
    """Report metrics as ok when they answer."""
    cluster.objects["/apis/metrics.k8s.io/v1beta1"] = {"kind": "APIResourceList", "resources": []}
    assert examined("prod")[METRICS] == ("ok", "")


def test_metrics_without_the_right_to_see_them_are_unknown(examined, cluster):
    """Report metrics as unknown, not as missing, without the right to see them."""
    cluster.statuses["/apis/metrics.k8s.io/v1beta1"] = 403
    assert examined("prod")[METRICS][0] == "unknown"


@pytest.mark.parametrize(
    ("container", "minutes", "state"),
    [("disk", 1, "missing"), ("disk", 60, "ok"), ("seaweedfs", 1, "ok")],
)
def test_a_volume_that_is_nearly_full_is_named(examined, cluster, container, minutes, state):
    """Report a new event of the pod's own probe; skip an old one, or another container's."""
    event = {
        "metadata": {"name": "one", "namespace": "ring-prod"},
        "involvedObject": {"name": "storage-0", "fieldPath": f"spec.containers{{{container}}}"},
        "lastTimestamp": (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat(),
        "message": "Liveness probe failed: volume data-storage-0 is 81 % full\n",
    }
    cluster.objects["/api/v1/namespaces/ring-prod/events"] = {"items": [event]}
    message = (
        "Liveness probe failed: volume data-storage-0 is 81 % full" if state == "missing" else ""
    )
    assert examined("prod")[SPACE] == (state, message)


def select_parts(found: dict[str, tuple[str, str]], *parts: str) -> dict[str, tuple[str, str]]:
    """Return the findings of these parts."""
    return {part: found[part] for part in parts if part in found}


def test_an_image_that_the_platform_names_need_not_be_noted(examined, project: Path):
    """Accept an image that the platform's values name, as `apply` does."""
    found = examined("prod", prod={"database": {"image": OTHER}, "storage": {"image": OTHER}})
    assert select_parts(found, POSTGRES, SEAWEEDFS) == {
        POSTGRES: ("ok", OTHER),
        SEAWEEDFS: ("ok", OTHER),
    }
    assert (
        mlflow_chart(open_team_namespace(project, "ring", "prod"), prod_reader=None).values[
            "database"
        ]["image"]
        == OTHER
    )


def test_an_image_that_is_not_named_is_missing(examined):
    """Check the image of each part by itself."""
    assert select_parts(examined("prod", "postgres"), POSTGRES, SEAWEEDFS) == {
        POSTGRES: ("ok", NOTED),
        SEAWEEDFS: ("missing", ""),
    }


@pytest.mark.parametrize(("external", "asked"), [("storage", POSTGRES), ("database", SEAWEEDFS)])
def test_a_part_that_runs_elsewhere_needs_no_image(examined, external, asked):
    """Require no image of a part that runs elsewhere, and one of the other part."""
    found = examined("prod", prod={external: ELSEWHERE})
    assert select_parts(found, POSTGRES, SEAWEEDFS) == {asked: ("missing", "")}


def test_dev_has_the_reader_of_a_store_that_prod_runs(examined):
    """Require the reader's Secret in dev, wherever dev's own store is."""
    assert examined("dev", dev={"storage": ELSEWHERE})[READER][0] == "missing"


def test_there_is_no_reader_of_a_store_elsewhere(examined):
    """Require no reader's Secret for a cloud's store: nothing makes one."""
    assert READER not in examined("dev", prod={"storage": ELSEWHERE})
