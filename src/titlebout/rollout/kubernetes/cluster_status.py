"""Show every model that an environment serves on its cluster.

It reads the Services themselves, so it works while MLflow is away.
"""

from pathlib import Path
from typing import Any

from titlebout.rollout.kubernetes.kubernetes_slots import KubernetesSlots, open_kubernetes_slots
from titlebout.spec import (
    SLOT_NAMES,
    Cluster,
    ClusterAway,
    ClusterError,
    load_model_spec,
    object_names,
    team_names,
)


def cluster_status(project: Path, environment: str, cluster: Cluster) -> list[dict[str, Any]]:
    """Return the status of every model that was ever released there.

    Per model: `endpoint`, the `live` release, and each slot's release and ready pods. Where the
    caller has no rights, `problem` says so instead. Models of others than the teams in
    environments/teams have no namespace.
    """
    models = sorted(path.parent.name for path in (project / "models").glob("*/model.yaml"))
    owners = {model: load_model_spec(project, model).owner for model in models}
    teams = team_names(project)
    served = [
        open_kubernetes_slots(
            project, model, cluster, namespace=object_names.namespace_of(team, environment)
        )
        for model, team in owners.items()
        if team in teams
    ]
    return [found for slots in served if (found := _model_status(slots)) is not None]


def _model_status(slots: KubernetesSlots) -> dict[str, Any] | None:
    try:
        return _slot_states(slots) if slots.service() is not None else None
    except ClusterAway:
        raise
    except ClusterError as error:
        return {
            "model": slots.model,
            "endpoint": slots.url,
            "live": None,
            "live_slot": None,
            "slots": [],
            "problem": str(error),
        }


def _slot_states(slots: KubernetesSlots) -> dict[str, Any]:
    live = slots.live()
    return {
        "model": slots.model,
        "endpoint": slots.url,
        "live": live.release if live else None,
        "live_slot": live.slot if live else None,
        "slots": [
            {"slot": name, "release": deployed.release, "state": f"{deployed.ready} ready"}
            for name in SLOT_NAMES
            if (deployed := slots.deployed(name))
        ],
    }
