"""Compare the committed YAML, which runs, with what the Python pipelines compile to."""

import yaml
from kfp import compiler

from pipelines import training


def documents(path):
    """Return the pipeline, and what its pods get on Kubernetes."""
    return list(yaml.safe_load_all(path.read_text()))


def test_the_committed_yaml_is_current(tmp_path):
    """Commit what `make pipelines` writes."""
    fresh = tmp_path / "training.yaml"
    compiler.Compiler().compile(training.training, str(fresh))
    assert documents(fresh) == documents(training.COMPILED)


def test_no_step_installs_anything_when_it_runs():
    """Run steps from an image that holds all they need: no pip in any command."""
    commands = [
        executor["container"]
        for executor in documents(training.COMPILED)[0]["deploymentSpec"]["executors"].values()
    ]
    assert len(commands) == 5
    assert "pip install" not in str(commands)


def test_every_step_gets_its_namespaces_credentials_and_a_user():
    """Give every step a user and credentials; the team's own code gets no account on MLflow.

    Pod Security `restricted` refuses a pod that may be root.
    """
    executors = documents(training.COMPILED)[1]["platforms"]["kubernetes"]["deploymentSpec"][
        "executors"
    ]
    assert len(executors) == 5
    for name, executor in executors.items():
        needed = {
            secret["secretName"] for secret in executor["secretAsEnv"] if not secret.get("optional")
        }
        assert needed == (
            {"storage-training"} if name == "exec-prepare" else {"storage", "mlflow-user-releaser"}
        )
        assert executor["securityContext"]["runAsNonRoot"] is True


def test_prod_s_data_is_read_where_the_source_is_read():
    """Give prod's data only to the step that reads the source, by an optional credential.

    Only dev's namespace has it, so that a pod elsewhere starts without it.
    """
    executors = documents(training.COMPILED)[1]["platforms"]["kubernetes"]["deploymentSpec"][
        "executors"
    ]
    readers = {
        name: secret
        for name, one in executors.items()
        for secret in one["secretAsEnv"]
        if secret["secretName"] == "storage-prod-reader"
    }
    assert list(readers) == ["exec-prepare"]
    assert readers["exec-prepare"]["optional"] is True
    assert {pair["envVar"] for pair in readers["exec-prepare"]["keyToEnv"]} >= {
        "PROD_AWS_ACCESS_KEY_ID",
        "PROD_AWS_ENDPOINT_URL",
    }
