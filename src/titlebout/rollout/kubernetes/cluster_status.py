"""Every model that an environment serves on its cluster, looked at: from the Services themselves, so also while MLflow is away."""

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
    """Per model that was ever released: `endpoint`, the `live` release, and each slot's release and ready pods.

    Where the asker has no rights it says so instead, as `problem`. Models of others than the teams in environments/teams have no namespace.
    """
    models = sorted(path.parent.name for path in (project / "models").glob("*/model.yaml"))
    owners = {model: load_model_spec(project, model).owner for model in models}
    teams = team_names(project)
    every = [
        open_kubernetes_slots(
            project, model, cluster, namespace=object_names.namespace_of(team, environment)
        )
        for model, team in owners.items()
        if team in teams
    ]
    return [found for slots in every if (found := _status(slots)) is not None]


def _status(slots: KubernetesSlots) -> dict[str, Any] | None:
    try:
        return _looked_at(slots) if slots.service() is not None else None
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


def _looked_at(slots: KubernetesSlots) -> dict[str, Any]:
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
