"""Name the image of every pipeline step: Python, the library, models/ and environments/."""

import os

STEP_IMAGE = os.environ.get("TITLEBOUT_STEP_IMAGE", "titlebout/step-python:0.1.0")
