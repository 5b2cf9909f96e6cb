"""What a team's namespace lacks to train, release and run pipelines: looked at one by one, changing nothing."""

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
from titlebout.spec import ClusterError, Record, load_team
from titlebout.spec import kubernetes as names
from titlebout.spec.route import GATEWAYS, GROUP, VERSION
from titlebout.team.base import APPLY, APPLY_POLICIES, POLICIES, has_policy, missing_base
from titlebout.team.charts import IMAGES, own_images, own_parts, runs_storage
from titlebout.team.place import Place, open_place

METRICS = "/apis/metrics.k8s.io/v1beta1"
IMAGES_POLICY = "titlebout-images"
CONFIG_MAPS = ("kfp-launcher", "artifact-repositories")
SECRETS = (
    "mlpipeline-minio-artifact",
    names.STORAGE_SECRET,
    names.STORAGE_SERVING_SECRET,
    names.STORAGE_TRAINING_SECRET,
    "database",
    names.LEDGER_SECRET,
    "mlflow-server",
)
PIPELINES_SERVICE, PIPELINES_NAMESPACE = "ml-pipeline", "kubeflow"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
DISK_PROBE = "spec.containers{disk}"
PROBED_WITHIN = timedelta(minutes=12)  # it probes each minute; of a long series the kubelet lets one event in five minutes through
State = Literal["ok", "missing", "unknown", "optional"]


class Finding(Record):
    """`optional`: missing, but not everybody needs it; `unknown`: no right to see it. `next_step` is empty where all is well."""

    part: str
    state: State
    found: str
    next_step: str


Look = Callable[[], "tuple[bool, str]"]


def examine(project: Path, team: str, environment: str) -> list[Finding]:
    """The cluster, the namespace, the images; raises ClusterError if the cluster does not answer, NotAllowed if none is named."""
    load_team(project, team)
    place = open_place(project, team, environment)
    kubernetes = Finding(part="Kubernetes", state="ok", found=place.api.version(), next_step="")
    return [kubernetes, *_cluster(place), *_namespace(place), *_images(place)]


def _cluster(place: Place) -> Iterator[Finding]:
    api = place.api
    yield _one("roles and priority classes", lambda: _complete(missing_base(api)), APPLY)
    for policy, unrefused in POLICIES.items():
        yield _one(f"policy {policy}", partial(_is_in_force, place, policy, unrefused), APPLY_POLICIES)
    yield _one(f"registry {place.cluster.images}", partial(_is_allowed, place), "add it to the list in environments/k8s (docs/install.md)")
    yield _one(
        "metrics for autoscaling", partial(_is_answered, place, METRICS), "install metrics-server, or look at its pods in kube-system"
    )
    yield _one(
        "StorageClass", partial(_has_class, place), "name one in mlflow-values.yaml (docs/install.md), or give the cluster a default"
    )
    if (gateway := place.cluster.gateway) is not None:
        read = (GROUP, VERSION, gateway.namespace, GATEWAYS, gateway.name)
        yield _one(
            f"Gateway {gateway.namespace}/{gateway.name}",
            lambda: (api.find(api.custom.get_namespaced_custom_object, *read) is not None, ""),
            "install the Gateway API and a controller, or take `gateway` out of environment.yaml",
        )
    pipelines = _there(place, api.core.read_namespaced_service, PIPELINES_SERVICE, PIPELINES_NAMESPACE)
    yield _one(
        "Kubeflow Pipelines", pipelines, "install it if steps shall have pods of their own; else they run in one Job", without="optional"
    )


def _namespace(place: Place) -> Iterator[Finding]:
    """Without a namespace there is nothing in it to look for."""
    api, namespace, apply = place.api, place.namespace, f"titlebout team apply {place.team}"
    yield (found := _one(f"namespace {namespace}", lambda: _is_the_team_s(place), apply))
    if found.state == "missing":
        return
    for kind, objects in _of_the_team_chart(place).items():
        yield _one(kind, partial(_are_there, place, kind, objects), apply)
    for config in CONFIG_MAPS:
        yield _one(f"ConfigMap {config}", _there(place, api.core.read_namespaced_config_map, config, namespace), apply)
    for secret in (*SECRETS, *map(names.user_secret, ("admin", "releaser", *place.environment.access)), *_of_dev(place)):
        yield _one(f"Secret {secret}", _there(place, api.core.read_namespaced_secret, secret, namespace), apply)
    for server, kind in _servers(place).items():
        yield _one(f"{server} is ready", partial(_is_ready, place, kind, server), f"kubectl describe {kind} {server} -n {namespace}")
    for part in own_parts(place):
        yield _one(f"room on the volume of {part}", partial(_has_room, place, part), "docs/install.md, Larger volumes")


def _of_the_team_chart(place: Place) -> dict[str, list[tuple[str, str]]]:
    """Namespace and name of all that helm/team makes, by kind: accounts, quota, defaults, walls and roles."""
    gateway = place.cluster.gateway
    values = {
        "team": place.team,
        "environment": place.environment.name,
        "gatewayNamespaces": [gateway.namespace] if gateway else [],
    }
    chart = place.project / "helm" / "team"
    values = merged(values, platform_values(place.project, place.environment.name, "team"))
    found = defaultdict[str, list[tuple[str, str]]](list)
    for manifest in filter(None, yaml.safe_load_all(place.helm.template("team", chart, namespace=place.namespace, values=values))):
        meta = manifest["metadata"]
        found[manifest["kind"]].append((meta.get("namespace", place.namespace), meta["name"]))
    return dict(found)


