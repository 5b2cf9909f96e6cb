"""Run one `team apply` or `team remove` at a time.

To one of them, what Helm has begun for the other looks like what a killed one left.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager

from titlebout.cluster import hold_lease
from titlebout.team.team_namespace import TeamNamespace

LEASE = "team"
# The Lease of a killed command is free after 8 s. An apply takes half a minute, so the second
# command is refused.
WAIT_SECONDS = 10.0


@contextmanager
def team_lock(
    team_namespaces: Iterable[TeamNamespace], *, by: str
) -> Iterator[dict[str, Callable[[], None]]]:
    """Hold the Lease of each of the namespaces, which exist.

    Yield, by namespace, a function that raises Busy if its Lease is no longer ours. Raise Busy,
    naming the holder, if another command holds one.
    """
    with ExitStack() as held:
        yield {
            team_namespace.namespace: held.enter_context(
                hold_lease(
                    team_namespace.api,
                    team_namespace.namespace,
                    LEASE,
                    work="`team apply` or `team remove`",
                    by=by,
                    wait_seconds=WAIT_SECONDS,
                )
            )
            for team_namespace in team_namespaces
        }
