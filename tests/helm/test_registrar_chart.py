"""Render helm/registrar."""

from pathlib import Path

import pytest
import yaml

from titlebout.cluster import Helm
from titlebout.spec import ClusterError

CHART = Path(__file__).parents[2] / "helm" / "registrar"
IMAGE = f"localhost:5000/titlebout/platform@sha256:{'0' * 64}"


def rendered(**values) -> dict[str, dict]:
    text = Helm(None).template(
        "registrar", CHART, namespace="reg-prod", values={"image": IMAGE, **values}
    )
    return {found["kind"]: found for found in yaml.safe_load_all(text) if found}


def test_there_is_never_a_second_writer():
    """Run one replica, and end the old pod before the new one starts."""
    spec = rendered()["Deployment"]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_the_pod_is_restricted():
    """Render a pod that `restricted` admits, with a root that cannot be written to."""
    pod = rendered()["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    container = pod["containers"][0]["securityContext"]
    assert container == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.parametrize(
    "values", [{"image": "titlebout/platform:latest"}, {"replicas": 2}, {"environment": "qa"}]
)
def test_other_values_are_refused(values):
    """Refuse an image by tag, a second replica, and an unknown environment."""
    with pytest.raises(ClusterError):
        rendered(**values)
