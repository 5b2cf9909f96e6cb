"""Render helm/team: how much a namespace may use, what connects to what, who has which role."""

from pathlib import Path

import pytest
import yaml

from titlebout.cluster import Helm, merged
from titlebout.spec import ENVIRONMENTS, ClusterError

CHART = Path(__file__).parents[2] / "helm" / "team"
WAREHOUSE = {
    "to": [{"ipBlock": {"cidr": "10.20.0.0/16"}}],
    "ports": [{"port": 5432, "protocol": "TCP"}],
}  # ci/*-values.yaml's egress
ROLES = {  # who has which role, beside the platform team
    "dev": {
        "owners": "reader",
        "releaser": "reader",
        "data-scientist": "editor",
        "ml-engineer": "editor",
    },
    "staging": {
        "owners": "reader",
        "releaser": "reader releaser",
        "data-scientist": "reader mlflow-reader",
        "ml-engineer": "editor",
    },
    "prod": {"owners": "reader", "releaser": "reader releaser", "on-call": "on-call"},
}
GROUPS = {"data-scientist": {"ring-analysts"}, "on-call": {"first-line"}}  # of ci/*-values.yaml


def rendered(environment: str, /, **differences) -> dict[tuple[str, str], dict]:
    values = merged(
        yaml.safe_load((CHART / "ci" / f"{environment}-values.yaml").read_text()), differences
    )
    text = Helm(None).template("team", CHART, namespace=f"ring-{environment}", values=values)
    return {
        (found["kind"], found["metadata"]["name"]): found
        for found in yaml.safe_load_all(text)
        if found
    }


def policies(environment: str) -> dict[str, dict]:
    return {
        name: found["spec"]
        for (kind, name), found in rendered(environment).items()
        if kind == "NetworkPolicy"
    }


def in_namespace(name: str) -> dict:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def address(cidr: str) -> dict:
    return {"ipBlock": {"cidr": cidr}}


def agents(label: str) -> dict:
    return {
        **in_namespace("kube-system"),
        "podSelector": {"matchLabels": {label: "konnectivity-agent"}},
    }


@pytest.mark.parametrize("policy", ["registrar", "serving"])
def test_the_api_server_calls_from_where_it_runs(policy):
    """Allow the API server's own address, its node's on an overlay network, and a cloud's agents.

    The agents have either of two labels.
    """
    (rule,) = rendered("prod", apiServerSources=["10.244.0.0/32"])["NetworkPolicy", policy]["spec"][
        "ingress"
    ]
    callers = [address("10.96.0.1/32"), address("10.244.0.0/32"), agents("k8s-app"), agents("app")]
    assert rule["from"][-len(callers) :] == callers


def test_the_quota_is_the_team_s():
    """Count memory as limited and as requested, and allow no way around the Gateway."""
    asked = {"cpu": "3", "memory": "7Gi", "storage": "40Gi", "pods": 20}
    assert rendered("prod", quota=asked)["ResourceQuota", "team"]["spec"]["hard"] == {
        "requests.cpu": "3",
        "requests.memory": "7Gi",
        "limits.memory": "7Gi",
        "requests.storage": "40Gi",
        "pods": "20",
        "services.loadbalancers": "0",
        "services.nodeports": "0",
    }