def _images(place: Place) -> Iterator[Finding]:
    noted = noted_images(place.project)
    for image in ("platform", "serving-onnx"):
        yield _one(f"image {image}", partial(_is_noted, noted, image), "make images")
    for part, image in own_images(place).items():
        yield _one(f"image {IMAGES[part]}", partial(_is_named, image), "make images")
    yield _one("image serving-sklearn", partial(_is_noted, noted, "serving-sklearn"), "make images", without="optional")


def _one(part: str, look: Look, next_step: str, *, without: State = "missing") -> Finding:
    try:
        there, found = look()
    except ClusterError as error:
        return Finding(part=part, state="unknown", found=error.found, next_step=error.next_step)
    return Finding(part=part, state="ok" if there else without, found=found, next_step="" if there else next_step)


def _there(place: Place, read: Any, *arguments: str) -> Look:
    return lambda: (place.api.find(read, *arguments) is not None, "")


def _complete(missing: list[str]) -> tuple[bool, str]:
    return not missing, f"no {', '.join(missing)}" if missing else ""


def _are_there(place: Place, kind: str, objects: list[tuple[str, str]]) -> tuple[bool, str]:
    """By the name alone; of another namespace, the Gateway's, with it."""
    api = place.api
    read: Any = {
        "ServiceAccount": api.core.read_namespaced_service_account,
        "ResourceQuota": api.core.read_namespaced_resource_quota,
        "LimitRange": api.core.read_namespaced_limit_range,
        "NetworkPolicy": api.networking.read_namespaced_network_policy,
        "RoleBinding": api.rbac.read_namespaced_role_binding,
    }[kind]
    absent = [(namespace, name) for namespace, name in objects if api.find(read, name, namespace) is None]
    return _complete([name if namespace == place.namespace else f"{namespace}/{name}" for namespace, name in absent])


def _of_dev(place: Place) -> tuple[str, ...]:
    """The credential that reads prod's store, where that one is the chart's own; else whoever wants it makes it."""
    if place.environment.name != "dev" or not runs_storage(open_place(place.project, place.team, "prod")):
        return ()
    return (names.STORAGE_READER_SECRET,)


def _is_in_force(place: Place, policy: str, unrefused: str) -> tuple[bool, str]:
    found = has_policy(place.api, policy)
    return found, "" if found else f"nothing refuses {unrefused}"


def _is_allowed(place: Place) -> tuple[bool, str]:
    """The policy's list is a literal of CEL; without the policy every registry is allowed."""
    policy = place.api.find(place.api.admission.read_validating_admission_policy, IMAGES_POLICY)
    if policy is None:
        return True, "no policy asks"
    allowed = re.findall(r"'([^']+)'", policy.spec.variables[0].expression)
    return any(f"{place.cluster.images}/".startswith(prefix) for prefix in allowed), f"allowed are {', '.join(allowed)}"


def _has_class(place: Place) -> tuple[bool, str]:
    """What the charts' values name, else the cluster's default; where database and store are elsewhere, none is needed."""
    wanted = {said.get("storageClass", "") for said in own_parts(place).values()}
    with place.api.asking("list storage classes"):
        classes = place.api.storage.list_storage_class(_request_timeout=10).items
    there = {found.metadata.name for found in classes}
    there |= {"" for found in classes if (found.metadata.annotations or {}).get(DEFAULT_CLASS) == "true"}
    absent = ", ".join(sorted(name or "no default" for name in wanted - there))
    return not absent, absent or ", ".join(sorted(filter(None, wanted)))


def _is_answered(place: Place, path: str) -> tuple[bool, str]:
    answers = place.api.answers(path)
    return answers, "" if answers else f"nobody answers {path}"


def _has_room(place: Place, part: str) -> tuple[bool, str]:
    """Whether the pod's own probe has said lately that the volume is nearly full (helm/mlflow, container `disk`)."""
    with place.api.asking(f"list events in {place.namespace}"):
        events = place.api.core.list_namespaced_event(
            place.namespace, field_selector=f"involvedObject.name={part}-0,reason=Unhealthy", _request_timeout=10
        ).items
    oldest = datetime.now(UTC) - PROBED_WITHIN
    said = [event for event in events if event.involved_object.field_path == DISK_PROBE and (event.last_timestamp or oldest) > oldest]
    return not said, " ".join(said[-1].message.split()) if said else ""


def _is_the_team_s(place: Place) -> tuple[bool, str]:
    found = place.api.find(place.api.core.read_namespace, place.namespace)
    if found is None:
        return False, "no such namespace"
    owner = (found.metadata.labels or {}).get(names.LABEL_TEAM)
    return owner == place.team, "" if owner == place.team else f"label {names.LABEL_TEAM}: {owner or 'none'}"


def _is_noted(noted: dict[str, str], image: str) -> tuple[bool, str]:
    return image in noted, noted.get(image, "")


def _is_named(image: str) -> tuple[bool, str]:
    return bool(image), image


def _servers(place: Place) -> dict[str, str]:
    """What runs all the time, and as what kind."""
    deployments = ["mlflow", *(["registrar"] if place.environment.serving is not None else [])]
    return {**dict.fromkeys(own_parts(place), "statefulset"), **dict.fromkeys(deployments, "deployment")}


def _is_ready(place: Place, kind: str, server: str) -> tuple[bool, str]:
    apps = place.api.apps
    read = apps.read_namespaced_stateful_set if kind == "statefulset" else apps.read_namespaced_deployment
    found: Any = place.api.find(read, server, place.namespace)
    if found is None:
        return False, f"no such {kind}"
    ready, wanted = found.status.ready_replicas or 0, found.spec.replicas
    return ready >= wanted > 0, f"{ready} of {wanted}"
