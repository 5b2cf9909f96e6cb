"""Go from a run to an alias and back to a model folder, on a real server."""

import shutil
from pathlib import Path

import pytest
import yaml
from support.model_folders import CONTRACT

from titlebout.registry import Registry, Version
from titlebout.registry.mlmodel import LOADER
from titlebout.spec import Contract, IntegrityError, RegistryError, digest_of_folder
from titlebout.storage import state_home


def artifacts_of(project: Path, version: Version) -> Path:
    """Return where the server keeps the version's artifacts on this disk."""
    every = (state_home(project) / "mlflow" / "staging" / "artifacts").rglob("MLmodel")
    return next(
        path.parent
        for path in every
        if yaml.safe_load(path.read_text())["run_id"] == version.run_id
    )


def test_a_version_carries_digest_tags_and_run(version: Version, folder: Path):
    """Return the version with its digest, tags and run as registered."""
    assert version.digest == digest_of_folder(folder)
    assert version.tags["validation_status"] == "pending"
    assert version.run_id


@pytest.mark.parametrize("key", ["alias", "version", "digest"])
def test_a_version_is_found_by_each_of_its_names(
    releaser: Registry, own_version: Version, key: str
):
    """Find the same version by alias, number and digest."""
    releaser.set_alias("flights", "challenger", own_version)
    names = {"alias": "challenger", "version": own_version.version, "digest": own_version.digest}
    found = releaser.find("flights", **{key: names[key]})
    assert found is not None
    assert (found.version, found.digest, found.run_id) == (
        own_version.version,
        own_version.digest,
        own_version.run_id,
    )


@pytest.mark.parametrize("sought", [{"alias": "nobody"}, {"version": "4711"}, {"digest": "0" * 64}])
@pytest.mark.parametrize("model", ["flights", "never-trained"])
def test_what_does_not_exist_is_not_found(releaser: Registry, model: str, sought: dict[str, str]):
    """Return None for an unknown alias, version or digest, and for a model never trained."""
    assert releaser.find(model, **sought) is None


def test_the_newest_of_equal_versions_is_found(
    releaser: Registry, own_version: Version, own_folder: Path
):
    """Return the newest of several versions with the same digest."""
    again = releaser.register("flights", own_version.run_id, own_folder, CONTRACT, {})
    found = releaser.find("flights", digest=own_version.digest)
    assert found is not None
    assert found.version == again.version != own_version.version
    newest = releaser.newest("flights")
    assert newest is not None
    assert newest.version == again.version
    assert releaser.newest("never-trained") is None


def test_an_alias_moves_and_is_cleared_twice(
    releaser: Registry, version: Version, own_version: Version
):
    """Let an alias point to one version at a time; clearing it twice is no error."""
    releaser.set_alias("flights", "champion", version)
    releaser.set_alias("flights", "champion", own_version)
    found = releaser.find("flights", alias="champion")
    assert found is not None
    assert found.version == own_version.version
    releaser.clear_alias("flights", "champion")
    releaser.clear_alias("flights", "champion")
    assert releaser.find("flights", alias="champion") is None


def test_tags_are_added_and_replaced(releaser: Registry, own_version: Version):
    """Replace a tag that is set again, and keep the others."""
    releaser.tag(own_version, validation_status="passed", verdict="v1")
    found = releaser.find("flights", version=own_version.version)
    assert found is not None
    assert found.tags == {**own_version.tags, "validation_status": "passed", "verdict": "v1"}


def test_a_download_is_the_folder_that_was_registered(
    releaser: Registry, version: Version, folder: Path, tmp_path: Path
):
    """Download byte for byte to the folder asked for; a second download leaves it."""
    got = releaser.download(version, tmp_path / "got")
    assert got == tmp_path / "got"
    assert digest_of_folder(got) == digest_of_folder(folder)
    before = (got / "model.skops").stat().st_ino
    assert (releaser.download(version, got) / "model.skops").stat().st_ino == before


