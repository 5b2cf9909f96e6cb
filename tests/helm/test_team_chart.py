"""helm/team, rendered: where the Gateway is, and from where its requests come."""

from pathlib import Path

import pytest
import yaml

from titlebout.cluster import Helm

CHART = Path(__file__).parents[2] / "helm" / "team"
GATEWAY, PROXIES = "gateways", "envoy-gateway-system"  # as ci/*-values.yaml have them


def rendered(environment: str) -> list[dict]:
    values = yaml.safe_load((CHART / "ci" / f"{environment}-values.yaml").read_text())
    text = Helm(None).template("team", CHART, namespace=f"ring-{environment}", values=values)
    return [found for found in yaml.safe_load_all(text) if found]


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_the_slots_are_called_from_where_the_gateway_s_proxies_run(environment):
    """Which need not be where the Gateway object is."""
    (policy,) = [one for one in rendered(environment) if one["kind"] == "NetworkPolicy" and one["metadata"]["name"] == "serving"]
    sources = [source.get("namespaceSelector") for rule in policy["spec"]["ingress"] for source in rule["from"]]
    assert {"matchLabels": {"kubernetes.io/metadata.name": PROXIES}} in sources
    assert GATEWAY not in str(policy)


def test_the_releaser_sees_the_gateway():
    """In the Gateway's own namespace, and in no environment that releases nothing."""
    assert [one["metadata"]["namespace"] for one in rendered("prod") if one["metadata"].get("namespace")] == [GATEWAY]
    assert not [one for one in rendered("dev") if one["metadata"].get("namespace")]
