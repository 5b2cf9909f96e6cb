"""What a cluster is asked for is what k8s/ makes there."""

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
def test_nothing_of_it_is_left_out(kind, names):
    """By kind and name; a policy's binding is called as the policy is."""
    made = subprocess.run(
        [program_path("kubectl"), "kustomize", str(REPOSITORY / "k8s")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert {
        one["metadata"]["name"] for one in yaml.safe_load_all(made) if one["kind"] == kind
    } == set(names)
