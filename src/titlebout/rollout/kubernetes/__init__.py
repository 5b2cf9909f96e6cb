"""Slots on Kubernetes: a chart release per slot, and one live Service whose selector says which of them has the traffic."""

from titlebout.rollout.kubernetes.fleet import cluster_status
from titlebout.rollout.kubernetes.live import LiveService
from titlebout.rollout.kubernetes.slots import KubernetesSlots, open_kubernetes_slots
from titlebout.rollout.kubernetes.statement import Statement

__all__ = ["KubernetesSlots", "LiveService", "Statement", "cluster_status", "open_kubernetes_slots"]
