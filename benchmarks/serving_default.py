"""The service that BentoML's own documentation leads to: scikit-learn, a DataFrame in, an array out, nothing configured."""

import os

import bentoml
import joblib
import numpy as np
import pandas as pd


@bentoml.service
class Default:
    def __init__(self) -> None:
        self.pipeline = joblib.load(os.environ["BENCHMARK_PICKLE"])

    @bentoml.api
    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        return self.pipeline.predict_proba(rows)
