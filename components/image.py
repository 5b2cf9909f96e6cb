"""Name the image of every pipeline step: Python, the library, models/ and environments/."""

import os

from titlebout import __version__

STEP_IMAGE = os.environ.get("TITLEBOUT_STEP_IMAGE", f"titlebout/step-python:{__version__}")
