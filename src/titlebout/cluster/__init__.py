"""A Kubernetes cluster as an environment names it: its API, Helm, and the way in from outside; nothing here knows about models.

The one importing room of `kubernetes`, and the one that runs `helm` and `kubectl`.
"""

from titlebout.cluster.api import Api, connect, in_pod
from titlebout.cluster.helm import Helm
from titlebout.cluster.lease import hold_lease
from titlebout.cluster.patience import patiently
from titlebout.cluster.reach import reach
from titlebout.cluster.tunnel import tunnel
from titlebout.cluster.values import merged, platform_values

__all__ = ["Api", "Helm", "connect", "hold_lease", "in_pod", "merged", "patiently", "platform_values", "reach", "tunnel"]
