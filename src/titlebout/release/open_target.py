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
    """Open the target of a model in an environment.

    Raise SpecError for an unknown environment or model, and NotAllowed for an environment that
    serves nothing.
    """
    declared = load_environment(project, environment)
    _require_known_model(project, model, declared)
    if declared.kubernetes is not None:
        from titlebout.release.kubernetes_target import open_kubernetes_target

        with open_kubernetes_target(project, model, declared, adapters) as target:
            yield target
    else:
        from titlebout.release.local_target import open_local_target

        yield open_local_target(project, model, declared, adapters)


def _require_known_model(project: Path, model: str, environment: Environment) -> None:
    """Raise SpecError for a model that is neither declared nor was ever served.

    A rollback needs no model.yaml.
    """
    require_model_name(model)
    model_yaml = model_folder(project, model) / "model.yaml"
    if not model_yaml.is_file() and not serving_home(project, environment.name, model).is_dir():
        raise SpecError(
            f"model {model}",
            expected=str(model_yaml),
            found="no such file",
            next_step="check the name, or `titlebout new`",
        )
