"""Open what a release works on: this machine, or a namespace of a cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from titlebout.release.release_target import Adapters, ReleaseTarget, serving_home
from titlebout.spec import (
    Environment,
    SpecError,
    load_environment,
    model_folder,
    require_model_name,
)


@contextmanager
def open_target(
    project: Path, model: str, environment: str, adapters: Adapters
) -> Iterator[ReleaseTarget]:
    """Raises SpecError for an unknown environment or model, NotAllowed for an environment that serves nothing."""
    declared = load_environment(project, environment)
    _require_known(project, model, declared)
    if declared.kubernetes is not None:
        from titlebout.release.kubernetes_target import open_kubernetes_target

        with open_kubernetes_target(project, model, declared, adapters) as target:
            yield target
    else:
        from titlebout.release.local_target import open_local_target

        yield open_local_target(project, model, declared, adapters)


def _require_known(project: Path, model: str, environment: Environment) -> None:
    """What was served once is known even without its model.yaml: a rollback needs none."""
    require_model_name(model)
    declared, served = (
        model_folder(project, model) / "model.yaml",
        serving_home(project, environment.name, model),
    )
    if not declared.is_file() and not served.is_dir():
        raise SpecError(
            f"model {model}",
            expected=str(declared),
            found="no such file",
            next_step="check the name, or `titlebout new`",
        )
