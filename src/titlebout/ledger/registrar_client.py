"""Ask a namespace's registrar about ledger and aliases, through the API server, from anywhere."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from titlebout.spec import (
    Cluster,
    ClusterError,
    LedgerEntry,
    load_model_spec,
    load_team,
    object_names,
    team_names,
)

if TYPE_CHECKING:
    from titlebout.cluster import Api

REGISTRAR_SECONDS = 5.0  # what the registrar promises


def ask_registrar(api: "Api", namespace: str, path: str, **query: str) -> Any:
    """Return the registrar's answer, parsed; raise ClusterError if it does not answer."""
    service = f"{object_names.REGISTRAR_SERVICE}:{object_names.REGISTRAR_PORT}"
    with api.asking(f"get services/proxy {namespace}/{object_names.REGISTRAR_SERVICE}"):
        answer = api.client.call_api(
            f"/api/v1/namespaces/{namespace}/services/{service}/proxy/{path}",
            "GET",
            query_params=list(query.items()),
            auth_settings=["BearerToken"],
            _preload_content=False,
            _return_http_data_only=True,
            _request_timeout=REGISTRAR_SECONDS,
        )
    try:
        return json.loads(answer.data)
    except ValueError as error:
        raise ClusterError(
            f"registrar in {namespace}",
            expected="JSON",
            found=answer.data[:80].decode(errors="replace"),
            next_step="kubectl logs deployment/registrar",
        ) from error


def cluster_history(
    project: Path, model: str, environment: str, cluster: Cluster, *, at: str | None
) -> list[LedgerEntry]:
    """Return what `history` does, from the registrar's ledger; `at` names its time zone."""
    from titlebout.cluster import connect

    namespace = object_names.namespace_of(load_model_spec(project, model).owner, environment)
    query = {} if at is None else {"at": at}
    found = ask_registrar(connect(cluster), namespace, f"history/{model}", **query)
    return [LedgerEntry.model_validate_json(json.dumps(entry)) for entry in found]


def cluster_faults(
    project: Path, environment: str, cluster: Cluster, *, team: str | None
) -> list[str]:
    """Return what the registrar of the team, or of every declared team, finds wrong.

    A registrar that does not answer is a fault.
    """
    from titlebout.cluster import connect

    api = connect(cluster)
    teams = [load_team(project, team).team] if team else team_names(project)
    return [
        f"{one}: {fault}"
        for one in teams
        for fault in _faults(api, object_names.namespace_of(one, environment))
    ]


def _faults(api: "Api", namespace: str) -> list[str]:
    try:
        return list(ask_registrar(api, namespace, "verify")["faults"])
    except ClusterError as error:
        return [f"not verified: {error}"]
