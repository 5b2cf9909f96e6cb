"""What `titlebout doctor` asks for is what `team apply` needs and makes, wherever images are named and stores run."""

import json
from pathlib import Path

import pytest
import yaml

from titlebout.team import examine
from titlebout.team.charts import mlflow_chart
from titlebout.team.place import open_place

NOTED = f"docker.io/library/one@sha256:{'0' * 64}"
OTHER = f"registry.example.com/other@sha256:{'1' * 64}"
ELSEWHERE = {"external": True}
POSTGRES, SEAWEEDFS, READER = "image postgres", "image seaweedfs", "Secret storage-prod-reader"


@pytest.fixture
def examined(cluster, project):
    """Every finding by what was looked at, for what mlflow-values.yaml says in each environment; of the images only `noted` are noted."""
    cluster.discoverable()
    for environment in ("dev", "prod"):
        cluster.put(f"/api/v1/namespaces/ring-{environment}", {"metadata": {"labels": {"titlebout.io/team": "ring"}}})

    def examined(environment: str, *noted: str, **values: dict) -> dict[str, tuple[str, str]]:
        (project / "images").mkdir()
        (project / "images" / "digests.json").write_text(json.dumps(dict.fromkeys(("platform", *noted), NOTED)))
        for name, said in values.items():
            (project / "environments" / name / "mlflow-values.yaml").write_text(yaml.safe_dump(said))
        return {found.part: (found.state, found.found) for found in examine(project, "ring", environment)}

    return examined


def of(found: dict[str, tuple[str, str]], *parts: str) -> dict[str, tuple[str, str]]:
    return {part: found[part] for part in parts if part in found}


def test_an_image_that_the_platform_names_need_not_be_noted(examined, project: Path):
    """As for `apply`, which installs that one."""
    found = examined("prod", prod={"database": {"image": OTHER}, "storage": {"image": OTHER}})
    assert of(found, POSTGRES, SEAWEEDFS) == {POSTGRES: ("ok", OTHER), SEAWEEDFS: ("ok", OTHER)}
    assert mlflow_chart(open_place(project, "ring", "prod"), prod_reader=None).values["database"]["image"] == OTHER


def test_an_image_that_nobody_names_is_missing(examined):
    """Of each part by itself."""
    assert of(examined("prod", "postgres"), POSTGRES, SEAWEEDFS) == {POSTGRES: ("ok", NOTED), SEAWEEDFS: ("missing", "")}


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
