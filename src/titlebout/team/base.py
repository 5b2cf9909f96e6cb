"""What k8s/ makes in a cluster, once for all teams: roles, priority classes, admission policies; and what does not hold without these."""

from typing import TYPE_CHECKING

from titlebout.spec import object_names

if TYPE_CHECKING:
    from titlebout.cluster import Api

APPLY = "kubectl apply --server-side -k environments/k8s"
APPLY_POLICIES = f"{APPLY}; Kubernetes has such policies from 1.30 on"
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
POLICIES = {  # name: what nothing refuses without it
    "titlebout-images": "images by tag, or from any registry",
    "titlebout-verdicts": "serving pods without release and verdict",
    "titlebout-switchable": "traffic to a slot under test",
    "titlebout-on-call": "on-call's patches of any field of any Service",
    "titlebout-on-call-route": "on-call's patches of any field of any model's route",
    "titlebout-tunnels": "data scientists' tunnels to every pod of staging",
}


def missing_base(api: "Api") -> list[str]:
    """Of roles and priority classes, without which nothing runs."""
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
    """With its binding of the same name: bound to nothing, it refuses nobody."""
    reads = (
        api.admission.read_validating_admission_policy,
        api.admission.read_validating_admission_policy_binding,
    )
    return all(api.find(read, name) is not None for read in reads)
