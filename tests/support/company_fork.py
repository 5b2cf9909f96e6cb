"""Make a company's fork: this repository with environments on a cluster and models of its own."""

import copy
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import yaml
from sklearn import datasets
from support.free_ports import first_of_three
from support.two_teams import kubectl

from titlebout.cluster import Api, tunnel
from titlebout.spec import object_names

REPOSITORY = Path(__file__).parents[2]
COPIED_PARTS = (
    "bentos",
    "components",
    "helm",
    "images",
    "pipelines",
    "src",
    "Makefile",
    "LICENSE",
    "README.md",
    "pyproject.toml",
    "requirements.lock",
)
IMAGE_NAMES = ("platform", "serving-onnx", "postgres", "seaweedfs")
QUOTA = {"cpu": 4, "memory": "16Gi", "storage": "60Gi"}
# These tests check what happens, not how fast a busy cluster is.
LAX_SERVICE = {"p99_ms": 1000, "requests_per_second": 20}
IGNORED = shutil.ignore_patterns("__pycache__", "digests.json*")
# A registry that this machine and the cluster know by one name.
IMAGES = os.environ.get("TITLEBOUT_TEST_IMAGES", "localhost:5000")
MODEL = "cancer"
DIFFERENCES: dict[str, dict] = {
    "dev": {"access": {"data-scientist": "edit"}, "tuning": True, "gate": {"opponent": "baseline"}},
    "staging": {
        "access": {"data-scientist": "read"},
        "serving": {"port": 5600, "test_seconds": 1, "bake_seconds": 1},
    },
    "prod": {"serving": {"port": 5700, "test_seconds": 1, "bake_seconds": 1}},
}


