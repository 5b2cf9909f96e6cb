"""Build the images that a code version needs once, push them, and note their digests.

The digests of other projects' images are noted, too, in images/digests.json.

`python images/build.py [NAME...] --repository REGISTRY/PATH [--python IMAGE]`
"""

import argparse
import sys
import time
from pathlib import Path

from titlebout.images import build_image, find_image, note_image, push_image
from titlebout.spec import TitleboutError, code_version

PROJECT = Path(__file__).resolve().parent.parent
SERVING = Path("images", "serving", "Containerfile")
# What there is to build: the file, and what differs between two images of one file.
IMAGES: dict[str, tuple[Path, dict[str, str]]] = {
    "platform": (Path("images", "platform", "Containerfile"), {}),
    "serving-onnx": (SERVING, {"LOCK": "onnx.lock"}),
    "serving-sklearn": (SERVING, {"LOCK": "sklearn.lock"}),
}
# What helm/mlflow runs where the platform team has neither a PostgreSQL nor an object store.
OTHERS = {
    "postgres": "docker.io/library/postgres:15",
    "seaweedfs": "docker.io/chrislusf/seaweedfs:4.48",
}
PYTHON = "python"


def main() -> None:
    """Build, push and note the images that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"of {', '.join([*IMAGES, *OTHERS])}  [default: all]",
    )
    parser.add_argument("--repository", required=True)
    parser.add_argument(
        "--python", default="docker.io/library/python:3.11-slim", help="what they are all FROM"
    )
    arguments = parser.parse_args()
    names = arguments.names or [*IMAGES, *OTHERS]
    python = ""
    if IMAGES.keys() & names:  # once a run: all of them stand on the same
        python = find_image(arguments.python)
        note_image(PROJECT, PYTHON, python)
    for name in names:
        began = time.monotonic()
        image = (
            find_image(OTHERS[name])
            if name in OTHERS
            else _build(name, f"{arguments.repository}/{name}", python=python)
        )
        note_image(PROJECT, name, image)
        print(f"{time.monotonic() - began:6.1f} s  {image}", flush=True)


def _build(name: str, image: str, *, python: str) -> str:
    file, differences = IMAGES[name]
    arguments = {
        "PYTHON": python,
        "PYTHON_DIGEST": python.partition("@")[2],
        "CODE_VERSION": code_version(PROJECT),
        **differences,
    }
    build_image(PROJECT, PROJECT / file, image=image, arguments=arguments)
    return push_image(image)


if __name__ == "__main__":
    try:
        main()
    except TitleboutError as error:
        sys.exit(f"error: {error}")
