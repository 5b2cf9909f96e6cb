"""Turn the rows that clients send into predictions.

This room reads values, encodes columns, computes scores and decides.
"""

from titlebout.scoring.columns import (
    LARGEST_NUMBER,
    Encoder,
    absent_column,
    model_columns,
    predictor_columns,
    unknown_column,
)
from titlebout.scoring.decision import Decision
from titlebout.scoring.finite_scores import finite_scores
from titlebout.scoring.predictor import (
    OnnxPredictor,
    Predictor,
    Scores,
    load_pipeline,
    load_predictor,
    pipeline_scores,
)
from titlebout.scoring.read_value import Reader, reader

__all__ = [
    "LARGEST_NUMBER",
    "Decision",
    "Encoder",
    "OnnxPredictor",
    "Predictor",
    "Reader",
    "Scores",
    "absent_column",
    "finite_scores",
    "load_pipeline",
    "load_predictor",
    "model_columns",
    "pipeline_scores",
    "predictor_columns",
    "reader",
    "unknown_column",
]
