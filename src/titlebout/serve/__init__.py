"""The room of BentoML and ONNX Runtime: model folders, predictors, the HTTP service and its package."""

from titlebout.serve.inference_rows import feature_of
from titlebout.serve.inference_table import NAMED_CHARACTERS, feature_column

__all__ = [
    "NAMED_CHARACTERS",
    "feature_column",
    "feature_of",
]
