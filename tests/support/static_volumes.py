"""Provide volumes where the cluster provisions none.

They are a StorageClass and static hostPath volumes on this machine, which is the cluster's node.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

CLASS = "titlebout-test"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
CLAIMS = ("data-database-0", "data-storage-0")  # helm/mlflow's
EVERYONE = 0o777  # PostgreSQL and the object store run as users of their own
SIZE = "20Gi"


def has_default_class() -> bool:
    """Return whether the cluster has a default StorageClass."""
    classes = yaml.safe_load(_kubectl("get", "storageclass", "--output", "yaml"))["items"]
    return any(
        (item["metadata"].get("annotations") or {}).get(DEFAULT_CLASS) == "true" for item in classes
    )


@contextmanager
def mounted_disk(namespace: str, claim: str, size: str) -> Iterator[Path]:
    """Make a file system of this size the claim's volume beforehand, and yield its folder.

    It is a file on this machine, which takes the space that is written to it. A hostPath volume
    shows the whole disk instead. The test is skipped where mounting is refused.
    """
    with tempfile.TemporaryDirectory(prefix="titlebout-disk-") as home:
        image, folder = Path(home) / "image", Path(home) / "folder"
        Path(home).chmod(EVERYONE)
        folder.mkdir()
        subprocess.run(["truncate", "--size", size, image], check=True)
        subprocess.run(["mkfs.ext4", "-q", image], check=True, capture_output=True)
        mounted = subprocess.run(
            ["mount", "-o", "loop", image, folder], check=False, capture_output=True, text=True
        )
        if mounted.returncode != 0:
            pytest.skip(f"needs the right to mount a file system: {mounted.stderr.strip()}")
        folder.chmod(EVERYONE)
        name = f"{namespace}-{claim}"
        _apply([_storage_class(), _persistent_volume(namespace, claim, folder)])
        try:
            yield folder
        finally:
            _kubectl("delete", "persistentvolume", name, "--wait=false", "--ignore-not-found")
            subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def provided_volumes(*namespaces: str, claims: tuple[str, ...] = CLAIMS) -> Iterator[str]:
    """Yield the storage class that the charts' values name; empty where the cluster has a default.

    Each volume is bound beforehand to the claim that it is for, so that tests at the same time take
    nothing from each other. The data is deleted afterwards.
    """
    if has_default_class():
        yield ""
        return
    home = Path(tempfile.mkdtemp(prefix="titlebout-volumes-"))
    home.chmod(EVERYONE)
    made = [_volume(home, namespace, claim) for namespace in namespaces for claim in claims]
    _apply([_storage_class(), *made])
    try:
        yield CLASS
    finally:
        _kubectl(
            "delete",
            "persistentvolume",
            "--wait=false",
            "--ignore-not-found",
            *[volume["metadata"]["name"] for volume in made],
        )
        shutil.rmtree(home, ignore_errors=True)


def _volume(home: Path, namespace: str, claim: str) -> dict[str, Any]:
    folder = home / namespace / claim
    folder.mkdir(parents=True)
    folder.chmod(EVERYONE)
    folder.parent.chmod(EVERYONE)
    return _persistent_volume(namespace, claim, folder)


def _persistent_volume(namespace: str, claim: str, folder: Path) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"{namespace}-{claim}"},
        "spec": {
            "capacity": {"storage": SIZE},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": CLASS,
            "claimRef": {"namespace": namespace, "name": claim},
            "hostPath": {"path": str(folder), "type": "Directory"},
        },
    }


def _storage_class() -> dict[str, Any]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": CLASS},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "Immediate",
    }


def _apply(manifests: list[dict[str, Any]]) -> None:
    _kubectl("apply", "--filename", "-", stdin=yaml.safe_dump_all(manifests))


def _kubectl(*arguments: str, stdin: str | None = None) -> str:
    return subprocess.run(
        ["kubectl", *arguments], check=True, capture_output=True, text=True, input=stdin
    ).stdout
