"""helm/mlflow, rendered: one environment's MLflow server, and its database and object store unless they are elsewhere."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from titlebout.cluster import Helm, merged
from titlebout.spec import ClusterError

CHART = Path(__file__).parents[2] / "helm" / "mlflow"
DIGEST = f"sha256:{'0' * 64}"
VALUES = {
    "image": f"localhost:5000/titlebout/platform@{DIGEST}",
    "environment": "prod",
    "database": {"image": f"docker.io/library/postgres@{DIGEST}"},
    "storage": {"image": f"docker.io/chrislusf/seaweedfs@{DIGEST}"},
}
READER = {"accessKey": "a", "secretKey": "b", "endpoint": "http://storage.ring-prod.svc:8333"}
TAGS = [
    {"image": "titlebout/platform:latest"},
    {"database": {"image": "postgres:15"}},
    {"storage": {"image": "chrislusf/seaweedfs:4.48"}},
]
WRONG = [
    {"unknown": 1},
    {"environment": "qa"},
    {"database": {"image": ""}},
    {"database": {"url": "postgresql://"}},
    {"access": {"ml-engineer": "manage"}},
    {"access": {"admin": "edit"}},
    {"prodReader": {"accessKey": "a"}},
]


def rendered(**values) -> dict[tuple[str, str], dict]:
    text = Helm(None).template(
        "mlflow", CHART, namespace="ring-prod", values=merged(VALUES, values)
    )
    return {
        (found["kind"], found["metadata"]["name"]): found
        for found in yaml.safe_load_all(text)
        if found
    }


def secrets(**values) -> set[str]:
    return {name for kind, name in rendered(**values) if kind == "Secret"}


def pods(**values) -> dict[str, dict]:
    found = rendered(**values)
    return {
        kind: one["spec"]["template"]["spec"]
        for (kind, _), one in found.items()
        if "template" in one.get("spec", {})
    }


def variables(container: dict) -> dict[str, object]:
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container["env"]}


@pytest.mark.parametrize("tag", TAGS, ids=["image", "database", "storage"])
def test_an_image_by_tag_is_refused(tag):
    """Of all three images."""
    with pytest.raises(ClusterError, match="image"):
        rendered(**tag)


@pytest.mark.parametrize("wrong", WRONG, ids=[json.dumps(one) for one in WRONG])
def test_other_values_are_refused(wrong):
    """The schema is closed, and says so before anything is installed."""
    with pytest.raises(ClusterError):
        rendered(**wrong)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "Job"])
def test_the_pods_are_restricted_and_know_no_token(kind):
    """Pod Security `restricted`, with a root that cannot be written to."""
    pod = pods()[kind]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"requests", "limits"} == container["resources"].keys()


def test_a_database_elsewhere_leaves_none_of_ours():
    """Neither server nor Secrets, and the setup Job makes no databases: it has no superuser."""
    remote_cluster = {"database": {"external": True, "image": ""}}
    found = rendered(**remote_cluster)
    assert (
        not {
            ("StatefulSet", "database"),
            ("Service", "database"),
            ("Secret", "database"),
            ("Secret", "ledger"),
        }
        & found.keys()
    )
    assert {"TITLEBOUT_DATABASE_ADMIN", "TITLEBOUT_LEDGER"}.isdisjoint(
        variables(pods(**remote_cluster)["Job"]["containers"][0])
    )


def test_an_object_store_elsewhere_leaves_none_of_ours():
    """Neither server nor credentials, and the setup Job makes no buckets."""
    remote_cluster = {"storage": {"external": True, "image": ""}}
    found = rendered(**remote_cluster)
    assert not {("StatefulSet", "storage"), ("Service", "storage")} & found.keys()
    assert secrets(**remote_cluster) == {
        "mlflow-user-admin",
        "mlflow-user-releaser",
        "mlflow-server",
        "database",
        "ledger",
    }
    assert "TITLEBOUT_BUCKETS" not in variables(pods(**remote_cluster)["Job"]["containers"][0])


def test_who_has_access_has_an_account():
    """Beside admin and releaser, whose Secrets are always there."""
    users = {
        name
        for name in secrets(access={"data-scientist": "read"})
        if name.startswith("mlflow-user-")
    }
    assert users == {"mlflow-user-admin", "mlflow-user-releaser", "mlflow-user-data-scientist"}


def test_the_secrets_that_volumes_depend_on_stay():
    """What the database and the store know by heart survives an uninstall."""
    kept = {
        name
        for (kind, name), one in rendered().items()
        if (one["metadata"].get("annotations") or {}).get("helm.sh/resource-policy")
    }
    assert {
        "mlflow-user-admin",
        "database",
        "ledger",
        "storage",
        "storage-serving",
        "mlpipeline-minio-artifact",
    } <= kept


def test_the_reader_reads_the_records_and_nothing_else():
    """Of the object store's identities, one may read and list one bucket; serving may write below inference/ and no more."""
    identities = json.loads(
        rendered(reader=True)["Secret", "storage-identities"]["stringData"]["s3.json"]
    )["identities"]
    actions = {one["name"]: one["actions"] for one in identities}
    assert actions["storage-reader"] == ["Read:titlebout", "List:titlebout"]
    assert actions["storage-serving"] == ["Write:titlebout/inference/*"]


