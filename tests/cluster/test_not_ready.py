"""Check the error when a chart does not become ready: which pods, and the cluster's reason."""

import secrets
from pathlib import Path

import pytest
import yaml
from support.two_teams import kubectl

from titlebout.cluster import Helm
from titlebout.spec import ClusterError

CHART = Path(__file__).parents[2] / "helm" / "serving"
# So little that it fits on a full node.
LITTLE = {"requests": {"cpu": "1m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}}
SECONDS = 12.0  # until the kubelet has tried to pull


@pytest.fixture
def namespace():
    """Create a namespace with the account `serving`, and delete it afterwards."""
    name = f"late-{secrets.token_hex(3)}"
    kubectl("create", "namespace", name)
    kubectl("create", "serviceaccount", "serving", "--namespace", name)
    yield name
    kubectl("delete", "namespace", name)


def install(namespace: str, **values) -> None:
    """Install helm/serving with values that differ from its CI values."""
    all_values = yaml.safe_load((CHART / "ci" / "bucket-values.yaml").read_text()) | values
    Helm(None).upgrade(
        "flights-blue", CHART, namespace=namespace, values=all_values, wait_seconds=SECONDS
    )


def test_an_image_that_cannot_be_pulled(namespace):
    """The error names the pod and the kubelet's reason."""
    image = f"localhost:5000/no/such/image@sha256:{'0' * 64}"
    with pytest.raises(
        ClusterError,
        match=r"within 12 s; found pod flights-blue-\S+: (ErrImagePull|ImagePullBackOff)",
    ):
        install(namespace, image=image, resources=LITTLE)


def test_a_cluster_without_the_platform_s_base(namespace, images):
    """The error names the missing PriorityClass, for which no pod is made."""
    with pytest.raises(
        ClusterError, match=r"flights-blue-\S+: .*no PriorityClass with name titlebout-nowhere"
    ):
        install(namespace, image=images["serving-onnx"], priorityClass="titlebout-nowhere")


def test_a_pod_that_the_quota_refuses(namespace, images):
    """The error has the ReplicaSet's event, since there is no pod."""
    kubectl("create", "quota", "small", "--hard=pods=0", "--namespace", namespace)
    with pytest.raises(ClusterError, match=r"flights-blue-\S+: .*forbidden: exceeded quota: small"):
        install(namespace, image=images["serving-onnx"])
