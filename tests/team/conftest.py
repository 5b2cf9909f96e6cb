"""Serve a cluster's API, and make a project whose team `ring` has its three namespaces there."""

from pathlib import Path

import pytest
import yaml
from support.fake_api_server import CONTEXT, ApiServer

from titlebout.spec import ENVIRONMENTS
from titlebout.team.base import PRIORITIES, ROLES

REPOSITORY = Path(__file__).parents[2]
QUOTA = {"cpu": 2, "memory": "8Gi", "storage": "60Gi"}


@pytest.fixture
def cluster(api_server) -> ApiServer:
    """Serve the API of a cluster with the platform's base and no namespace."""
    for role in ROLES:
        api_server.put(f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{role}", {})
    for priority in PRIORITIES:
        api_server.put(f"/apis/scheduling.k8s.io/v1/priorityclasses/{priority}", {"value": 0})
    return api_server


@pytest.fixture
def project(tmp_path) -> Path:
    """Write a project with three environments and the team `ring`."""
    project_folder = tmp_path / "project"
    for name in ENVIRONMENTS:
        folder = project_folder / "environments" / name
        folder.mkdir(parents=True)
        declared = {"name": name, "mlflow": "http://mlflow:5000", "storage": "s3://titlebout"}
        cluster = {"context": CONTEXT, "images": "registry.example.com/titlebout"}
        (folder / "environment.yaml").write_text(
            yaml.safe_dump({**declared, "kubernetes": cluster})
        )
    (project_folder / "models").mkdir()
    (project_folder / "helm").symlink_to(REPOSITORY / "helm")
    request = {
        "team": "ring",
        "contact": "ring@example.com",
        "budget": "one",
        "quota": dict.fromkeys(ENVIRONMENTS, QUOTA),
    }
    (project_folder / "environments" / "teams").mkdir()
    (project_folder / "environments" / "teams" / "ring.yaml").write_text(yaml.safe_dump(request))
    return project_folder