def test_a_container_that_says_nothing_has_what_the_quota_counts():
    """Set a default for all that the quota counts: else it would refuse the pod."""
    found = rendered("dev")
    (limits,) = found["LimitRange", "team"]["spec"]["limits"]
    counted = {
        name
        for name in found["ResourceQuota", "team"]["spec"]["hard"]
        if name.startswith(("requests.", "limits."))
    }
    given = {f"requests.{name}" for name in limits["defaultRequest"]} | {
        f"limits.{name}" for name in limits["default"]
    }
    assert counted - {"requests.storage"} == given


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_nothing_connects_that_no_other_policy_names(environment):
    """Deny every pod all connections, both ways, in the first policy."""
    assert policies(environment)["default-deny"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_pod_may_ask_for_names(environment):
    """Allow DNS in kube-system, of a node's cache and of a cloud's resolver.

    The resolver's address has the metadata server on another port.
    """
    (names,) = policies(environment)["allow-dns"]["egress"]
    assert names["to"] == [
        in_namespace("kube-system"),
        address("169.254.20.10/32"),
        address("169.254.169.254/32"),
    ]
    assert names["ports"] == [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]


def test_names_are_asked_for_where_the_platform_says():
    """Allow OpenShift's resolvers, which have their own namespace and port."""
    openshift = {"namespaces": ["openshift-dns"], "cidrs": [], "ports": [5353]}
    (names,) = rendered("prod", dns=openshift)["NetworkPolicy", "allow-dns"]["spec"]["egress"]
    assert names == {
        "to": [in_namespace("openshift-dns")],
        "ports": [{"port": 5353, "protocol": "UDP"}, {"port": 5353, "protocol": "TCP"}],
    }


def test_mlflow_is_called_from_where_the_platform_says():
    """Allow another namespace to call MLflow only if it is named."""
    ingress = in_namespace("ingress")
    named = rendered("prod", mlflowNamespaces=["ingress"])["NetworkPolicy", "mlflow"]["spec"][
        "ingress"
    ]
    assert [rule["ports"] for rule in named if ingress in rule["from"]] == [
        [{"port": 5000, "protocol": "TCP"}]
    ]
    assert "namespaceSelector" not in str(policies("prod")["mlflow"]["ingress"])


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_models_and_runs_call_where_the_team_said(environment):
    """Allow only models and runs to call the team's addresses."""
    assert {
        name for name, spec in policies(environment).items() if WAREHOUSE in spec.get("egress", ())
    } == {"models", "runs"}


def test_dev_alone_reads_prod_s_store():
    """Allow dev to read prod's store on both sides, and no other environment."""
    assert "data-of-prod" in policies("dev")
    assert not {"data-of-prod"} & (policies("staging").keys() | policies("prod").keys())
    sources = str(policies("prod")["storage"]["ingress"])
    assert "'titlebout.io/environment': 'dev'" in sources
    assert "'titlebout.io/environment'" not in str(policies("staging")["storage"]["ingress"])


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_the_slots_are_called_from_where_the_gateway_s_proxies_run(environment):
    """Allow the proxies' namespace, which may differ from the Gateway's.

    In the Gateway's the releaser may see it.
    """
    sources = str(policies(environment)["serving"]["ingress"])
    assert "'kubernetes.io/metadata.name': 'envoy-gateway-system'" in sources
    assert "gateways" not in sources
    assert (
        rendered(environment)["RoleBinding", f"titlebout-ring-{environment}"]["metadata"][
            "namespace"
        ]
        == "gateways"
    )


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_the_slots_are_called_from_the_team_s_clients(environment):
    """Allow the team's clients on the slots' port, and nothing else."""
    (rule,) = policies(environment)["serving"]["ingress"]
    assert in_namespace("shop") in rule["from"]
    assert rule["ports"] == [{"port": 8080, "protocol": "TCP"}]
    assert [name for name, spec in policies(environment).items() if "shop" in str(spec)] == [
        "serving"
    ]


def test_nobody_else_calls_the_slots():
    """Allow no other namespace unless the team names it."""
    unnamed = rendered("prod", clientNamespaces=[])["NetworkPolicy", "serving"]["spec"]["ingress"]
    assert "shop" not in str(unnamed)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_role_has_its_groups(environment):
    """Bind each role to its own group and the company's.

    The releaser's role is also its service account's, where it releases.
    """
    bindings = [
        found for (kind, _), found in rendered(environment).items() if kind == "RoleBinding"
    ]
    found: dict[str, list[str]] = {}
    for binding in bindings:
        groups = {subject["name"] for subject in binding["subjects"] if subject["kind"] == "Group"}
        if role := next(
            (group.partition(":")[2] for group in groups if group.startswith("ring:")), ""
        ):
            assert groups == {f"ring:{role}"} | GROUPS.get(role, set())
            accounts = [
                subject["name"]
                for subject in binding["subjects"]
                if subject["kind"] == "ServiceAccount"
            ]
            assert accounts == (["releaser"] if role == "releaser" and environment != "dev" else [])
            if binding["metadata"].get("namespace") is None:  # else it is the Gateway's
                found.setdefault(role, []).append(
                    binding["roleRef"]["name"].removeprefix("titlebout-")
                )
    assert {role: " ".join(names) for role, names in found.items()} == ROLES[environment]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_nobody_has_a_right_in_the_whole_cluster(environment):
    """Bind every right in a namespace."""
    assert not [kind for kind, _ in rendered(environment) if kind.startswith("Cluster")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"quota": {"gpu": 1}},
        {"environment": "qa"},
        {"groups": {"admin": ["all"]}},
        {"egress": [{"cidr": "x"}]},
        {"clientNamespaces": ["*"]},
        {"apiServerSources": ["10.244.0.0"]},
        {"dns": {"namespaces": [], "cidrs": []}},
        {"dns": {"ports": []}},
    ],
)
def test_other_values_are_refused(wrong):
    """Refuse unknown resources, environments and roles, and addresses without port or prefix.

    A resolver of no address or port would be any.
    """
    with pytest.raises(ClusterError):
        rendered("dev", **wrong)
