"""Check that a cluster is asked for exactly what k8s/ makes there."""

import subprocess
from pathlib import Path

import pytest
import yaml

from titlebout.cluster.helm import program_path
from titlebout.team.base import POLICIES, PRIORITIES, ROLES

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("ClusterRole", ROLES),
        ("PriorityClass", PRIORITIES),
        ("ValidatingAdmissionPolicy", POLICIES),
        ("ValidatingAdmissionPolicyBinding", POLICIES),
    ],
)
def test_every_object_of_the_base_is_checked(kind, names):
    """Compare by kind and name; a policy's binding has the policy's name."""
    manifests = subprocess.run(
        [program_path("kubectl"), "kustomize", str(REPOSITORY / "k8s")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert {
        one["metadata"]["name"] for one in yaml.safe_load_all(manifests) if one["kind"] == kind
    } == set(names)
