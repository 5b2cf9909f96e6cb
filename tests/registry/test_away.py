"""A server that does not answer for a while ends nobody's training: what is safe to do again is done again, and nothing is made twice."""

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
    with relay_to(urlsplit(load_environment(mlflow_server, "staging").mlflow).port) as found:
        yield found


@pytest.fixture
def through(mlflow_server, releaser, relay, monkeypatch):
    """The releaser's registry, reached through the relay; MLflow's own retries are off, so that it is ours that are seen."""
    monkeypatch.setattr(mlflow_retry, "POLL_SECONDS", 0.1)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    direct = connection(mlflow_server, load_environment(mlflow_server, "staging"), "releaser")
    return Registry(direct.model_copy(update={"address": relay.address}))


def runs_named(releaser, name):
    client = releaser._client
    experiment = client.get_experiment_by_name("flights")
    return client.search_runs([experiment.experiment_id], f"tags.`mlflow.runName` = '{name}'")


def test_a_run_is_made_once_though_the_answer_was_lost(relay, through, releaser):
    """The server made it, and the connection broke before it could say so."""
    relay.lost.append(b"runs/create")
    run_id = through.start_run("flights", name="lost answer", tags={"a": "b"})
    assert relay.met == [b"runs/create"]
    assert [run.info.run_id for run in runs_named(releaser, "lost answer")] == [run_id]


def test_two_runs_of_one_name_are_two(through):
    """Doing a call again is not the same as calling twice."""
    assert through.start_run("flights", name="twice", tags={}) != through.start_run(
        "flights", name="twice", tags={}
    )


def test_a_version_is_registered_once_though_the_answer_was_lost(
    relay, through, releaser, own_folder
):
    """Registering again finds the version that the first call made."""
    run_id = releaser.start_run("flights", name="register", tags={})
    relay.lost.append(b"model-versions/create")
    version = through.register(
        "flights", run_id, own_folder, CONTRACT, {"validation_status": "pending"}
    )
    assert relay.met == [b"model-versions/create"]
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
def test_what_may_be_done_twice_survives_a_lost_answer(relay, through, own_version, tmp_path, step):
    """Each of the calls that a step ends with."""
    path = tmp_path / "note.txt"
    path.write_text("x")
    lost, call = STEPS[step]
    relay.lost.append(lost)
    call(through, own_version, path)
    assert relay.met == [lost]


def test_connecting_waits_for_a_server_that_comes(relay, through, monkeypatch, caplog):
    """One unanswered question is no reason to throw a training away; what is waited for is said."""
    relay.refused = 3
    with caplog.at_level(logging.WARNING):
        through._connection.require_up()
    assert relay.refused == 0
    assert "does not answer; waiting for up to" in caplog.text


def test_patience_has_an_end(relay, through):
    """After it the error says what to do, as ever."""
    relay.refused = 10_000
    impatient = Registry(through._connection.model_copy(update={"patience_seconds": 1.0}))
    with pytest.raises(RegistryAway, match="expected an answer; found none"):
        impatient.find("flights", alias="nobody")


def test_nobody_waits_for_a_server_that_does_not_run_on_this_machine():
    """Nothing listens there, and nothing will start it: said at once, though there would be mlflow_retry."""
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
    """There a pod that is moved comes back by itself."""
    monkeypatch.setattr(
        "titlebout.registry.connection.password_of", lambda project, environment, user: "p"
    )
    environment = Environment.model_validate(
        {"name": "prod", "mlflow": "http://mlflow:5000", "storage": "s", "kubernetes": kubernetes}
    )
    assert connection(tmp_path, environment, "releaser").patience_seconds == seconds
