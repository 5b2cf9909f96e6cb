"""A Kubernetes cluster as an environment names it: its API, Helm, and the way in from outside; nothing here knows about models.

The one importing room of `kubernetes`, and the one that runs `helm` and `kubectl`.
"""

from titlebout.cluster.api import Api, annotations_of, connect, in_pod
from titlebout.cluster.api_retry import patiently
from titlebout.cluster.chart_values import merged, platform_values
from titlebout.cluster.helm import Helm, program_path
from titlebout.cluster.job import Job, end_failed_jobs, end_job, end_jobs, run_job, succeeded
from titlebout.cluster.lease import hold_lease
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
    "merged",
    "patiently",
    "platform_values",
    "program_path",
    "reach",
    "run_job",
    "succeeded",
    "tunnel",
]
