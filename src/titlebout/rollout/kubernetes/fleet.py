"""Every model that an environment serves on its cluster, looked at: from the Services themselves, so also while MLflow is away."""

from pathlib import Path
from typing import Any

from titlebout.rollout.kubernetes.slots import KubernetesSlots, open_kubernetes_slots
from titlebout.rollout.slots import SLOT_NAMES
from titlebout.spec import Cluster, kubernetes, load_model_spec


def teams_of(project: Path) -> list[str]:
    """The owners of the project's models."""
    return sorted({load_model_spec(project, path.parent.name).owner for path in (project / "models").glob("*/model.yaml")})


def cluster_status(project: Path, environment: str, cluster: Cluster) -> list[dict[str, Any]]:
    """Per model that was ever released: `endpoint`, the `live` release, and each slot's release and ready pods."""
    owners = {
        path.parent.name: load_model_spec(project, path.parent.name).owner for path in sorted((project / "models").glob("*/model.yaml"))
    }
    every = [
        open_kubernetes_slots(project, model, cluster, namespace=kubernetes.namespace_of(team, environment))
        for model, team in owners.items()
    ]
    return [_status(slots) for slots in every if slots.service() is not None]


def _status(slots: KubernetesSlots) -> dict[str, Any]:
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
