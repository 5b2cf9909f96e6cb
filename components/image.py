"""The image that every pipeline step runs in: Python, the library, models/ and environments/ of one code version."""

import os

STEP_IMAGE = os.environ.get("TITLEBOUT_STEP_IMAGE", "titlebout/step-python:0.1.0")
