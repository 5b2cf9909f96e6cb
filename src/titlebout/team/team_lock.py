"""One `team apply` or `team remove` at a time: what Helm has begun for one of them looks to the other like what a killed one left."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager

from titlebout.cluster import hold_lease
from titlebout.team.team_namespace import TeamNamespace

LEASE = "team"
WAIT_SECONDS = 10.0  # a killed one's Lease passes on in eight; apply takes half a minute, so who comes second is told so


@contextmanager
def team_lock(
    team_namespaces: Iterable[TeamNamespace], *, by: str
) -> Iterator[dict[str, Callable[[], None]]]:
    """Hold the Lease of each of the namespaces, which are there; raises Busy, naming the holder.

    By namespace, what raises Busy if its Lease is no longer ours.
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
