"""Write the MLflow model around a model folder.

It makes the folder loadable by `mlflow.pyfunc`, and readable in MLflow's pages.
"""

import json
import platform
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from titlebout import __version__
from titlebout.registry.version import DIGEST_TAG
from titlebout.spec import Contract

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

# the model folder's place among the artifacts; the digest covers this and nothing else
PAYLOAD = "model"
# MLflow imports it by this name when someone loads the model
LOADER = "titlebout.serve.mlflow_pyfunc"
EXAMPLE_FILE = "input_example.json"
REQUIREMENTS_FILE = "requirements.txt"
PYTHON_FILE = "python_env.yaml"


def write_mlflow_model(
    to: Path, folder: Path, contract: Contract, *, digest: str, model_id: str, run_id: str
) -> None:
    """Copy the model folder, and write MLmodel, input example and requirements beside it.

    Nothing is inferred by loading the model.
    """
    from mlflow.models import Model

    shutil.copytree(folder, to / PAYLOAD)
    (to / EXAMPLE_FILE).write_text(json.dumps(_example(contract)))
    (to / REQUIREMENTS_FILE).write_text("\n".join(_requirements(contract)) + "\n")
    (to / PYTHON_FILE).write_text(
        yaml.safe_dump(
            {"python": platform.python_version(), "dependencies": [f"-r {REQUIREMENTS_FILE}"]}
        )
    )
    model = Model(
        run_id=run_id,
        model_id=model_id,
        signature=signature_of(contract),
        saved_input_example_info={
            "artifact_path": EXAMPLE_FILE,
            "type": "dataframe",
            "pandas_orient": "split",
        },
        metadata={DIGEST_TAG: digest, "contract": contract.model_dump(mode="json")},
    )
    model.add_flavor(
        "python_function",
        loader_module=LOADER,
        data=PAYLOAD,
        python_version=platform.python_version(),
        env={"virtualenv": PYTHON_FILE},
    )
    model.save(str(to / "MLmodel"))


def signature_of(contract: Contract) -> "ModelSignature":
    """Return the signature: inputs as clients send them, outputs as the loader gives them.

    The outputs are the prediction, and for a classifier the score of each class. Every input may
    be null, and is of any type for MLflow. Otherwise MLflow refuses pandas' NA, categories and
    timestamps before the loader sees them. The loader checks by the contract, and names column and
    row.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema
    from mlflow.types.schema import AnyType

    inputs = Schema([ColSpec(AnyType(), column.name, required=False) for column in contract.inputs])
    if contract.task == "regression":
        return ModelSignature(inputs=inputs, outputs=Schema([ColSpec("double", "prediction")]))
    scores = [ColSpec("double", f"score.{name}") for name in contract.classes]
    return ModelSignature(inputs=inputs, outputs=Schema([ColSpec("string", "prediction"), *scores]))


def _example(contract: Contract) -> dict[str, list[Any]]:
    return {
        "columns": [column.name for column in contract.inputs],
        "data": [[column.example for column in contract.inputs]],
    }


def _requirements(contract: Contract) -> list[str]:
    return [f"titlebout=={__version__}", *contract.requires]
