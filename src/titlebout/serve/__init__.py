"""Serve one release over HTTP, and keep its predictions in the inference table."""

from titlebout.serve.inference_rows import feature_of
from titlebout.serve.inference_table import NAMED_CHARACTERS, feature_column

__all__ = [
    "NAMED_CHARACTERS",
    "feature_column",
    "feature_of",
]