def test_there_is_no_reader_unasked():
    """Only prod makes the credential, and only dev keeps it."""
    assert {"storage-reader", "storage-prod-reader"}.isdisjoint(secrets())


def test_dev_keeps_prods_reader():
    """The credential, and the address that it is good for."""
    secret = rendered(prodReader=READER)["Secret", "storage-prod-reader"]["stringData"]
    assert (secret["AWS_ACCESS_KEY_ID"], secret["AWS_ENDPOINT_URL"]) == ("a", READER["endpoint"])


def test_the_server_answers_to_its_own_names_alone():
    """The Service's, a tunnel's, and those that the values add."""
    container = pods(allowedHosts=["mlflow.example.com"])["Deployment"]["containers"][0]
    hosts = str(variables(container)["MLFLOW_SERVER_ALLOWED_HOSTS"]).split(",")
    assert {"mlflow:5000", "mlflow.ring-prod.svc:5000", "127.0.0.1:*", "mlflow.example.com"} <= set(
        hosts
    )
    assert "*" not in hosts


def test_a_browser_may_ask_in_the_names_that_are_allowed():
    """By https, for a password goes along; without such names there is nothing to say."""
    two = variables(
        pods(allowedHosts=["mlflow.example.com", "mlflow.example.org"])["Deployment"]["containers"][
            0
        ]
    )
    assert (
        two["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"]
        == "https://mlflow.example.com,https://mlflow.example.org"
    )
    assert "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS" not in variables(
        pods()["Deployment"]["containers"][0]
    )


def test_a_volume_is_made_as_the_values_say():
    """Size and class of each part; without a class, the cluster's default."""
    found = rendered(database={"size": "3Gi", "storageClass": "fast"}, storage={"size": "20Gi"})
    claims = {
        part: found["StatefulSet", part]["spec"]["volumeClaimTemplates"][0]["spec"]
        for part in ("database", "storage")
    }
    modes = {"accessModes": ["ReadWriteOnce"]}
    assert claims == {
        "database": {
            **modes,
            "storageClassName": "fast",
            "resources": {"requests": {"storage": "3Gi"}},
        },
        "storage": {**modes, "resources": {"requests": {"storage": "20Gi"}}},
    }


@pytest.mark.parametrize(("part", "user"), [("storage", 1034), ("database", 999)])
def test_a_volume_is_watched_before_it_is_full(part, user):
    """By a probe that restarts nothing, reads only, and says what to do; run here for a full and for an empty disk."""
    pod = rendered(volumeWarning=70)["StatefulSet", part]["spec"]["template"]["spec"]
    disk = next(container for container in pod["containers"] if container["name"] == "disk")
    assert pod["securityContext"]["runAsUser"] == user
    assert disk["volumeMounts"] == [{"name": "data", "mountPath": "/data", "readOnly": True}]
    probe = disk["livenessProbe"]
    assert probe["failureThreshold"] * probe["periodSeconds"] > 365 * 24 * 3600
    *shell, script = probe["exec"]["command"]
    for used, code in ((69, 0), (70, 1), (100, 1)):
        stub = f"df() {{ echo 'Use%'; echo '{used}%'; }}\n"
        done = subprocess.run([*shell, stub + script], capture_output=True, text=True, check=False)
        assert done.returncode == code
        assert done.stdout == (
            ""
            if code == 0
            else f"volume data-{part}-0 is {used} % full, expected less than 70 %: grow its claim, docs/volumes.md tells how\n"
        )


def test_go_is_given_more_than_the_store_reserves():
    """It counts 240 MiB of buffers: with 256 it collects garbage all the time, and with as much as the container has it is killed first."""
    pod = rendered()["StatefulSet", "storage"]["spec"]["template"]["spec"]["containers"][0]
    given = int(variables(pod)["GOMEMLIMIT"].removesuffix("MiB"))
    assert 300 <= given < int(pod["resources"]["limits"]["memory"].removesuffix("Mi"))
