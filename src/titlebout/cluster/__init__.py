"""Work on a Kubernetes cluster that an environment names: its API, Helm, and access from outside.

Nothing here knows about models. No other room imports `kubernetes`, or runs `helm`.
"""

from titlebout.cluster.api import Api, annotations_of, connect, in_pod
from titlebout.cluster.api_retry import patiently
from titlebout.cluster.chart_values import merged, platform_values
from titlebout.cluster.helm import Helm, program_path
from titlebout.cluster.job import Job, end_failed_jobs, end_job, end_jobs, run_job, succeeded
from titlebout.cluster.lease import hold_lease, lease_holder
from titlebout.cluster.reach import reach
from titlebout.cluster.tunnel import tunnel

__all__ = [
    "Api",
    "Helm",
    "Job",
    "annotations_of",
    "connect",
    "end_failed_jobs",
    "end_job",
    "end_jobs",
    "hold_lease",
    "in_pod",
    "lease_holder",
    "merged",
    "patiently",
    "platform_values",
    "program_path",
    "reach",
    "run_job",
    "succeeded",
    "tunnel",
]
