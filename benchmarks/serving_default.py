"""Define the service of BentoML's own documentation: scikit-learn, a DataFrame in, an array out.

Nothing is configured.
"""

import os

import bentoml
import joblib
import numpy as np
import pandas as pd


@bentoml.service
class Default:
    """Serve the pickled pipeline."""

    def __init__(self) -> None:
        self.pipeline = joblib.load(os.environ["BENCHMARK_PICKLE"])

    @bentoml.api
    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        """Return the probabilities, shape (rows, classes)."""
        return self.pipeline.predict_proba(rows)
