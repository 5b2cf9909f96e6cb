"""Render helm/serving: one slot of a model."""

import hashlib
import re
from pathlib import Path

import pytest
import yaml

from titlebout.cluster import Helm, merged
from titlebout.spec import ClusterError

CHART = Path(__file__).parents[2] / "helm" / "serving"
TEAM = CHART.with_name("team")
VALUES = {
    "model": "flights",
    "slot": "blue",
    "image": f"localhost:5000/titlebout/flights@sha256:{'0' * 64}",
    "release": {"id": "1" * 64, "record": "{}", "verdict": "accept"},
    "inference": {"url": "s3://titlebout/inference/flights", "secret": "storage-serving"},
}


def rendered(*arguments: str, **values) -> dict[str, dict]:
    text = Helm(None).template(
        "flights-blue",
        CHART,
        namespace="ring-prod",
        values=merged(VALUES, values),
        arguments=arguments,
    )
    return {found["kind"]: found for found in yaml.safe_load_all(text) if found}


def pod(**values) -> dict:
    return rendered(**values)["Deployment"]["spec"]["template"]


def test_nothing_of_it_is_the_live_service():
    """Render only the slot's own objects, with the slot's name."""
    found = rendered()
    assert {one["metadata"]["name"] for one in found.values()} == {"flights-blue"}
    assert found["Service"]["spec"]["selector"] == {
        "titlebout.io/model": "flights",
        "titlebout.io/slot": "blue",
    }


def test_the_pod_is_restricted_and_knows_no_token():
    """Render a pod that `restricted` admits, with a root that cannot be written to and no token."""
    spec = pod()["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_digest_of_digits_alone_stays_text():
    """Render an annotation that the API takes, also for a secret whose digest looks like a number.

    Unquoted, one release of twenty failed: digits alone, or digits around an `e`, are a number.
    """
    assert hashlib.sha256(b"47").hexdigest()[:8] == "31489056"
    assert pod(probeSecret="47")["metadata"]["annotations"]["titlebout.io/probe"] == "31489056"


@pytest.mark.parametrize(
    "template",
    sorted(CHART.parent.glob("*/templates/*.yaml")),
    ids=lambda path: f"{path.parts[-3]}-{path.stem}",
)
def test_every_digest_that_is_a_value_is_quoted(template: Path):
    """Refuse a chart that leaves it to chance whether a value is text."""
    values = re.findall(r": (\{\{[^}]*sha256sum[^}]*\}\})", template.read_text(encoding="utf-8"))
    assert [value for value in values if "| quote" not in value] == []


def test_pods_and_deployment_say_their_release_and_its_verdict():
    """Annotate pods and Deployment with release and verdict, for registrar and admission policy."""
    override = {
        "release": {
            "verdict": "override",
            "overrideBy": "ada",
            "overrideReason": "the holdout is stale",
        }
    }
    for metadata in (rendered(**override)["Deployment"]["metadata"], pod(**override)["metadata"]):
        annotations = metadata["annotations"]
        assert annotations["titlebout.io/release"] == "1" * 64
        assert [
            annotations[f"titlebout.io/{name}"]
            for name in ("verdict", "override-by", "override-reason")
        ] == [
            "override",
            "ada",
            "the holdout is stale",
        ]


def test_a_pod_that_must_go_has_time_to():
    """Give a pod the drain, ten times the objective, and the server's own fifteen seconds.

    Without a drain there is no hook.
    """
    spec = pod(drainSeconds=20, objective={"p99Ms": 250})["spec"]
    assert spec["terminationGracePeriodSeconds"] == 20 + 3 + 15
    assert spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "20"]
    assert "lifecycle" not in pod(drainSeconds=0)["spec"]["containers"][0]


