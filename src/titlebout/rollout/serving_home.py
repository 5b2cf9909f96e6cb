"""Find the folder of this machine in which the embedded serving of a model is kept."""

from pathlib import Path

from titlebout.spec import SpecError, model_folder, require_model_name
from titlebout.storage import state_home


def serving_home(project: Path, environment: str) -> Path:
    """Return the folder that holds a folder of each model served in the environment."""
    return state_home(project) / environment / "serving"


def require_known_model(project: Path, model: str, environment: str) -> None:
    """Raise SpecError for a model that is neither declared nor was ever served.

    A rollback needs no model.yaml.
    """
    require_model_name(model)
    model_yaml = model_folder(project, model) / "model.yaml"
    if not model_yaml.is_file() and not (serving_home(project, environment) / model).is_dir():
        raise SpecError(
            f"model {model}",
            expected=str(model_yaml),
            found="no such file",
            next_step="check the name, or `titlebout new`",
        )
