"""Render helm/mlflow and helm/registrar against a cluster: passwords are kept, and users follow."""

import base64
import hashlib
import json
from pathlib import Path

import pytest
import yaml
from support.fake_api_server import CONTEXT, ApiServer
from test_mlflow_chart import VALUES

from titlebout.cluster import Helm, merged
from titlebout.spec import ClusterError

CHARTS = Path(__file__).parents[2] / "helm"
NAMESPACE = "ring-prod"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
VOLUME = f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims/data-database-0"
SERVER = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/mlflow"
CLAIM = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment"}
OTHER_IMAGE = f"titlebout/platform@sha256:{'1' * 64}"


@pytest.fixture
def cluster(api_server) -> ApiServer:
    """Return a cluster in whose namespace MLflow was installed before."""
    api_server.add_discovery()
    keep(api_server, "admin", "known to the database")
    keep(api_server, "releaser", "the first")
    api_server.put(VOLUME, CLAIM)
    return api_server


def keep(server: ApiServer, user: str, password: str) -> None:
    data = {"password": base64.b64encode(password.encode()).decode()}
    server.put(
        f"{SECRETS}/mlflow-user-{user}", {"apiVersion": "v1", "kind": "Secret", "data": data}
    )


def rendered(chart: str, values: dict) -> dict[tuple[str, str], dict]:
    text = Helm(CONTEXT).template(
        chart, CHARTS / chart, namespace=NAMESPACE, values=values, arguments=("--dry-run=server",)
    )
    return {
        (found["kind"], found["metadata"]["name"]): found
        for found in yaml.safe_load_all(text)
        if found
    }


def setup(**differences) -> str:
    return next(
        name for kind, name in rendered("mlflow", merged(VALUES, differences)) if kind == "Job"
    )


def test_the_same_values_and_passwords_are_the_same_setup(cluster):
    """Name another setup Job for another image or other access, and the same one otherwise."""
    assert setup() == setup(replicas=2)
    assert len({setup(), setup(access={"ml-engineer": "edit"}), setup(image=OTHER_IMAGE)}) == 3


def test_setup_runs_again_for_another_password(cluster):
    """Run setup again if a password was deleted or written by hand: the accounts must follow."""
    before = setup()
    keep(cluster, "releaser", "the second")
    by_hand = setup()
    del cluster.objects[f"{SECRETS}/mlflow-user-releaser"]
    assert len({before, by_hand, setup()}) == 3


def test_what_is_made_up_is_what_setup_is_named_after(cluster):
    """Name the setup Job by the generated password, which the next rendering finds."""
    del cluster.objects[f"{SECRETS}/mlflow-user-releaser"]
    found = rendered("mlflow", VALUES)
    keep(cluster, "releaser", found["Secret", "mlflow-user-releaser"]["stringData"]["password"])
    assert ("Job", setup()) in found


@pytest.mark.parametrize(
    ("path", "object_left"), [(VOLUME, CLAIM), (SERVER, DEPLOYMENT)], ids=["volume", "server"]
)
def test_the_admin_s_password_is_not_made_up_twice(cluster, path, object_left):
    """Refuse to generate a second admin password if the database knows one.

    A new one would open nothing, and setup would fail for minutes.
    """
    del cluster.objects[f"{SECRETS}/mlflow-user-admin"], cluster.objects[VOLUME]
    assert ("Secret", "mlflow-user-admin") in rendered("mlflow", VALUES)
    cluster.put(path, object_left)
    with pytest.raises(
        ClusterError,
        match=r"Secret mlflow-user-admin of ring-prod: .*restore the Secret from a backup",
    ):
        rendered("mlflow", VALUES)


def test_the_registrar_starts_again_with_another_password(cluster):
    """Replace the registrar's pod for another password: a running pod keeps its variables."""

    def pod() -> str:
        found = rendered("registrar", {"image": VALUES["image"]})["Deployment", "registrar"][
            "spec"
        ]["template"]
        return hashlib.sha256(json.dumps(found).encode()).hexdigest()

    before = pod()
    assert before == pod()
    keep(cluster, "releaser", "the second")
    assert before != pod()
