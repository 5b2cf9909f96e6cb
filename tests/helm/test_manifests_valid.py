"""Check every chart's manifests, k8s/ and a command's Job by Kubernetes' own schemas.

Each chart is rendered with each of its ci/*-values.yaml. Pods must be ones that Pod Security
`restricted` admits.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from titlebout.cluster import Helm
from titlebout.cluster.helm import program_path
from titlebout.cluster.job import USER, Job
from titlebout.team.base import APPLY

REPOSITORY = Path(__file__).parents[2]
VALUES = sorted(REPOSITORY.glob("helm/*/ci/*-values.yaml"))
OLDEST, WITH_POLICIES, NEWEST = "1.29", "1.30", "1.34"  # docs/install.md's, and the test cluster's
WITH_GATEWAY = ("--api-versions", "gateway.networking.k8s.io/v1")
TEMPLATES = {"Deployment", "StatefulSet", "DaemonSet", "Job"}
WORK = "titlebout-jobs"
JOB = Job(
    name="one",
    part="training",
    image=f"platform@sha256:{'0' * 64}",
    command=("true",),
    account="training",
    seconds=1,
)
ALLOWED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


def rendered(values: Path, **differences: object) -> list[dict]:
    chart = values.parents[1]
    given = yaml.safe_load(values.read_text()) | differences
    text = Helm(None).template(
        f"one-{chart.name}", chart, namespace="ring-prod", values=given, arguments=WITH_GATEWAY
    )
    return [manifest for manifest in yaml.safe_load_all(text) if manifest]


def named(values: Path) -> str:
    return f"{values.parents[1].name}-{values.name.removesuffix('-values.yaml')}"


def kustomized(folder: str) -> list[dict]:
    done = subprocess.run(
        [program_path("kubectl"), "kustomize", str(REPOSITORY / folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    return list(yaml.safe_load_all(done.stdout))


def pod_specs(manifests: list[dict]) -> Iterator[dict]:
    for manifest in manifests:
        if manifest["kind"] in TEMPLATES:
            yield manifest["spec"]["template"]["spec"]
        elif manifest["kind"] == "CronJob":
            yield manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def faults(spec: dict) -> list[str]:
    """Return what Pod Security's `restricted` would refuse.

    See kubernetes.io/docs/concepts/security/pod-security-standards.
    """
    ours = spec.get("securityContext", {})
    found = [name for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    found += [
        f"volume {volume['name']}"
        for volume in spec.get("volumes", ())
        if not (volume.keys() - {"name"}) <= ALLOWED_VOLUMES
    ]
    for container in [*spec.get("initContainers", ()), *spec["containers"]]:
        own = container.get("securityContext", {})
        seccomp = own.get("seccompProfile", ours.get("seccompProfile", {}))
        holds = {
            "runAsNonRoot": own.get("runAsNonRoot", ours.get("runAsNonRoot")) is True,
            "runAsUser": own.get("runAsUser", ours.get("runAsUser")) != 0,
            "seccompProfile": seccomp.get("type") in ("RuntimeDefault", "Localhost"),
            "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is False,
            "capabilities": own.get("capabilities", {}).get("drop") == ["ALL"]
            and not own["capabilities"].get("add"),
            "privileged": not own.get("privileged"),
            "hostPort": not any(port.get("hostPort") for port in container.get("ports", ())),
        }
        found += [f"{container['name']}: {name}" for name, is_so in holds.items() if not is_so]
    return found


def test_every_chart_has_values_to_be_tried_with():
    """Require ci/ of each chart: one without it would pass everything below."""
    assert {values.parents[1] for values in VALUES} == {
        chart.parent for chart in REPOSITORY.glob("helm/*/Chart.yaml")
    }


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("values", VALUES, ids=named)
def test_a_chart_s_manifests_are_valid(values, version):
    """Refuse an unknown field, a missing one, and one of the wrong type."""
    manifests = rendered(values)
    assert manifests
    for manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize(
    ("version", "folder"),
    [(OLDEST, "k8s/base"), (WITH_POLICIES, "environments/k8s"), (NEWEST, "environments/k8s")],
)
def test_the_platform_s_base_is_valid(version, folder):
    """Accept roles, priorities and admission policies as a fork applies them.

    The oldest cluster knows no policies.
    """
    for manifest in kustomized(folder):
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("values", VALUES, ids=named)
def test_no_pod_asks_for_more_than_restricted_gives(values):
    """Render pods that Pod Security `restricted` admits, with images by digest."""
    specs = list(pod_specs(rendered(values)))
    assert [fault for spec in specs for fault in faults(spec)] == []
    assert all(
        "@sha256:" in container["image"] for spec in specs for container in spec["containers"]
    )


def test_every_pod_of_our_images_runs_as_their_user():
    """Use one user id in charts, images and Jobs, which each write the number down."""
    images = sorted(REPOSITORY.glob("images/*/Containerfile"))
    lines = [line for image in images for line in image.read_text().splitlines()]
    users = {int(line.removeprefix("USER ")) for line in lines if line.startswith("USER ")}
    of_pods = {
        spec["securityContext"][field]
        for values in VALUES
        for spec in pod_specs(rendered(values))
        for field in ("runAsUser", "runAsGroup", "fsGroup")
        if field in spec["securityContext"] and spec["containers"][0]["name"] != "postgres"
    }
    assert users == of_pods == {USER}


@pytest.mark.parametrize("values", VALUES, ids=named)
def test_work_alone_gives_way_when_room_is_short(values):
    """Give only work that can be repeated the low priority class.

    What runs all the time has the cluster's default. A platform team's own class is used if it is
    set.
    """
    chart = values.parents[1].name
    assert {spec.get("priorityClassName") for spec in pod_specs(rendered(values))} <= {
        WORK if chart == "batch" else None
    }
    if chart != "team":
        assert {
            spec["priorityClassName"] for spec in pod_specs(rendered(values, priorityClass="own"))
        } == {"own"}


def test_a_command_s_job_is_valid_and_waits_for_room():
    """Render a Job that `restricted` admits, with the class for work that can be repeated."""
    manifest = {"apiVersion": "batch/v1", "kind": "Job", **JOB.manifest()}
    kubernetes_validate.validate(manifest, OLDEST, strict=True)
    (spec,) = pod_specs([manifest])
    assert (faults(spec), spec["priorityClassName"]) == ([], WORK)


def test_every_priority_class_is_there():
    """Define in k8s/base the classes that pods name, and no other."""
    assert {
        one["metadata"]["name"] for one in kustomized("k8s/base") if one["kind"] == "PriorityClass"
    } == {WORK}


def test_the_checks_notice_what_is_wrong():
    """Find an unknown field, and a pod that may become root."""
    manifests = rendered(REPOSITORY / "helm/serving/ci/bucket-values.yaml")
    deployment = next(manifest for manifest in manifests if manifest["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["securityContext"] = {}
    assert faults(deployment["spec"]["template"]["spec"]) == [
        "serving: allowPrivilegeEscalation",
        "serving: capabilities",
    ]
    deployment["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(deployment, NEWEST, strict=True)


def test_the_platform_team_s_overlay_names_the_registries_and_nothing_else():
    """Change only the list of registries in the overlay that a fork edits and applies."""
    changed = [
        new
        for new, old in zip(kustomized("environments/k8s"), kustomized("k8s"), strict=True)
        if new != old
    ]
    assert [(one["kind"], one["metadata"]["name"]) for one in changed] == [
        ("ValidatingAdmissionPolicy", "titlebout-images")
    ]
    assert "registry.example.com/titlebout/" in changed[0]["spec"]["variables"][0]["expression"]


@pytest.mark.parametrize("page", ["README.md", "docs/install.md"])
def test_the_pages_apply_what_is_shipped(page):
    """Name a command that works in this repository, on pages and in messages."""
    assert APPLY in (REPOSITORY / page).read_text()
    assert (REPOSITORY / APPLY.split()[-1] / "kustomization.yaml").is_file()


RUNS_TITLEBOUT = {"python", "titlebout"}  # a container's program, where the chart names it
READ_BY_PEOPLE = {"setup"}  # `team apply` shows its last words


@pytest.mark.parametrize("values", VALUES, ids=named)
def test_pods_that_run_titlebout_log_json(values):
    """Log JSON, unless a person reads the log first."""
    for spec in pod_specs(rendered(values)):
        for container in spec["containers"]:
            if container.get("command", ["none"])[0] in RUNS_TITLEBOUT:
                is_json = {"name": "TITLEBOUT_LOG_FORMAT", "value": "json"} in container["env"]
                assert is_json == (container["name"] not in READ_BY_PEOPLE)
