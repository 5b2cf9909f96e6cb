"""Name what k8s/ makes in a cluster, once for all teams, and what does not hold without it."""

from typing import TYPE_CHECKING

from titlebout.spec import object_names

if TYPE_CHECKING:
    from titlebout.cluster import Api

APPLY = "kubectl apply --server-side -k environments/k8s"
POLICIES_NEXT_STEP = f"{APPLY}; Kubernetes has such policies from 1.30 on"
ROLES = (
    "titlebout-reader",
    "titlebout-mlflow-reader",
    "titlebout-editor",
    "titlebout-releaser",
    "titlebout-gateway-reader",
    "titlebout-on-call",
    "titlebout-registrar",
    "titlebout-training",
)
PRIORITIES = (object_names.PRIORITY_WORK,)
POLICIES = {  # name: what is not refused without it
    "titlebout-images": "images by tag, or from any registry",
    "titlebout-verdicts": "serving pods without release and verdict",
    "titlebout-switchable": "traffic to a slot under test",
    "titlebout-on-call": "on-call's patches of any field of any Service",
    "titlebout-on-call-route": "on-call's patches of any field of any model's route",
    "titlebout-tunnels": "data scientists' tunnels to every pod of staging",
}


def missing_base(api: "Api") -> list[str]:
    """Return the roles and priority classes that the cluster lacks. Nothing runs without them."""
    missing = [
        f"ClusterRole {name}"
        for name in ROLES
        if api.find(api.rbac.read_cluster_role, name) is None
    ]
    return [
        *missing,
        *(
            f"PriorityClass {name}"
            for name in PRIORITIES
            if api.find(api.scheduling.read_priority_class, name) is None
        ),
    ]


def has_policy(api: "Api", name: str) -> bool:
    """Tell whether the policy and its binding exist. Both have the same name.

    A policy without a binding refuses nothing.
    """
    reads = (
        api.admission.read_validating_admission_policy,
        api.admission.read_validating_admission_policy_binding,
    )
    return all(api.find(read, name) is not None for read in reads)
