"""Install helm/mlflow in a namespace of a test's own, with its volumes."""

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.static_volumes import CLAIMS, CLASS, mounted_disk, provided_volumes

from titlebout.cluster import Api, Helm, merged

REPOSITORY = Path(__file__).parents[2]
CHART = REPOSITORY / "helm" / "mlflow"
WAIT_SECONDS = 200


class MlflowNamespace:
    """Install, read and restart MLflow in one namespace.

    `values` are the chart's values, to which `install` adds differences.
    """

    def __init__(self, namespace: str, values: dict) -> None:
        self.namespace, self.values, self.api, self.helm = namespace, values, Api(None), Helm(None)

    def install(self, **differences: Any) -> None:
        """Install or upgrade the chart, and wait until it is ready."""
        self.helm.upgrade(
            "mlflow",
            CHART,
            namespace=self.namespace,
            values=merged(self.values, differences),
            wait_seconds=WAIT_SECONDS,
        )

    def uninstall(self) -> None:
        """Uninstall the chart, and wait until its objects are gone."""
        self.helm.uninstall("mlflow", namespace=self.namespace, wait_seconds=WAIT_SECONDS)

    def secret(self, name: str) -> dict[str, str]:
        """Return the fields of a Secret; nothing if there is none."""
        return self.api.secret(self.namespace, name) or {}

    def secrets(self) -> dict[str, dict[str, str]]:
        """Return the data of every Secret but Helm's own records."""
        return {
            one.metadata.name: one.data
            for one in self.api.core.list_namespaced_secret(self.namespace).items
            if not one.type.startswith("helm.sh/")
        }

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl in the namespace and return what it printed."""
        command = ["kubectl", "--namespace", self.namespace, *arguments]
        return subprocess.run(
            command, check=True, capture_output=True, text=True, input=stdin
        ).stdout

    def replace(self, kind: str, name: str) -> None:
        """Delete the part's pods, and wait until new ones are ready."""
        self.kubectl(
            "delete",
            "pod",
            "--selector",
            f"titlebout.io/part={name},app.kubernetes.io/component=server",
        )
        self.kubectl("rollout", "status", f"{kind}/{name}", f"--timeout={WAIT_SECONDS}s")


@contextmanager
def install_mlflow_on_disk(
    environment: str, images: dict[str, str], size: str
) -> Iterator[tuple[MlflowNamespace, Path]]:
    """Install MLflow with a file system of this size under the object store.

    Yield the namespace and the folder of the file system.
    """
    namespace, claim = _new_name(environment), "data-storage-0"
    with mounted_disk(namespace, claim, size) as folder:
        others = tuple(one for one in CLAIMS if one != claim)
        with install_mlflow(
            environment, images, namespace=namespace, claims=others, storage={"storageClass": CLASS}
        ) as mlflow_namespace:
            yield mlflow_namespace, folder


def _new_name(environment: str) -> str:
    return f"mlflow{secrets.token_hex(2)}-{environment}"


@contextmanager
def install_mlflow(
    environment: str,
    images: dict[str, str],
    *,
    namespace: str | None = None,
    claims: tuple[str, ...] = CLAIMS,
    **differences: Any,
) -> Iterator[MlflowNamespace]:
    """Install MLflow with values that differ from the defaults.

    The namespace is deleted afterwards.
    """
    namespace = namespace or _new_name(environment)
    with provided_volumes(namespace, claims=claims) as storage_class:
        parts = {
            part: {"image": images[image], "storageClass": storage_class}
            for part, image in (("database", "postgres"), ("storage", "seaweedfs"))
        }
        mlflow_namespace = MlflowNamespace(
            namespace,
            merged({"image": images["platform"], "environment": environment, **parts}, differences),
        )
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        mlflow_namespace.api.core.create_namespace(
            {"metadata": {"name": namespace, "labels": labels}}
        )
        try:
            mlflow_namespace.api.core.create_namespaced_service_account(
                namespace, {"metadata": {"name": "mlflow"}}
            )
            mlflow_namespace.install()
            yield mlflow_namespace
        finally:
            mlflow_namespace.kubectl("delete", "namespace", namespace, "--ignore-not-found")
