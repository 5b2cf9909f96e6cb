"""Render helm/mlflow: one environment's MLflow server, with its database and object store."""

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
    """Refuse each of the three images by tag."""
    with pytest.raises(ClusterError, match="image"):
        rendered(**tag)


@pytest.mark.parametrize("wrong", WRONG, ids=[json.dumps(one) for one in WRONG])
def test_other_values_are_refused(wrong):
    """Refuse values outside of the closed schema before anything is installed."""
    with pytest.raises(ClusterError):
        rendered(**wrong)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "Job"])
def test_the_pods_are_restricted_and_know_no_token(kind):
    """Render pods that `restricted` admits, with a root that cannot be written to and no token."""
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
    """Render neither server nor Secrets for an external database.

    The setup Job makes no databases: it has no superuser.
    """
    external = {"database": {"external": True, "image": ""}}
    found = rendered(**external)
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
        variables(pods(**external)["Job"]["containers"][0])
    )


def test_an_object_store_elsewhere_leaves_none_of_ours():
    """Render neither server nor credentials for an external store; setup makes no buckets."""
    external = {"storage": {"external": True, "image": ""}}
    found = rendered(**external)
    assert not {("StatefulSet", "storage"), ("Service", "storage")} & found.keys()
    assert secrets(**external) == {
        "mlflow-user-admin",
        "mlflow-user-releaser",
        "mlflow-server",
        "database",
        "ledger",
    }
    assert "TITLEBOUT_BUCKETS" not in variables(pods(**external)["Job"]["containers"][0])


def test_who_has_access_has_an_account():
    """Make an account for each role with access, beside admin and releaser."""
    users = {
        name
        for name in secrets(access={"data-scientist": "read"})
        if name.startswith("mlflow-user-")
    }
    assert users == {"mlflow-user-admin", "mlflow-user-releaser", "mlflow-user-data-scientist"}


def test_the_secrets_that_volumes_depend_on_stay():
    """Keep the Secrets that database and store depend on when the chart is uninstalled."""
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
    """Let the reader read and list one bucket; let serving write only below inference/."""
    identities = json.loads(
        rendered(reader=True)["Secret", "storage-identities"]["stringData"]["s3.json"]
    )["identities"]
    actions = {one["name"]: one["actions"] for one in identities}
    assert actions["storage-reader"] == ["Read:titlebout", "List:titlebout"]
    assert actions["storage-serving"] == ["Write:titlebout/inference/*"]


def test_there_is_no_reader_unasked():
    """Make no reader unless asked: only prod makes the credential, and only dev keeps it."""
    assert {"storage-reader", "storage-prod-reader"}.isdisjoint(secrets())


def test_dev_keeps_prods_reader():
    """Keep prod's credential in dev, with the address that it is for."""
    secret = rendered(prodReader=READER)["Secret", "storage-prod-reader"]["stringData"]
    assert (secret["AWS_ACCESS_KEY_ID"], secret["AWS_ENDPOINT_URL"]) == ("a", READER["endpoint"])


def test_the_server_answers_to_its_own_names_alone():
    """Allow the Service's names, a tunnel's, and those that the values add."""
    container = pods(allowedHosts=["mlflow.example.com"])["Deployment"]["containers"][0]
    hosts = str(variables(container)["MLFLOW_SERVER_ALLOWED_HOSTS"]).split(",")
    assert {"mlflow:5000", "mlflow.ring-prod.svc:5000", "127.0.0.1:*", "mlflow.example.com"} <= set(
        hosts
    )
    assert "*" not in hosts


def test_a_browser_may_ask_in_the_names_that_are_allowed():
    """Allow browsers the added names by https, since they send a password; else set nothing."""
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
    """Set size and class of each part's volume; without a class, use the cluster's default."""
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
    """Warn before a volume is full, by a probe that restarts nothing and only reads.

    Its script is run here for a full and for an empty disk.
    """
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
            else f"volume data-{part}-0 is {used} % full, expected less than 70 %: "
            "grow its claim, docs/volumes.md tells how\n"
        )


def test_go_is_given_more_than_the_store_reserves():
    """Limit Go's memory above what the store reserves, and below the container's limit.

    It counts 240 MiB of buffers. With 256 it collects garbage all the time.
    """
    pod = rendered()["StatefulSet", "storage"]["spec"]["template"]["spec"]["containers"][0]
    given = int(variables(pod)["GOMEMLIMIT"].removesuffix("MiB"))
    assert 300 <= given < int(pod["resources"]["limits"]["memory"].removesuffix("Mi"))
