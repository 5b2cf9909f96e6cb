"""A project whose `prod` is a namespace of a real cluster; registry and serving image are light, Service, Lease, Helm and Jobs are real."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Self

from support.release_project import ENVIRONMENT, MODEL, MODEL_YAML, NOT_USED, ReleaseProject

from titlebout.ledger.registrar_client import ask_registrar
from titlebout.release.release_target import Adapters
from titlebout.rollout.kubernetes import open_kubernetes_slots
from titlebout.spec import ClusterError

TEAM = os.environ.get("TITLEBOUT_TEST_TEAM", "rel")  # several runs at once need a namespace each
NAMESPACE = f"{TEAM}-{ENVIRONMENT}"
REGISTRAR = {"titlebout.io/part": "registrar"}
STANDIN = Path(__file__).parents[1] / "cluster" / "standin"


class ClusterHouse(ReleaseProject):
    """`serving_image` stands for every release's image: what differs between two releases here is their record."""

    def __init__(self, project: Path, *, serving_image: str) -> None:
        super().__init__(project)
        self.adapters = Adapters(
            connect=self._connect,
            build=_build,
            serve=NOT_USED,
            build_image=lambda *_, **__: serving_image,
        )

    def build(
        self, *, test_seconds: float = 0.5, bake_seconds: float = 1.0, p99_ms: int = 1000
    ) -> Self:
        (self.project / "models" / MODEL).mkdir(parents=True)
        self.demand(p99_ms=p99_ms)
        (self.project / "environments" / ENVIRONMENT).mkdir(parents=True)
        (self.project / "environments" / ENVIRONMENT / "environment.yaml").write_text(
            f"name: prod\nmlflow: http://127.0.0.1:9\nstorage: storage\n"
            f"serving: {{port: 1024, test_seconds: {test_seconds}, bake_seconds: {bake_seconds}}}\n"
            f"kubernetes: {{images: localhost:5000/titlebout}}\n"
        )
        (self.project / "registry").mkdir()
        (self.project / "helm").symlink_to(STANDIN)
        return self

    def demand(self, *, p99_ms: int) -> None:
        """From now on the service objective asks for this latency."""
        path = self.project / "models" / MODEL / "model.yaml"
        path.write_text(
            MODEL_YAML.replace("owner: tests", f"owner: {TEAM}").replace(
                "p99_ms: 1000", f"p99_ms: {p99_ms}"
            )
        )

    @property
    def slots(self) -> Any:
        cluster = self.environment.kubernetes
        assert cluster is not None
        return open_kubernetes_slots(self.project, MODEL, cluster, namespace=NAMESPACE)

    def kinds(self) -> list[tuple[str, str]]:
        """What the registrar's ledger tells, in order; empty without a registrar."""
        try:
            return [
                (entry["kind"], entry["to_release"])
                for entry in ask_registrar(self.slots.api, NAMESPACE, f"history/{MODEL}")
            ]
        except ClusterError:
            return []

    def answers_with(self) -> str:
        """The release that the live address answers with, asked from the node."""
        service = json.loads(kubectl("get", "service", MODEL, "-o", "json"))
        command = [
            "curl",
            "-s",
            "-m",
            "3",
            "-o",
            "/dev/null",
            "-D",
            "-",
            f"http://{service['spec']['clusterIP']}/release",
        ]
        headers = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return next(
            line.split(": ")[1].strip()
            for line in headers.splitlines()
            if line.startswith("x-titlebout-release")
        )

    def clear(self) -> None:
        """As before the first release."""
        for slot in ("blue", "green"):
            self.slots.helm.uninstall(f"{MODEL}-{slot}", namespace=NAMESPACE)
        kubectl("delete", "service", MODEL, "--ignore-not-found")
        kubectl("delete", "lease", f"release-{MODEL}", "--ignore-not-found")
        kubectl("delete", "jobs", "--all", "--wait=false")


def kubectl(*arguments: str, given: str | None = None) -> str:
    done = subprocess.run(
        ["kubectl", "--namespace", NAMESPACE, *arguments],
        input=given,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def start_registrar(image: str) -> None:
    """The real one, with its ledger in its pod: a new pod begins a new ledger. MLflow is away, so no alias moves."""
    watches = [
        {
            "apiGroups": ["", "apps"],
            "resources": ["services", "deployments"],
            "verbs": ["get", "list", "watch"],
        }
    ]
    bound = {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "registrar"}
    }
    account = {"kind": "ServiceAccount", "name": "registrar", "namespace": NAMESPACE}
    rbac = "rbac.authorization.k8s.io/v1"
    ports = [{"name": "http", "port": 8080}]
    objects = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "registrar"}},
        {"apiVersion": rbac, "kind": "Role", "metadata": {"name": "registrar"}, "rules": watches},
        {
            "apiVersion": rbac,
            "kind": "RoleBinding",
            "metadata": {"name": "registrar"},
            "subjects": [account],
            **bound,
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "registrar"},
            "spec": {"selector": REGISTRAR, "ports": ports},
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "registrar", "labels": REGISTRAR},
            "spec": _registrar_pod(image),
        },
    ]
    kubectl(
        "apply",
        "--server-side",
        "-f",
        "-",
        given=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}),
    )
    kubectl("wait", "--for=condition=ready", "pod/registrar", "--timeout=120s")


def stop_registrar() -> None:
    kubectl("delete", "pod", "registrar", "--grace-period=0", "--force")


def _registrar_pod(image: str) -> dict:
    variables = {
        "TITLEBOUT_NAMESPACE": NAMESPACE,
        "TITLEBOUT_ENVIRONMENT": ENVIRONMENT,
        "TITLEBOUT_LEDGER": "sqlite:////tmp/ledger.db",
        "TITLEBOUT_STORAGE": "/tmp/storage",  # noqa: S108  in its pod
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
        "MLFLOW_TRACKING_USERNAME": "releaser",
        "MLFLOW_TRACKING_PASSWORD": "none",
        "TITLEBOUT_PORT": "8080",
    }
    container = {
        "name": "registrar",
        "image": image,
        "command": ["python", "-m", "titlebout.registrar"],
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    user = {"runAsNonRoot": True, "runAsUser": 1034, "seccompProfile": {"type": "RuntimeDefault"}}
    return {"serviceAccountName": "registrar", "securityContext": user, "containers": [container]}


def _build(project: Path, model_folder: Path, to: Path) -> tuple[Path, str]:
    return model_folder, "0" * 64
