"""Build images/<name>/Containerfile with buildah or docker, push it, and note its digest in images/digests.json.

`python images/build.py NAME... --repository REGISTRY/PATH -- OPTION...`; options after `--` are the builder's (`--build-arg A=B`).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from filelock import FileLock

from titlebout.spec import SpecError, TitleboutError, code_version

PROJECT = Path(__file__).resolve().parent.parent
DIGESTS = PROJECT / "images" / "digests.json"


def main() -> None:
    own, _, builder_options = " ".join(sys.argv[1:]).partition(" -- ")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--repository", required=True)
    arguments = parser.parse_args(own.split())
    for name in arguments.names:
        image = f"{arguments.repository}/{name}"
        build(name, image, options=builder_options.split())
        note(name, f"{image}@{push(image)}")


def build(name: str, image: str, *, options: list[str]) -> None:
    """The layers below the code stay cached while their inputs are the same."""
    command = ["buildah", "bud", "--layers"] if builder() == "buildah" else ["docker", "build"]
    file = PROJECT / "images" / name / "Containerfile"
    version = f"CODE_VERSION={code_version(PROJECT)}"
    subprocess.run([*command, "--file", str(file), "--build-arg", version, "--tag", image, *options, str(PROJECT)], check=True)


def push(image: str) -> str:
    """The digest by which the registry knows it."""
    if builder() == "docker":
        subprocess.run(["docker", "push", image], check=True)
        told = ["docker", "inspect", "--format", "{{index .RepoDigests 0}}", image]
        return subprocess.run(told, check=True, capture_output=True, text=True).stdout.strip().partition("@")[2]
    with tempfile.NamedTemporaryFile("r") as digest:
        subprocess.run(["buildah", "push", "--digestfile", digest.name, image], check=True)
        return Path(digest.name).read_text().strip()


def note(name: str, image: str) -> None:
    with FileLock(f"{DIGESTS}.lock"):  # several images may be built at the same time
        noted = json.loads(DIGESTS.read_text()) if DIGESTS.exists() else {}
        DIGESTS.write_text(json.dumps({**noted, name: image}, indent=1) + "\n")
    print(image)


def builder() -> str:
    """TITLEBOUT_BUILDER, or whichever of the two is there."""
    wanted = os.environ.get("TITLEBOUT_BUILDER")
    found = next((name for name in ([wanted] if wanted else ["buildah", "docker"]) if shutil.which(name)), None)
    if found is None:
        raise SpecError("the images", expected="buildah or docker on PATH", found="neither", next_step="install one of them")
    return found


if __name__ == "__main__":
    try:
        main()
    except (TitleboutError, subprocess.CalledProcessError) as error:
        sys.exit(f"error: {error}")