class Fork:
    """Run commands in a fork, with the rights of whoever runs the tests."""

    def __init__(self, project: Path, *, team: str) -> None:
        self.project, self.team = project, team
        self.variables = {**os.environ, "TITLEBOUT_PROJECT": str(project)}

    def as_account(self, account: str, environment: str) -> "Fork":
        """Return the same fork with the rights of a service account.

        It has a token and nothing else, as CI has.
        """
        config = json.loads(
            kubectl("config", "view", "--raw", "--minify", "--flatten", "--output", "json")
        )
        token = kubectl(
            "create",
            "token",
            account,
            "--namespace",
            self.namespace(environment),
            "--duration",
            "4h",
        )
        config["users"] = [
            {"name": config["contexts"][0]["context"]["user"], "user": {"token": token.strip()}}
        ]
        path = self.project / f"{account}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(json.dumps(config))
        fork = copy.copy(self)
        fork.variables = {**self.variables, "KUBECONFIG": str(path)}
        return fork

    @property
    def images(self) -> str:
        """Return the repository of the fork's images."""
        return f"{IMAGES}/titlebout-test-{self.team}"

    def make(self) -> "Fork":
        """Copy the repository, and write the fork's environments, team and model."""
        for part in COPIED_PARTS:
            copy, source = self.project / part, REPOSITORY / part
            shutil.copytree(source, copy, ignore=IGNORED) if source.is_dir() else shutil.copy(
                source, copy
            )
        for name, differences in DIFFERENCES.items():
            self._declare_environment(name, differences)
        self._declare_team()
        self.declare_model(MODEL)
        return self

    def build_images(self, *names: str) -> None:
        """Build and push images as `make images` does. Each lock file's layer is built once."""
        build = [
            sys.executable,
            "images/build.py",
            *(names or IMAGE_NAMES),
            "--repository",
            self.images,
        ]
        done = subprocess.run(build, cwd=self.project, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def embed(self) -> "Fork":
        """Move the fork's environments to this machine: other addresses, no cluster."""
        for name, port in zip(DIFFERENCES, itertools.count(first_of_three()), strict=False):
            path = self.project / "environments" / name / "environment.yaml"
            declared = yaml.safe_load(path.read_text()) | {
                "mlflow": f"http://127.0.0.1:{port}",
                "storage": f"storage/{name}",
            }
            del declared["kubernetes"]
            path.write_text(yaml.safe_dump(declared))
        return self

    def declare_model(self, name: str, **differences: object) -> None:
        """Write a model and a public table that trains in seconds.

        On a cluster the model is known from the next platform image on.
        """
        frame = datasets.load_breast_cancer(as_frame=True).frame
        frame["target"] = frame["target"].map({0: "malignant", 1: "benign"})
        columns = [str(column) for column in frame.columns if column != "target"][:5]
        folder = self.project / "models" / name
        folder.mkdir(parents=True)
        frame.to_csv(folder / "table.csv", index=False)
        spec = {
            "name": name,
            "owner": self.team,
            "brief": {
                "question": "Is it malignant?",
                "decided_by": "a test",
                "error_cost": "a red build",
            },
            "source": {"file": "table.csv"},
            "task": "binary",
            "target": {"column": "target", "positive": "malignant"},
            "columns": {column: {"type": "number"} for column in columns},
            "split": {"by": "row"},
            "candidates": {
                "linear": {"estimator": "linear"},
                "trees": {"estimator": "trees", "settings": {"max_iter": 20}},
            },
            "metric": "log_loss",
            "service": LAX_SERVICE,
            **differences,
        }
        (folder / "model.yaml").write_text(yaml.safe_dump(spec))

    def retune(self, *, iterations: int = 30) -> None:
        """Change the model's settings and build the platform image.

        The next training makes another model.
        """
        path = self.project / "models" / MODEL / "model.yaml"
        spec = yaml.safe_load(path.read_text())
        spec["candidates"] = {"trees": {"estimator": "trees", "settings": {"max_iter": iterations}}}
        path.write_text(yaml.safe_dump(spec))
        self.build_images("platform")

    def run(
        self, *arguments: str, fails: bool = False, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `titlebout ARGUMENTS`. Raise AssertionError with its output if it ends otherwise."""
        done = self.attempt(*arguments, **variables)
        assert (done.returncode != 0) == fails, (
            f"{' '.join(arguments)}: {done.returncode}\n{done.stderr}\n{done.stdout}"
        )
        return done

    def attempt(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `titlebout ARGUMENTS` and return how it ended, whatever that is."""
        command = [str(Path(sys.executable).with_name("titlebout")), *arguments]
        return subprocess.run(
            command,
            cwd=self.project,
            env={**self.variables, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    def result(self, *arguments: str) -> Any:
        """Run `titlebout ARGUMENTS --json` and return the result."""
        return json.loads(self.run(*arguments, "--json").stdout)

    def namespace(self, environment: str) -> str:
        """Return the team's namespace of an environment."""
        return f"{self.team}-{environment}"

    @contextmanager
    def store(self, environment: str) -> Iterator[Any]:
        """Yield an S3 client of the namespace's object store, with the environment's own rights."""
        keys = Api(None).secret(self.namespace(environment), object_names.STORAGE_SECRET) or {}
        with tunnel(
            None,
            self.namespace(environment),
            object_names.STORAGE_SERVICE,
            object_names.STORAGE_PORT,
        ) as address:
            yield boto3.client(
                "s3",
                endpoint_url=address,
                region_name=keys["AWS_DEFAULT_REGION"],
                aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
            )

    def write_values(self, chart: str, values: dict) -> None:
        """Write the platform team's values of a chart, in every environment."""
        for name in DIFFERENCES:
            (self.project / "environments" / name / f"{chart}-values.yaml").write_text(
                yaml.safe_dump(values)
            )

    def _declare_team(self) -> None:
        request = {
            "team": self.team,
            "contact": f"{self.team}@example.com",
            "budget": "cost centre 1034",
            "quota": dict.fromkeys(DIFFERENCES, QUOTA),
        }
        folder = self.project / "environments" / "teams"
        folder.mkdir()
        (folder / f"{self.team}.yaml").write_text(yaml.safe_dump(request))

    def _declare_environment(self, name: str, differences: dict) -> None:
        folder = self.project / "environments" / name
        folder.mkdir(parents=True)
        declared = {
            "name": name,
            "mlflow": "http://mlflow:5000",
            "storage": "s3://titlebout",
            "kubernetes": {"images": self.images},
            **differences,
        }
        (folder / "environment.yaml").write_text(yaml.safe_dump(declared))
