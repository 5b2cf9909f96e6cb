"""What runs is the committed YAML, so it must be what the Python pipelines compile to."""

import yaml
from kfp import compiler

from pipelines import training


def test_the_committed_yaml_is_current(tmp_path):
    """`make pipelines` would change nothing."""
    fresh = tmp_path / "training.yaml"
    compiler.Compiler().compile(training.training, str(fresh))
    assert yaml.safe_load(fresh.read_text()) == yaml.safe_load(training.COMPILED.read_text())


def test_no_step_installs_anything_when_it_runs():
    """Steps run from an image that holds all they need: no pip in any command."""
    commands = [executor["container"] for executor in yaml.safe_load(training.COMPILED.read_text())["deploymentSpec"]["executors"].values()]
    assert len(commands) == 5
    assert "pip install" not in str(commands)
