"""Check that helm/mlflow keeps its credentials, its rights and its data."""

import base64
import json
import os
import urllib.error
import urllib.request

import boto3
import pytest
from botocore.exceptions import ClientError
from support.mlflow_namespace import MlflowNamespace, install_mlflow

from titlebout.cluster import tunnel
from titlebout.registry.connection import Connection
from titlebout.spec import RegistryError

pytestmark = [
    pytest.mark.skipif(not os.environ.get("KUBECONFIG"), reason="needs a cluster: KUBECONFIG"),
    pytest.mark.timeout(400),
]
UNAUTHENTICATED, FORBIDDEN = 401, 403


@pytest.fixture(scope="module")
def mlflow_namespace(images):
    """Install prod with two replicas on a fresh database, the reader, and one reading account."""
    with install_mlflow(
        "prod", images, replicas=2, reader=True, access={"data-scientist": "read"}
    ) as made:
        yield made


def ask(
    mlflow_namespace: MlflowNamespace, user: str, method: str, path: str, body: dict | None = None
):
    """Call MLflow's API as one user, through a tunnel."""
    with tunnel(None, mlflow_namespace.namespace, "mlflow", 5000) as address:
        password = mlflow_namespace.secret(f"mlflow-user-{user}")["password"]
        return Connection(environment="prod", address=address, user=user, password=password).rest(
            method, path, body
        )


