"""Create two teams for tests, and call the API server in the name of their people."""

import json
import subprocess
from pathlib import Path

import yaml

from titlebout.cluster import Api
from titlebout.spec import ENVIRONMENTS, load_team
from titlebout.team.charts import team_chart
from titlebout.team.create_namespace import create_namespace
from titlebout.team.team_namespace import TeamNamespace, open_team_namespaces

TEAMS = ("ring", "bell")
QUOTA = {"cpu": 2, "memory": "8Gi", "storage": "60Gi"}
SERVING = {"staging": {"port": 5600}, "prod": {"port": 5700}}
RESTRICTED = {"runAsNonRoot": True, "runAsUser": 1034, "seccompProfile": {"type": "RuntimeDefault"}}
UNPRIVILEGED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
RELEASE = "a" * 64


class Teams:
    """Write a fork's environments and team files, and install the teams on the cluster."""

    def __init__(self, project: Path, *, image: str) -> None:
        self.project, self.image = project, image

    def write_project(self) -> None:
        """Write the environments and an empty folder of teams."""
        (self.project / "models").mkdir(exist_ok=True)
        (self.project / "helm").symlink_to(Path(__file__).parents[2] / "helm")
        for name in ENVIRONMENTS:
            folder = self.project / "environments" / name
            folder.mkdir(parents=True)
            declared = {
                "name": name,
                "mlflow": "http://mlflow:5000",
                "storage": "s3://titlebout",
                "kubernetes": {"images": "localhost:5000/t"},
            }
            serving = {"serving": SERVING[name]} if name in SERVING else {}
            (folder / "environment.yaml").write_text(yaml.safe_dump(declared | serving))
        (self.project / "environments" / "teams").mkdir()

    def write_team_file(self, team: str, **differences: object) -> None:
        """Write the team's file with fields that differ from the defaults."""
        team_file = {
            "team": team,
            "contact": f"{team}@example.com",
            "budget": "cost centre 1034",
            "groups": {"on-call": [f"{team}-first-line"]},
            "quota": dict.fromkeys(ENVIRONMENTS, QUOTA),
        }
        (self.project / "environments" / "teams" / f"{team}.yaml").write_text(
            yaml.safe_dump(team_file | differences)
        )

    def install_all(self) -> None:
        """Write the project and install both teams."""
        self.write_project()
        for team in TEAMS:
            self.install_team(team)

    def install_team(self, team: str, **differences: object) -> None:
        """Write the team's file, and bring its namespaces to what the file says."""
        self.write_team_file(team, **differences)
        request = load_team(self.project, team)
        for team_namespace in open_team_namespaces(self.project, team):
            create_namespace(team_namespace, request)
            release = team_chart(team_namespace, request)
            team_namespace.helm.upgrade(
                release.name,
                release.chart,
                namespace=team_namespace.namespace,
                values=release.values,
            )

    def namespaces(self) -> list[TeamNamespace]:
        """Return the namespaces of both teams."""
        return [
            team_namespace
            for team in TEAMS
            for team_namespace in open_team_namespaces(self.project, team)
        ]

    def delete_namespaces(self) -> None:
        """Delete all namespaces of both teams, and wait until they are gone."""
        names = [f"{team}-{environment}" for team in TEAMS for environment in ENVIRONMENTS]
        kubectl("delete", "namespace", "--ignore-not-found", "--timeout=300s", *names)


def pod(name: str, image: str, command: list[str], **labels: str) -> dict:
    """Return a restricted pod that names no resources."""
    container = {"name": "one", "image": image, "command": command, "securityContext": UNPRIVILEGED}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "containers": [container],
            "securityContext": RESTRICTED,
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
        },
    }


def live_service(name: str, *, slot: str = "blue", switchable: str = "blue,green") -> dict:
    """Return a model's live Service."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "labels": {"titlebout.io/live": "true"},
            "annotations": {"titlebout.io/switchable": switchable},
        },
        "spec": {
            "selector": {"titlebout.io/model": name, "titlebout.io/slot": slot},
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
        },
    }


def slot_deployment(
    name: str, image: str, *, labels: dict | None = None, annotations: dict | None = None
) -> dict:
    """Return a Deployment of no replicas: only the API server's answer to it matters."""
    template = pod(name, image, ["sleep", "60"], app=name, **(labels or {}))
    meta = template["metadata"] | {"annotations": annotations or {}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "annotations": annotations or {}},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": meta, "spec": template["spec"]},
        },
    }


def apply(namespace: str, *manifests: dict) -> None:
    """Apply objects to a namespace."""
    kubectl(
        "apply",
        "--server-side",
        "--namespace",
        namespace,
        "--filename",
        "-",
        stdin=yaml.safe_dump_all(manifests),
    )


def wait_until_ready(namespace: str, *pods: str) -> None:
    """Wait until the pods are ready, at most five minutes."""
    kubectl(
        "wait",
        "--for=condition=Ready",
        "--timeout=300s",
        "--namespace",
        namespace,
        *(f"pod/{name}" for name in pods),
    )


def kubectl(*arguments: str, stdin: str | None = None) -> str:
    """Run kubectl and return what it printed. Raise AssertionError with its error if it fails."""
    done = subprocess.run(
        ["kubectl", *arguments], capture_output=True, text=True, check=False, input=stdin
    )
    assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def call_api(
    api: Api,
    verb: str,
    path: str,
    *,
    group: str | None = None,
    body: object = None,
    dry_run: bool = True,
) -> tuple[int, str]:
    """Send a real request to the API server, and return the status and its message.

    A member of the group sends it; if the group is None, the tests' own user does.
    """
    from kubernetes.client.exceptions import ApiException

    headers = {"Accept": "application/json"}
    if group is not None:
        headers |= {"Impersonate-User": "somebody", "Impersonate-Group": group}
    if body is not None:
        headers["Content-Type"] = (
            "application/merge-patch+json" if verb == "PATCH" else "application/json"
        )
    query = [("dryRun", "All")] if dry_run and verb != "GET" else []
    try:
        answer = api.client.call_api(
            path,
            verb,
            query_params=query,
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
            _preload_content=False,
        )
    except ApiException as error:
        return error.status, _message_of(error.body)
    return answer[1], ""


def _message_of(body: object) -> str:
    try:
        return str(json.loads(body)["message"])  # type: ignore[arg-type]
    except (TypeError, ValueError, KeyError):
        return str(body)
