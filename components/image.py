"""The image that every pipeline step runs in: Python, the library, models/ and environments/ of one code version."""

import os

from titlebout import __version__

STEP_IMAGE = os.environ.get("TITLEBOUT_STEP_IMAGE", f"titlebout/step-python:{__version__}")