def bucket(mlflow_namespace: MlflowNamespace, secret: str, address: str):
    """Return an S3 client with the credentials of a Secret."""
    key = mlflow_namespace.secret(secret)
    credentials = {
        "aws_access_key_id": key["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": key["AWS_SECRET_ACCESS_KEY"],
    }
    return boto3.client("s3", endpoint_url=address, region_name="us-east-1", **credentials)


def experiments(mlflow_namespace: MlflowNamespace) -> set[str]:
    """Return the names of all experiments."""
    found = ask(
        mlflow_namespace, "admin", "POST", "2.0/mlflow/experiments/search", {"max_results": 100}
    )
    return {one["name"] for one in found["experiments"]}


def test_two_replicas_come_up_on_a_fresh_database(mlflow_namespace):
    """Both replicas are ready without a restart: neither breaks the other's schema."""
    pods = json.loads(
        mlflow_namespace.kubectl(
            "get",
            "pods",
            "--selector",
            "titlebout.io/part=mlflow,app.kubernetes.io/component=server",
            "-o",
            "json",
        )
    )
    states = [one["status"]["containerStatuses"][0] for one in pods["items"]]
    assert [(state["ready"], state["restartCount"]) for state in states] == [(True, 0)] * 2


def test_upgrades_change_no_credential(mlflow_namespace):
    """Two upgrades change no Secret, and the server still accepts the passwords."""
    before = mlflow_namespace.secrets()
    mlflow_namespace.install()
    mlflow_namespace.install(replicas=1)
    assert mlflow_namespace.secrets() == before
    assert "Default" in experiments(mlflow_namespace)


def test_another_password_opens_the_account(mlflow_namespace):
    """An upgrade gives the server the Secret's password: a new one, or one written by hand."""
    before = mlflow_namespace.secret("mlflow-user-data-scientist")["password"]
    mlflow_namespace.kubectl("delete", "secret", "mlflow-user-data-scientist")
    mlflow_namespace.install(replicas=1)
    assert mlflow_namespace.secret("mlflow-user-data-scientist")["password"] != before
    assert ask(
        mlflow_namespace,
        "data-scientist",
        "POST",
        "2.0/mlflow/experiments/search",
        {"max_results": 1},
    )["experiments"]
    by_hand = {"stringData": {"password": "another-one-by-hand"}}
    mlflow_namespace.kubectl(
        "patch", "secret", "mlflow-user-data-scientist", "--patch", json.dumps(by_hand)
    )
    mlflow_namespace.install(replicas=1)
    assert (
        mlflow_namespace.secret("mlflow-user-data-scientist")["password"] == "another-one-by-hand"
    )
    assert ask(
        mlflow_namespace,
        "data-scientist",
        "POST",
        "2.0/mlflow/experiments/search",
        {"max_results": 1},
    )["experiments"]


@pytest.mark.parametrize("path", ["registered-models/create", "experiments/create"])
def test_a_reader_creates_nothing(mlflow_namespace, path):
    """Refuse a reader who creates a registered model or an experiment."""
    with pytest.raises(RegistryError, match="right to"):
        ask(mlflow_namespace, "data-scientist", "POST", f"2.0/mlflow/{path}", {"name": "mine"})


def test_the_releaser_may_register(mlflow_namespace):
    """The releaser's account can register a model."""
    made = ask(
        mlflow_namespace,
        "releaser",
        "POST",
        "2.0/mlflow/registered-models/create",
        {"name": "flights"},
    )
    assert made["registered_model"]["name"] == "flights"


def test_an_unknown_host_name_is_refused(mlflow_namespace):
    """Refuse a request with an unknown host name, and answer one with the tunnel's name."""
    with tunnel(None, mlflow_namespace.namespace, "mlflow", 5000) as address:
        path = f"{address}/api/2.0/mlflow/experiments/search"
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(
                urllib.request.Request(path, headers={"Host": "evil.example.com"})
            )
        with pytest.raises(urllib.error.HTTPError) as known:
            urllib.request.urlopen(path)
    assert (refused.value.code, known.value.code) == (FORBIDDEN, UNAUTHENTICATED)


def test_a_browser_comes_by_an_allowed_name(mlflow_namespace):
    """Answer a page of the allowed name, and refuse a page of another origin."""
    mlflow_namespace.install(replicas=1, allowedHosts=["mlflow.example.com"])
    credentials = base64.b64encode(
        f"admin:{mlflow_namespace.secret('mlflow-user-admin')['password']}".encode()
    ).decode()
    headers = {
        "Host": "mlflow.example.com",
        "Authorization": f"Basic {credentials}",
        "Content-Type": "application/json",
    }
    with tunnel(None, mlflow_namespace.namespace, "mlflow", 5000) as address:

        def ask_in_name_of(origin: str):
            path = f"{address}/ajax-api/2.0/mlflow/experiments/search"
            return urllib.request.urlopen(
                urllib.request.Request(path, b'{"max_results": 1}', {**headers, "Origin": origin})
            )

        with ask_in_name_of("https://mlflow.example.com") as answer:
            assert json.load(answer)["experiments"]
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask_in_name_of("https://evil.example.com")
    assert refused.value.code == FORBIDDEN


def test_another_size_is_for_the_next_volume(mlflow_namespace):
    """An upgrade with other sizes succeeds, and leaves the existing claims as they are."""
    sizes = "jsonpath={.items[*].spec.resources.requests.storage}"
    before = mlflow_namespace.kubectl("get", "persistentvolumeclaim", "--output", sizes)
    mlflow_namespace.install(
        replicas=1, database={"size": "3Gi"}, storage={"size": "11Gi", "storageClass": "another"}
    )
    assert (
        mlflow_namespace.kubectl("get", "persistentvolumeclaim", "--output", sizes)
        == before
        == "2Gi 10Gi"
    )


def test_each_credential_of_the_store_does_its_own_and_no_more(mlflow_namespace):
    """The reader reads records, serving writes below inference/, and neither does more."""
    with tunnel(None, mlflow_namespace.namespace, "storage", 8333) as address:
        ours, reader, serving = (
            bucket(mlflow_namespace, name, address)
            for name in ("storage", "storage-reader", "storage-serving")
        )
        ours.put_object(Bucket="titlebout", Key="records/x", Body=b"1")
        ours.put_object(Bucket="mlflow", Key="x", Body=b"2")
        assert reader.get_object(Bucket="titlebout", Key="records/x")["Body"].read() == b"1"
        assert [one["Key"] for one in reader.list_objects_v2(Bucket="titlebout")["Contents"]] == [
            "records/x"
        ]
        serving.put_object(Bucket="titlebout", Key="inference/flights/y", Body=b"3")
        for call, arguments in (
            (reader.put_object, {"Bucket": "titlebout", "Key": "records/z"}),
            (reader.delete_object, {"Bucket": "titlebout", "Key": "records/x"}),
            (reader.get_object, {"Bucket": "mlflow", "Key": "x"}),
            (reader.list_objects_v2, {"Bucket": "mlflow"}),
            (serving.put_object, {"Bucket": "titlebout", "Key": "records/z"}),
            (serving.get_object, {"Bucket": "titlebout", "Key": "inference/flights/y"}),
            (serving.list_objects_v2, {"Bucket": "titlebout"}),
        ):
            with pytest.raises(ClientError, match="AccessDenied"):
                call(**arguments)


def test_a_killed_server_is_back_by_itself(mlflow_namespace):
    """A deleted pod is replaced, and the experiments are still there."""
    ask(mlflow_namespace, "admin", "POST", "2.0/mlflow/experiments/create", {"name": "before"})
    mlflow_namespace.replace("deployment", "mlflow")
    assert "before" in experiments(mlflow_namespace)


def test_new_pods_find_the_old_data(mlflow_namespace):
    """Experiments and objects are still there after database and store were replaced."""
    with tunnel(None, mlflow_namespace.namespace, "storage", 8333) as address:
        bucket(mlflow_namespace, "storage", address).put_object(
            Bucket="mlflow", Key="kept", Body=b"4"
        )
    ask(mlflow_namespace, "admin", "POST", "2.0/mlflow/experiments/create", {"name": "kept"})
    mlflow_namespace.replace("statefulset", "database")
    mlflow_namespace.replace("statefulset", "storage")
    assert "kept" in experiments(mlflow_namespace)
    with tunnel(None, mlflow_namespace.namespace, "storage", 8333) as address:
        assert (
            bucket(mlflow_namespace, "storage", address)
            .get_object(Bucket="mlflow", Key="kept")["Body"]
            .read()
            == b"4"
        )


def test_a_second_installation_finds_the_first_ones_data(mlflow_namespace):
    """A second installation opens the old data with the old passwords.

    After the chart is uninstalled, the Secrets to keep and the volumes' claims are still there.
    """
    ask(mlflow_namespace, "admin", "POST", "2.0/mlflow/experiments/create", {"name": "long ago"})
    before = mlflow_namespace.secrets()
    mlflow_namespace.uninstall()
    left = mlflow_namespace.secrets()
    assert {
        "mlflow-user-admin",
        "database",
        "ledger",
        "storage",
        "storage-serving",
        "storage-reader",
    } <= left.keys()
    assert mlflow_namespace.kubectl("get", "persistentvolumeclaim", "--output", "name").split() == [
        "persistentvolumeclaim/data-database-0",
        "persistentvolumeclaim/data-storage-0",
    ]
    mlflow_namespace.install(replicas=1)
    assert (
        {name: mlflow_namespace.secrets()[name] for name in left}
        == left
        == {name: before[name] for name in left}
    )
    assert "long ago" in experiments(mlflow_namespace)
    with pytest.raises(RegistryError, match="right to"):
        ask(
            mlflow_namespace,
            "data-scientist",
            "POST",
            "2.0/mlflow/registered-models/create",
            {"name": "mine"},
        )
