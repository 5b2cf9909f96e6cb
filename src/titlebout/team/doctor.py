"""Find what a team's namespace lacks to train, release and run pipelines. Nothing is changed."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal

import yaml

from titlebout.cluster import merged, platform_values
from titlebout.images import noted_images
from titlebout.spec import ClusterError, Record, load_team, object_names
from titlebout.spec.http_route import GATEWAYS, GROUP, VERSION
from titlebout.team.base import (
    APPLY,
    POLICIES,
    POLICIES_NEXT_STEP,
    has_policy,
    missing_base,
)
from titlebout.team.charts import IMAGES, own_images, own_parts, runs_storage
from titlebout.team.team_namespace import TeamNamespace, open_team_namespace

METRICS = "/apis/metrics.k8s.io/v1beta1"
IMAGES_POLICY = "titlebout-images"
CONFIG_MAPS = ("kfp-launcher", "artifact-repositories")
SECRETS = (
    "mlpipeline-minio-artifact",
    object_names.STORAGE_SECRET,
    object_names.STORAGE_SERVING_SECRET,
    object_names.STORAGE_TRAINING_SECRET,
    "database",
    object_names.LEDGER_SECRET,
    "mlflow-server",
)
PIPELINES_SERVICE, PIPELINES_NAMESPACE = "ml-pipeline", "kubeflow"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
DISK_PROBE = "spec.containers{disk}"
# The probe runs each minute. In a long series, the kubelet writes one event in five minutes.
PROBED_WITHIN = timedelta(minutes=12)
State = Literal["ok", "missing", "unknown", "optional"]


class CheckResult(Record):
    """Hold what one check found.

    The state is `optional` if it is missing and not everybody needs it, and `unknown` without the
    right to see it. `next_step` is empty where all is well.
    """

    part: str
    state: State
    found: str
    next_step: str


Check = Callable[[], "tuple[bool, str]"]


def examine(project: Path, team: str, environment: str) -> list[CheckResult]:
    """Check the cluster, the namespace and the images.

    Raise ClusterError if the cluster does not answer, NotAllowed if the environment names none.
    """
    load_team(project, team)
    team_namespace = open_team_namespace(project, team, environment)
    kubernetes = CheckResult(
        part="Kubernetes", state="ok", found=team_namespace.api.version(), next_step=""
    )
    return [
        kubernetes,
        *_check_cluster(team_namespace),
        *_check_namespace(team_namespace),
        *_check_images(team_namespace),
    ]


def _check_cluster(team_namespace: TeamNamespace) -> Iterator[CheckResult]:
    api = team_namespace.api
    yield _run_check("roles and priority classes", lambda: _none_missing(missing_base(api)), APPLY)
    for policy, not_refused in POLICIES.items():
        yield _run_check(
            f"policy {policy}",
            partial(_is_in_force, team_namespace, policy, not_refused),
            POLICIES_NEXT_STEP,
        )
    yield _run_check(
        f"registry {team_namespace.cluster.images}",
        partial(_is_allowed, team_namespace),
        "add it to the list in environments/k8s (docs/install.md)",
    )
    yield _run_check(
        "metrics for autoscaling",
        partial(_is_answered, team_namespace, METRICS),
        "install metrics-server, or look at its pods in kube-system",
    )
    yield _run_check(
        "StorageClass",
        partial(_has_class, team_namespace),
        "name one in mlflow-values.yaml (docs/install.md), or give the cluster a default",
    )
    if (gateway := team_namespace.cluster.gateway) is not None:
        read = (GROUP, VERSION, gateway.namespace, GATEWAYS, gateway.name)
        yield _run_check(
            f"Gateway {gateway.namespace}/{gateway.name}",
            lambda: (api.find(api.custom.get_namespaced_custom_object, *read) is not None, ""),
            "install the Gateway API and a controller, or take `gateway` out of environment.yaml",
        )
    pipelines = _exists(
        team_namespace, api.core.read_namespaced_service, PIPELINES_SERVICE, PIPELINES_NAMESPACE
    )
    yield _run_check(
        "Kubeflow Pipelines",
        pipelines,
        "install it if steps shall have pods of their own; else they run in one Job",
        without="optional",
    )


def _check_namespace(team_namespace: TeamNamespace) -> Iterator[CheckResult]:
    """Check what is in the namespace, if it exists."""
    api, namespace, apply = (
        team_namespace.api,
        team_namespace.namespace,
        f"titlebout team apply {team_namespace.team}",
    )
    yield (
        found := _run_check(
            f"namespace {namespace}", lambda: _is_own_namespace(team_namespace), apply
        )
    )
    if found.state == "missing":
        return
    for kind, objects in _objects_of_team_chart(team_namespace).items():
        yield _run_check(kind, partial(_all_exist, team_namespace, kind, objects), apply)
    for config in CONFIG_MAPS:
        yield _run_check(
            f"ConfigMap {config}",
            _exists(team_namespace, api.core.read_namespaced_config_map, config, namespace),
            apply,
        )
    for secret in (
        *SECRETS,
        *map(object_names.user_secret, ("admin", "releaser", *team_namespace.environment.access)),
        *_dev_secrets(team_namespace),
    ):
        yield _run_check(
            f"Secret {secret}",
            _exists(team_namespace, api.core.read_namespaced_secret, secret, namespace),
            apply,
        )
    for server, kind in _servers(team_namespace).items():
        yield _run_check(
            f"{server} is ready",
            partial(_is_ready, team_namespace, kind, server),
            f"kubectl describe {kind} {server} -n {namespace}",
        )
    for part in own_parts(team_namespace):
        yield _run_check(
            f"space on the volume of {part}",
            partial(_has_space, team_namespace, part),
            "docs/volumes.md",
        )


def _objects_of_team_chart(team_namespace: TeamNamespace) -> dict[str, list[tuple[str, str]]]:
    """Return namespace and name of all that helm/team makes, by kind.

    It makes accounts, quota, defaults, NetworkPolicies and roles.
    """
    gateway = team_namespace.cluster.gateway
    values = {
        "team": team_namespace.team,
        "environment": team_namespace.environment.name,
        "gatewayNamespaces": [gateway.namespace] if gateway else [],
    }
    chart = team_namespace.project / "helm" / "team"
    values = merged(
        values, platform_values(team_namespace.project, team_namespace.environment.name, "team")
    )
    found = defaultdict[str, list[tuple[str, str]]](list)
    for manifest in filter(
        None,
        yaml.safe_load_all(
            team_namespace.helm.template(
                "team", chart, namespace=team_namespace.namespace, values=values
            )
        ),
    ):
        meta = manifest["metadata"]
        found[manifest["kind"]].append(
            (meta.get("namespace", team_namespace.namespace), meta["name"])
        )
    return dict(found)


def _check_images(team_namespace: TeamNamespace) -> Iterator[CheckResult]:
    noted = noted_images(team_namespace.project)
    for image in ("platform", "serving-onnx"):
        yield _run_check(f"image {image}", partial(_is_noted, noted, image), "make images")
    for part, image in own_images(team_namespace).items():
        yield _run_check(f"image {IMAGES[part]}", partial(_is_named, image), "make images")
    yield _run_check(
        "image serving-sklearn",
        partial(_is_noted, noted, "serving-sklearn"),
        "make images",
        without="optional",
    )


def _run_check(
    part: str, check: Check, next_step: str, *, without: State = "missing"
) -> CheckResult:
    try:
        is_well, found = check()
    except ClusterError as error:
        return CheckResult(part=part, state="unknown", found=error.found, next_step=error.next_step)
    return CheckResult(
        part=part,
        state="ok" if is_well else without,
        found=found,
        next_step="" if is_well else next_step,
    )


def _exists(team_namespace: TeamNamespace, read: Any, *arguments: str) -> Check:
    return lambda: (team_namespace.api.find(read, *arguments) is not None, "")


def _none_missing(missing: list[str]) -> tuple[bool, str]:
    return not missing, f"no {', '.join(missing)}" if missing else ""


def _all_exist(
    team_namespace: TeamNamespace, kind: str, objects: list[tuple[str, str]]
) -> tuple[bool, str]:
    """Name the objects that are missing; one outside the namespace with its own namespace."""
    api = team_namespace.api
    read: Any = {
        "ServiceAccount": api.core.read_namespaced_service_account,
        "ResourceQuota": api.core.read_namespaced_resource_quota,
        "LimitRange": api.core.read_namespaced_limit_range,
        "NetworkPolicy": api.networking.read_namespaced_network_policy,
        "RoleBinding": api.rbac.read_namespaced_role_binding,
    }[kind]
    absent = [
        (namespace, name) for namespace, name in objects if api.find(read, name, namespace) is None
    ]
    return _none_missing(
        [
            name if namespace == team_namespace.namespace else f"{namespace}/{name}"
            for namespace, name in absent
        ]
    )


def _dev_secrets(team_namespace: TeamNamespace) -> tuple[str, ...]:
    """Return the Secret that reads prod's store, if that store is the chart's own.

    Of another store, no chart makes such a Secret.
    """
    if team_namespace.environment.name != "dev" or not runs_storage(
        open_team_namespace(team_namespace.project, team_namespace.team, "prod")
    ):
        return ()
    return (object_names.STORAGE_READER_SECRET,)


def _is_in_force(team_namespace: TeamNamespace, policy: str, not_refused: str) -> tuple[bool, str]:
    found = has_policy(team_namespace.api, policy)
    return found, "" if found else f"nothing refuses {not_refused}"


def _is_allowed(team_namespace: TeamNamespace) -> tuple[bool, str]:
    """Tell whether the policy allows the environment's registry.

    The policy's list is a literal of CEL. Without the policy every registry is allowed.
    """
    policy = team_namespace.api.find(
        team_namespace.api.admission.read_validating_admission_policy, IMAGES_POLICY
    )
    if policy is None:
        return True, "no policy checks it"
    allowed = re.findall(r"'([^']+)'", policy.spec.variables[0].expression)
    return any(
        f"{team_namespace.cluster.images}/".startswith(prefix) for prefix in allowed
    ), f"allowed are {', '.join(allowed)}"


def _has_class(team_namespace: TeamNamespace) -> tuple[bool, str]:
    """Tell whether the volumes' StorageClasses exist.

    They are those of the charts' values, else the cluster's default. If database and store are
    elsewhere, none is needed.
    """
    wanted = {part.get("storageClass", "") for part in own_parts(team_namespace).values()}
    with team_namespace.api.asking("list storage classes"):
        classes = team_namespace.api.storage.list_storage_class(_request_timeout=10).items
    existing = {found.metadata.name for found in classes}
    existing |= {
        "" for found in classes if (found.metadata.annotations or {}).get(DEFAULT_CLASS) == "true"
    }
    absent = ", ".join(sorted(name or "no default" for name in wanted - existing))
    return not absent, absent or ", ".join(sorted(filter(None, wanted)))


def _is_answered(team_namespace: TeamNamespace, path: str) -> tuple[bool, str]:
    answers = team_namespace.api.answers(path)
    return answers, "" if answers else f"no answer from {path}"


def _has_space(team_namespace: TeamNamespace, part: str) -> tuple[bool, str]:
    """Tell whether the pod's own probe reported lately that the volume is nearly full.

    The probe is the container `disk` of helm/mlflow.
    """
    with team_namespace.api.asking(f"list events in {team_namespace.namespace}"):
        events = team_namespace.api.core.list_namespaced_event(
            team_namespace.namespace,
            field_selector=f"involvedObject.name={part}-0,reason=Unhealthy",
            _request_timeout=10,
        ).items
    oldest = datetime.now(UTC) - PROBED_WITHIN
    reports = [
        event
        for event in events
        if event.involved_object.field_path == DISK_PROBE
        and (event.last_timestamp or oldest) > oldest
    ]
    return not reports, " ".join(reports[-1].message.split()) if reports else ""


def _is_own_namespace(team_namespace: TeamNamespace) -> tuple[bool, str]:
    found = team_namespace.api.find(
        team_namespace.api.core.read_namespace, team_namespace.namespace
    )
    if found is None:
        return False, "no such namespace"
    owner = (found.metadata.labels or {}).get(object_names.LABEL_TEAM)
    return (
        owner == team_namespace.team,
        ""
        if owner == team_namespace.team
        else f"label {object_names.LABEL_TEAM}: {owner or 'none'}",
    )


def _is_noted(noted: dict[str, str], image: str) -> tuple[bool, str]:
    return image in noted, noted.get(image, "")


def _is_named(image: str) -> tuple[bool, str]:
    return bool(image), image


def _servers(team_namespace: TeamNamespace) -> dict[str, str]:
    """Return what runs all the time, and its kind."""
    deployments = [
        "mlflow",
        *(["registrar"] if team_namespace.environment.serving is not None else []),
    ]
    return {
        **dict.fromkeys(own_parts(team_namespace), "statefulset"),
        **dict.fromkeys(deployments, "deployment"),
    }


def _is_ready(team_namespace: TeamNamespace, kind: str, server: str) -> tuple[bool, str]:
    apps = team_namespace.api.apps
    read = (
        apps.read_namespaced_stateful_set
        if kind == "statefulset"
        else apps.read_namespaced_deployment
    )
    found: Any = team_namespace.api.find(read, server, team_namespace.namespace)
    if found is None:
        return False, f"no such {kind}"
    ready, wanted = found.status.ready_replicas or 0, found.spec.replicas
    return ready >= wanted > 0, f"{ready} of {wanted}"
