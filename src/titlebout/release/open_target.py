"""Open what a release works on: this machine, or a namespace of a cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from titlebout.release.release_target import Adapters, ReleaseTarget
from titlebout.rollout import require_known_model
from titlebout.spec import load_environment


@contextmanager
def open_target(
    project: Path, model: str, environment: str, adapters: Adapters
) -> Iterator[ReleaseTarget]:
    """Open the target of a model in an environment.

    Raise SpecError for an unknown environment or model, and NotAllowed for an environment that
    serves nothing.
    """
    declared = load_environment(project, environment)
    require_known_model(project, model, environment)
    if declared.kubernetes is not None:
        from titlebout.release.kubernetes_target import open_kubernetes_target

        with open_kubernetes_target(project, model, declared, adapters) as target:
            yield target
    else:
        from titlebout.release.local_target import open_local_target

        yield open_local_target(project, model, declared, adapters)
