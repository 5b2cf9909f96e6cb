"""Run slots on Kubernetes: a chart release per slot, and one live Service.

The Service's selector says which slot has the traffic.
"""

from titlebout.rollout.kubernetes.cluster_status import cluster_status
from titlebout.rollout.kubernetes.kubernetes_slots import KubernetesSlots, open_kubernetes_slots
from titlebout.rollout.kubernetes.live_service import LiveService
from titlebout.rollout.kubernetes.model_route import ModelRoute
from titlebout.rollout.kubernetes.statement import (
    LEFT_OUT,
    OUTSIDE,
    Earlier,
    Settlement,
    Statement,
    id_of,
)

__all__ = [
    "LEFT_OUT",
    "OUTSIDE",
    "Earlier",
    "KubernetesSlots",
    "LiveService",
    "ModelRoute",
    "Settlement",
    "Statement",
    "cluster_status",
    "id_of",
    "open_kubernetes_slots",
]
