"""Package a fitted model, byte for byte reproducible.

This room makes the model folder, the ONNX conversion, the Bento and the container image.
"""

from titlebout.packaging.bento import build_bento, sealed_files, serve_command, serve_environment
from titlebout.packaging.image import build_release_image
from titlebout.packaging.model_folder import write_model

__all__ = [
    "build_bento",
    "build_release_image",
    "sealed_files",
    "serve_command",
    "serve_environment",
    "write_model",
]
