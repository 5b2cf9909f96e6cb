"""Load a registered model for `mlflow.pyfunc.load_model`.

MLflow finds this module by the name that MLmodel holds.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from titlebout.scoring import Encoder, Predictor, finite_scores, load_predictor

if TYPE_CHECKING:
    import pandas as pd

MLMODEL_FILE, DIGEST_KEY = "MLmodel", "model_digest"


class _Pyfunc:
    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._encoder = Encoder(predictor.contract.inputs, missing=predictor.contract.missing)

    def predict(
        self,
        model_input: "pd.DataFrame",
        params: dict[str, Any] | None = None,  # noqa: ARG002 (MLflow passes it)
    ) -> "pd.DataFrame":
        """Predict columns as clients send them.

        Return the table that the model's signature promises.
        """
        import pandas as pd

        from titlebout.scoring import Decision

        contract = self._predictor.contract
        columns = {str(name): _to_python(model_input[name]) for name in model_input}
        scores = finite_scores(
            self._predictor, contract.inputs, self._encoder.encode(columns), columns
        )
        return pd.DataFrame(Decision(contract, contract.threshold).records(scores))


def _to_python(column: "pd.Series[Any]") -> list[Any]:
    """Return Python values as a client sends them.

    They are None where pandas has one of its words for missing (NaN, NaT, NA).
    """
    return column.astype(object).where(column.notna(), None).tolist()


def _load_pyfunc(data_path: str) -> _Pyfunc:
    """Load the model folder that MLflow passes.

    The digest that it must have is in the MLmodel file beside it.
    """
    folder = Path(data_path)
    digest = yaml.safe_load((folder.parent / MLMODEL_FILE).read_text())["metadata"][DIGEST_KEY]
    return _Pyfunc(load_predictor(folder, digest=digest))