def test_no_request_is_lost_to_a_rolling_update():
    """Start a new pod first, and allow one voluntary disruption at a time."""
    found = rendered()
    assert found["Deployment"]["spec"]["strategy"]["rollingUpdate"] == {
        "maxSurge": 1,
        "maxUnavailable": 0,
    }
    assert found["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1


def test_the_autoscaler_never_goes_below_what_a_rollback_needs():
    """Use the replicas' minimum for the autoscaler's least and the Deployment's start."""
    found = rendered(replicas={"minimum": 3, "maximum": 9})
    autoscaler = found["HorizontalPodAutoscaler"]["spec"]
    assert (
        autoscaler["minReplicas"],
        autoscaler["maxReplicas"],
        found["Deployment"]["spec"]["replicas"],
    ) == (3, 9, 3)


def test_the_inference_table_goes_to_a_bucket_or_to_a_volume():
    """Pass the Secret's variables for a bucket, or mount the volume."""
    bucket = pod()["spec"]
    assert bucket["containers"][0]["envFrom"] == [{"secretRef": {"name": "storage-serving"}}]
    folder = pod(inference={"url": "/inference", "secret": "", "claim": "tables"})["spec"]
    assert {"name": "inference", "persistentVolumeClaim": {"claimName": "tables"}} in folder[
        "volumes"
    ]
    assert {"name": "inference", "mountPath": "/inference"} in folder["containers"][0][
        "volumeMounts"
    ]


def test_prometheus_operator_scrapes_the_slot_s_own_service():
    """Let the ServiceMonitor find this slot's Service and not the other's.

    Then the pods need no annotation.
    """
    found = rendered("--api-versions", "monitoring.coreos.com/v1")
    wanted = found["ServiceMonitor"]["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= found["Service"]["metadata"]["labels"].items()
    assert not wanted.items() <= rendered(slot="green")["Service"]["metadata"]["labels"].items()
    assert (
        "prometheus.io/scrape"
        not in found["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    )
    assert "ServiceMonitor" not in rendered()


def test_the_monitor_bears_the_labels_by_which_a_prometheus_selects_it():
    """Add the labels to the ServiceMonitor alone, and accept only texts."""
    chosen = {"monitorLabels": {"release": "kube-prometheus-stack"}}
    plain, found = (
        rendered("--api-versions", "monitoring.coreos.com/v1", **values) for values in ({}, chosen)
    )
    assert (
        found["ServiceMonitor"]["metadata"]["labels"]
        == plain["ServiceMonitor"]["metadata"]["labels"] | chosen["monitorLabels"]
    )
    assert {kind for kind in found if found[kind] != plain[kind]} == {"ServiceMonitor"}
    with pytest.raises(ClusterError, match="monitorLabels"):
        rendered(monitorLabels={"release": 1})


def test_the_slot_is_called_from_where_the_gateway_s_proxies_run():
    """Allow calls from the proxies and the own namespace, and from nowhere else."""
    (rule,) = rendered(proxyNamespaces=["envoy-gateway-system"])["NetworkPolicy"]["spec"]["ingress"]
    proxies = {
        "namespaceSelector": {
            "matchLabels": {"kubernetes.io/metadata.name": "envoy-gateway-system"}
        }
    }
    assert rule["from"] == [{"podSelector": {}}, proxies]


def test_dns_is_allowed_as_by_the_team_s_policy():
    """Allow the same resolvers as the team's NetworkPolicy, by the same values."""
    team = Helm(None).template(
        "team",
        TEAM,
        namespace="ring-prod",
        values=yaml.safe_load((TEAM / "ci" / "prod-values.yaml").read_text()),
    )
    policy = next(
        one for one in yaml.safe_load_all(team) if one and one["metadata"]["name"] == "allow-dns"
    )
    assert rendered()["NetworkPolicy"]["spec"]["egress"][0] == policy["spec"]["egress"][0]
    openshift = {"namespaces": ["openshift-dns"], "cidrs": [], "ports": [5353]}
    resolver = rendered(dns=openshift)["NetworkPolicy"]["spec"]["egress"][0]
    assert resolver["to"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "openshift-dns"}}}
    ]
    assert resolver["ports"] == [
        {"port": 5353, "protocol": "UDP"},
        {"port": 5353, "protocol": "TCP"},
    ]


def test_without_a_gateway_a_canary_is_refused():
    """Refuse a canary without the Gateway API, and say what is missing."""
    with pytest.raises(
        ClusterError,
        match=r"strategy canary of flights: expected the Gateway API .* Next: install a Gateway",
    ):
        rendered(strategy="canary")


@pytest.mark.parametrize(
    "values",
    [
        {"image": "titlebout/flights:latest"},
        {"slot": "purple"},
        {"release": {"verdict": "reject"}},
        {"release": {"verdict": "override"}},
        {"inference": {"url": "/inference"}},
        {"replica": 3},
        {"replicas": {"min": 3}},
        {"dns": {"namespaces": [], "cidrs": []}},
        {"dns": {"ports": []}},
    ],
    ids=[
        "image by tag",
        "unknown slot",
        "rejected",
        "override without a name",
        "folder without a volume",
        "misspelt",
        "misspelt below",
        "names from anywhere",
        "at any port",
    ],
)
def test_other_values_are_refused(values):
    """Refuse values outside of the closed schema."""
    with pytest.raises(ClusterError):
        rendered(**values)


def test_the_probe_secret_is_in_a_secret_alone():
    """Keep the probe secret in a Secret alone, and replace the pod for another secret."""
    found = rendered(probeSecret="only the platform knows")
    variables = {one["name"]: one for one in pod(probeSecret="x")["spec"]["containers"][0]["env"]}
    where = variables["TITLEBOUT_PROBE_SECRET"]["valueFrom"]["secretKeyRef"]
    assert found["Secret"]["stringData"][where["key"]] == "only the platform knows"
    assert where["name"] == found["Secret"]["metadata"]["name"]
    assert [kind for kind, one in found.items() if "only the platform knows" in str(one)] == [
        "Secret"
    ]
    first, second = (
        pod(probeSecret=secret)["metadata"]["annotations"]["titlebout.io/probe"]
        for secret in ("x", "y")
    )
    assert first != second


def test_origins_are_told_to_the_server():
    """Pass the origins in one variable with blanks between; none if there are none."""

    def origins(**values):
        return [
            one["value"]
            for one in pod(**values)["spec"]["containers"][0]["env"]
            if one["name"] == "TITLEBOUT_CORS_ORIGINS"
        ]

    assert origins(corsOrigins=["https://a.example.com", "https://b.example.com"]) == [
        "https://a.example.com https://b.example.com"
    ]
    assert origins() == []
    with pytest.raises(ClusterError):
        origins(corsOrigins=["a.example.com/page"])


def test_a_pod_s_memory_and_cpu_are_limited():
    """Limit CPU and memory: a client can slow down the slot, and no other pod."""
    limits = pod()["spec"]["containers"][0]["resources"]["limits"]
    assert limits.keys() == {"cpu", "memory"}
    volumes = {volume["name"]: volume for volume in pod()["spec"]["volumes"]}
    assert "sizeLimit" in volumes["tmp"]["emptyDir"]


def test_a_pod_that_hangs_is_started_again():
    """Probe whether the process lives and is ready, with a time limit for each."""
    container = pod()["spec"]["containers"][0]
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert all(
        container[probe]["timeoutSeconds"] <= 5
        for probe in ("livenessProbe", "readinessProbe", "startupProbe")
    )