@pytest.mark.parametrize("harm", ["changed", "added", "removed"])
def test_an_altered_artifact_is_refused(
    releaser: Registry, mlflow_server: Path, own_version: Version, tmp_path: Path, harm: str
):
    """Refuse a stored model that was changed, and leave nothing behind."""
    stored = artifacts_of(mlflow_server, own_version) / "model"
    if harm == "changed":
        (stored / "model.skops").write_bytes(b"something else")
    if harm == "added":
        (stored / "extra.py").write_text("import os")
    if harm == "removed":
        (stored / "model.skops").unlink()
    with pytest.raises(IntegrityError, match=own_version.digest):
        releaser.download(own_version, tmp_path / "got")
    assert not (tmp_path / "got").exists()
    assert list(tmp_path.glob(".download-*")) == []


def test_a_folder_that_was_altered_after_its_download_is_fetched_again(
    releaser: Registry, version: Version, tmp_path: Path
):
    """Keep what is at the destination only if it has the digest."""
    got = releaser.download(version, tmp_path / "got")
    (got / "model.skops").write_bytes(b"something else")
    assert digest_of_folder(releaser.download(version, got)) == version.digest


def test_a_runs_files_come_back(releaser: Registry, folder: Path, tmp_path: Path):
    """Download a logged file from its folder of the run."""
    run = releaser.start_run("flights", "train", {})
    releaser.log_file(run, folder / "contract.json", "reports")
    got = releaser.download_artifact(run, "reports/contract.json", tmp_path / "run")
    assert got.read_bytes() == (folder / "contract.json").read_bytes()


def test_a_run_keeps_params_and_metrics(releaser: Registry, mlflow_server: Path):
    """Keep metrics, more parameters than MLflow takes in one call, and the run's status."""
    run = releaser.start_run("flights", "train", {"step": "train"})
    releaser.log_params(run, {f"p{number}": number for number in range(150)})
    releaser.log_metrics(run, {"log_loss": 0.25})
    releaser.finish_run(run, "FAILED")
    answer = releaser._connection.rest("GET", f"2.0/mlflow/runs/get?run_id={run}")["run"]
    assert len(answer["data"]["params"]) == 150
    assert answer["data"]["metrics"][0]["value"] == 0.25
    assert answer["info"]["status"] == "FAILED"


def test_the_mlflow_model_describes_itself(mlflow_server: Path, version: Version):
    """Name loader, signature, example and requirements in MLmodel, with nothing inferred."""
    stored = artifacts_of(mlflow_server, version)
    mlmodel = yaml.safe_load((stored / "MLmodel").read_text())
    assert mlmodel["flavors"]["python_function"]["loader_module"] == LOADER
    assert '"carrier"' in mlmodel["signature"]["inputs"]
    assert mlmodel["metadata"]["model_digest"] == version.digest
    assert Contract.model_validate(mlmodel["metadata"]["contract"], strict=False) == CONTRACT
    assert "scikit-learn==1.9.1" in (stored / "requirements.txt").read_text()
    assert (stored / mlmodel["saved_input_example_info"]["artifact_path"]).is_file()


def test_making_a_model_twice_is_once(releaser: Registry):
    """Make one experiment and one registered model, however often it is called."""
    releaser.ensure_model("flights")
    releaser.ensure_model("flights")
    client = releaser._client
    assert len(client.search_experiments(filter_string="name = 'flights'")) == 1
    assert len(client.search_registered_models("name = 'flights'")) == 1


def test_a_run_of_a_model_that_was_not_made_is_refused(releaser: Registry):
    """Refuse a run where there is no experiment, and make none."""
    with pytest.raises(RegistryError, match="experiment never-made; found none"):
        releaser.start_run("never-made", "train", {})


def test_nothing_is_left_where_the_command_ran(
    releaser: Registry, version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Write nothing to the current folder.

    MLflow falls back to a database there when it loses its server's address.
    """
    monkeypatch.chdir(tmp_path)
    releaser.download(version, tmp_path / "got")
    shutil.rmtree(tmp_path / "got")
    assert list(tmp_path.iterdir()) == []
