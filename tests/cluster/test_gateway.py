"""Run strategies in a team's own namespace, behind its NetworkPolicies.

The releaser's rights are enough, from environment.yaml to `titlebout compare`.
"""

import json
import time
from datetime import datetime
from functools import cache

import pandas as pd
import pytest
import yaml
from cluster.test_loop import eventually, history, live_release
from support.company_fork import MODEL
from support.gateway_clients import GATEWAY, ask, load, missing_gateway
from support.two_teams import kubectl

from titlebout.spec.http_route import ROUTES

pytestmark = pytest.mark.skipif(bool(missing := missing_gateway()), reason=missing)
# These tests do not check whether two busy cores keep an objective.
WIDE_TOLERANCES = {"errors": 0.5, "slow": 0.9, "refused": 0.5}
SHADOW = {"kind": "shadow", "seconds": 20, "tolerances": WIDE_TOLERANCES}
CANARY = {"kind": "canary", "steps": [50], "step_seconds": 120, "tolerances": WIDE_TOLERANCES}
TABLE_SECONDS = 60.0  # a server writes its rows every 5 s
OK = 200


@pytest.fixture(scope="module")
def fork_behind_gateway(released_twice, installed_fork):
    """Put the fork's prod behind the Gateway.

    The platform team declares the Gateway. Slots that were there before are reached through it.
    """
    path = released_twice.project / "environments" / "prod" / "environment.yaml"
    before = path.read_text()
    declared = yaml.safe_load(before)
    declared["kubernetes"]["gateway"] = GATEWAY.model_dump(exclude_none=True)
    path.write_text(yaml.safe_dump(declared))
    try:
        installed_fork.run("team", "apply", released_twice.team)
        # It may find nothing to release, but makes the route before that.
        released_twice.attempt("release", MODEL, "--env", "prod")
        eventually(lambda: ask_gateway(released_twice)[1:] == (OK, live_release(released_twice)))
        yield released_twice
    finally:
        kubectl(
            "delete",
            ROUTES,
            MODEL,
            "--ignore-not-found",
            "--namespace",
            released_twice.namespace("prod"),
        )
        path.write_text(before)
        installed_fork.run("team", "apply", released_twice.team)


def test_the_gateway_reaches_slots_where_policies_name_its_proxies(fork_behind_gateway):
    """The Gateway reaches the slots only while policies name its proxies' namespace."""
    found = json.loads(
        kubectl(
            "get",
            "networkpolicies",
            "--namespace",
            fork_behind_gateway.namespace("prod"),
            "--output",
            "json",
        )
    )
    proxy_policies = {
        "apiVersion": "v1",
        "kind": "List",
        "items": [one for one in found["items"] if GATEWAY.proxy_namespace in str(one["spec"])],
    }
    kubectl("delete", "--filename", "-", stdin=json.dumps(proxy_policies))
    try:
        eventually(lambda: ask_gateway(fork_behind_gateway)[1] != OK)
    finally:
        kubectl("create", "--filename", "-", stdin=json.dumps(proxy_policies))
    eventually(lambda: ask_gateway(fork_behind_gateway)[1] == OK)


def test_a_shadow_to_its_switch(fork_behind_gateway):
    """No client gets the candidate's answer before the switch, and no request fails.

    Both releases answered the same requests.
    """
    incumbent = live_release(fork_behind_gateway)
    candidate, answers = release_with_strategy(fork_behind_gateway, SHADOW, iterations=60)
    assert {(status, release) for _, status, release in answers} == {
        (OK, incumbent),
        (OK, candidate),
    }
    assert min(when for when, _, release in answers if release == candidate) > switched_at(
        fork_behind_gateway
    )
    pairs = eventually_paired(fork_behind_gateway, incumbent, candidate)
    assert pairs["rows"] > 100
    assert 0.5 < pairs["agreement"] <= 1


def test_a_canary_to_its_switch(fork_behind_gateway):
    """About half of the requests go to the candidate before the switch, and all after it.

    No request fails.
    """
    incumbent = live_release(fork_behind_gateway)
    candidate, answers = release_with_strategy(fork_behind_gateway, CANARY, iterations=70)
    assert {(status, release) for _, status, release in answers} == {
        (OK, incumbent),
        (OK, candidate),
    }
    first = min(when for when, _, release in answers if release == candidate)
    switched = switched_at(fork_behind_gateway)
    answering_releases = [release for when, _, release in answers if first <= when < switched]
    assert 0.2 < answering_releases.count(candidate) / len(answering_releases) < 0.8
    eventually(lambda: {ask_gateway(fork_behind_gateway)[2] for _ in range(20)} == {candidate})


def release_with_strategy(fork, strategy, *, iterations):
    """Train another model and release it by the strategy, while clients send requests.

    Return its release, and for each answer the time, the status and the release.
    """
    path = fork.project / "environments" / "prod" / "environment.yaml"
    path.write_text(
        yaml.safe_dump(yaml.safe_load(path.read_text()) | {"strategies": {MODEL: strategy}})
    )
    fork.retune(iterations=iterations)
    fork.run("train", MODEL, "--env", "prod")
    with load(lambda: ask_gateway(fork), clients=2) as answers:
        fork.run("release", MODEL, "--env", "prod", "--override", "it must only differ")
        candidate = history(fork)[-1]["to_release"]
        eventually(lambda: answers[-1][2] == candidate)
    return candidate, answers


def ask_gateway(fork):
    """Send one request as a client of the Gateway.

    Return the time of the answer, the status (0: no answer) and the release.
    """
    try:
        status, body, _ = ask(
            f"{MODEL}.{fork.namespace('prod')}.{GATEWAY.domain}",
            first_row(fork.project / "models" / MODEL),
        )
    except OSError as error:
        status, body = 0, str(error).encode()
    return time.time(), status, json.loads(body)["release"] if status == OK else body.decode()


@cache
def first_row(folder):
    """Return the table's first row as a request body."""
    columns = yaml.safe_load((folder / "model.yaml").read_text())["columns"]
    return pd.read_csv(folder / "table.csv")[list(columns)].iloc[0].to_json().encode()


def switched_at(fork):
    """Return when the last switch began, by this machine's clock."""
    return datetime.fromisoformat(
        [entry["time"] for entry in history(fork) if entry["kind"] == "switched"][-1]
    ).timestamp()


def eventually_paired(fork, incumbent, candidate):
    """Return what `titlebout compare` says of requests that both releases answered.

    First wait until their rows are written.
    """
    found = {}

    def is_paired():
        found.update(fork.result("compare", MODEL, incumbent, candidate, "--env", "prod")["pairs"])
        return found["rows"] > 0

    eventually(is_paired, seconds=TABLE_SECONDS)
    return found
