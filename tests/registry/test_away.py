"""Make calls again while the server does not answer, and make nothing twice."""

import logging
import time
from urllib.parse import urlsplit

import pytest
from support.lossy_relay import relay_to
from support.model_folders import CONTRACT

from titlebout.registry import Registry, mlflow_retry
from titlebout.registry.connection import Connection, connection
from titlebout.spec import Environment, RegistryAway, digest_of_folder, load_environment


@pytest.fixture
def relay(mlflow_server):
    """Pass calls on to staging's server."""
    with relay_to(urlsplit(load_environment(mlflow_server, "staging").mlflow).port) as server_relay:
        yield server_relay


@pytest.fixture
def relayed_registry(mlflow_server, releaser, relay, monkeypatch):
    """Reach the releaser's registry through the relay, without MLflow's own retries."""
    monkeypatch.setattr(mlflow_retry, "POLL_SECONDS", 0.1)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    direct = connection(mlflow_server, load_environment(mlflow_server, "staging"), "releaser")
    return Registry(direct.model_copy(update={"address": relay.address}))


def runs_named(releaser, name):
    """Return the runs of `flights` that have this name."""
    client = releaser._client
    experiment = client.get_experiment_by_name("flights")
    return client.search_runs([experiment.experiment_id], f"tags.`mlflow.runName` = '{name}'")


def test_a_run_is_made_once_though_the_answer_was_lost(relay, relayed_registry, releaser):
    """Return the run that the first call made, though its answer was lost."""
    relay.lost.append(b"runs/create")
    run_id = relayed_registry.start_run("flights", name="lost answer", tags={"a": "b"})
    assert relay.dropped == [b"runs/create"]
    assert [run.info.run_id for run in runs_named(releaser, "lost answer")] == [run_id]


def test_two_runs_of_one_name_are_two(relayed_registry):
    """Make two runs for two calls with the same name."""
    assert relayed_registry.start_run(
        "flights", name="twice", tags={}
    ) != relayed_registry.start_run("flights", name="twice", tags={})


def test_a_version_is_registered_once_though_the_answer_was_lost(
    relay, relayed_registry, releaser, own_folder
):
    """Return the version that the first call made, though its answer was lost."""
    run_id = releaser.start_run("flights", name="register", tags={})
    relay.lost.append(b"model-versions/create")
    version = relayed_registry.register(
        "flights", run_id, own_folder, CONTRACT, {"validation_status": "pending"}
    )
    assert relay.dropped == [b"model-versions/create"]
    found = releaser._client.search_model_versions(
        f"name = 'flights' and tags.model_digest = '{digest_of_folder(own_folder)}'"
    )
    assert [str(one.version) for one in found if one.run_id == run_id] == [version.version]


STEPS = {  # what a step calls at its end: a part of the path whose answer is lost, and the call
    "find": (
        b"registered-models/alias",
        lambda registry, version, path: registry.find("flights", alias="nobody"),
    ),
    "tag": (
        b"model-versions/set-tag",
        lambda registry, version, path: registry.tag(version, verdict="v"),
    ),
    "set_alias": (
        b"registered-models/alias",
        lambda registry, version, path: registry.set_alias("flights", "challenger", version),
    ),
    "clear_alias": (
        b"registered-models/alias",
        lambda registry, version, path: registry.clear_alias("flights", "challenger"),
    ),
    "log_params": (
        b"runs/log-batch",
        lambda registry, version, path: registry.log_params(version.run_id, {"same": 1}),
    ),
    "log_metrics": (
        b"runs/log-batch",
        lambda registry, version, path: registry.log_metrics(version.run_id, {"rmse": 1.0}),
    ),
    "log_file": (
        b"mlflow-artifacts",
        lambda registry, version, path: registry.log_file(version.run_id, path),
    ),
    "finish_run": (
        b"runs/update",
        lambda registry, version, path: registry.finish_run(version.run_id),
    ),
    "ensure_model": (
        b"experiments/get-by-name",
        lambda registry, version, path: registry.ensure_model("flights"),
    ),
    "download": (
        b"model-versions/get-download-uri",
        lambda registry, version, path: registry.download(version, path.parent / "fetched"),
    ),
}


@pytest.mark.parametrize("step", STEPS)
def test_what_may_be_done_twice_survives_a_lost_answer(
    relay, relayed_registry, own_version, tmp_path, step
):
    """Make each call again that a step ends with."""
    path = tmp_path / "note.txt"
    path.write_text("x")
    lost, call = STEPS[step]
    relay.lost.append(lost)
    call(relayed_registry, own_version, path)
    assert relay.dropped == [lost]


def test_connecting_waits_for_a_server_that_comes(relay, relayed_registry, monkeypatch, caplog):
    """Wait for a server that does not answer yet, and log it."""
    relay.refused = 3
    with caplog.at_level(logging.WARNING):
        relayed_registry._connection.require_up()
    assert relay.refused == 0
    assert "does not answer; waiting for up to" in caplog.text


def test_patience_has_an_end(relay, relayed_registry):
    """Raise the usual error when the waiting time is over."""
    relay.refused = 10_000
    impatient = Registry(relayed_registry._connection.model_copy(update={"patience_seconds": 1.0}))
    with pytest.raises(RegistryAway, match="expected an answer; found none"):
        impatient.find("flights", alias="nobody")


def test_nobody_waits_for_a_server_that_does_not_run_on_this_machine():
    """Fail at once where nothing listens on this machine: nothing will start it."""
    gone = Connection(
        environment="dev",
        address="http://127.0.0.1:9",
        user="u",
        password="p",
        patience_seconds=600,
    )
    began = time.monotonic()
    with pytest.raises(RegistryAway):
        gone.require_up()
    with pytest.raises(RegistryAway):
        gone.rest("GET", "2.0/mlflow/users/current")
    assert time.monotonic() - began < 300


@pytest.mark.parametrize(
    ("kubernetes", "seconds"),
    [
        (None, mlflow_retry.LOCAL_SECONDS),
        ({"context": "c", "images": "registry.example/t"}, mlflow_retry.CLUSTER_SECONDS),
    ],
)
def test_on_a_cluster_there_is_more_patience(tmp_path, monkeypatch, kubernetes, seconds):
    """Wait longer on a cluster, where a pod that is moved comes back by itself."""
    monkeypatch.setattr(
        "titlebout.registry.connection.password_of", lambda project, environment, user: "p"
    )
    environment = Environment.model_validate(
        {"name": "prod", "mlflow": "http://mlflow:5000", "storage": "s", "kubernetes": kubernetes}
    )
    assert connection(tmp_path, environment, "releaser").patience_seconds == seconds
