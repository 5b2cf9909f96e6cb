"""A company's fork: this repository with environments on a cluster and two models of its own, its platform image built and pushed."""

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
LAX_SERVICE = {
    "p99_ms": 1000,
    "requests_per_second": 20,
}  # these tests ask what happens, not how fast a busy cluster is
IGNORED = shutil.ignore_patterns("__pycache__", "digests.json*")
IMAGES = os.environ.get(
    "TITLEBOUT_TEST_IMAGES", "localhost:5000"
)  # a registry that this machine and the cluster know by one name
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
    """`run` is a person's command line in it, with the rights of whoever runs the tests."""

    def __init__(self, project: Path, *, team: str) -> None:
        self.project, self.team = project, team
        self.variables = {**os.environ, "TITLEBOUT_PROJECT": str(project)}

    def as_account(self, account: str, environment: str) -> "Fork":
        """The same fork for a service account of the namespace: as CI has it, a token and nothing else."""
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
        return f"{IMAGES}/titlebout-test-{self.team}"

    def make(self) -> "Fork":
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
        """What `make images` does; the dependencies' layer is made once per lock file."""
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
        """The same fork on this machine: other addresses, no cluster."""
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
        """Somebody else's table, which trains in seconds; on a cluster it is known from the next platform image on."""
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
        """The data team's next commit: other settings, and so another model."""
        path = self.project / "models" / MODEL / "model.yaml"
        spec = yaml.safe_load(path.read_text())
        spec["candidates"] = {"trees": {"estimator": "trees", "settings": {"max_iter": iterations}}}
        path.write_text(yaml.safe_dump(spec))
        self.build_images("platform")

    def run(
        self, *arguments: str, fails: bool = False, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """`titlebout ARGUMENTS`; raises AssertionError with what it printed if it ends otherwise than expected."""
        done = self.attempt(*arguments, **variables)
        assert (done.returncode != 0) == fails, (
            f"{' '.join(arguments)}: {done.returncode}\n{done.stderr}\n{done.stdout}"
        )
        return done

    def attempt(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("titlebout")), *arguments]
        return subprocess.run(
            command,
            cwd=self.project,
            env={**self.variables, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    def result(self, *arguments: str) -> dict:
        return dict(json.loads(self.run(*arguments, "--json").stdout))

    def namespace(self, environment: str) -> str:
        return f"{self.team}-{environment}"

    @contextmanager
    def store(self, environment: str) -> Iterator[Any]:
        """An S3 client of the namespace's object store, with the environment's own rights."""
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
        """What the platform team says about a chart, in every environment."""
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
