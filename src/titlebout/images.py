"""Container images: built by buildah or docker alike, pushed, and from then on known by digest."""

import json
import logging
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

from titlebout.spec import NotAllowed, SpecError

log = logging.getLogger(__name__)

DIGESTS_FILE = Path("images", "digests.json")
VARIABLE = re.compile(r"^TITLEBOUT_([A-Z_]+)_IMAGE$")
BUILDER_VARIABLE = "TITLEBOUT_BUILDER"
ERROR_CHARACTERS = 700  # the end of what the builder printed, where the reason stands


def noted_image(project: Path, name: str) -> str:
    """What `make images` built last, as repository@sha256:…; $TITLEBOUT_<NAME>_IMAGE wins: CI knows the image that it built.

    Raises NotAllowed if neither names it by digest.
    """
    image = noted_images(project).get(name)
    if image is None or "@sha256:" not in image:
        raise NotAllowed(
            f"the image {name}",
            expected=f"repository@sha256:… in {DIGESTS_FILE} or $TITLEBOUT_{name.upper().replace('-', '_')}_IMAGE",
            found=image or "neither",
            next_step="make images",
        )
    return image


def note_image(project: Path, name: str, image: str) -> None:
    path = project / DIGESTS_FILE
    with FileLock(f"{path}.lock"):  # several images may be built at the same time
        path.write_text(json.dumps({**_noted(path), name: image}, indent=1) + "\n")


def build_image(
    context: Path,
    file: Path,
    *,
    image: str,
    arguments: Mapping[str, str],
    reproducible: bool = False,
) -> None:
    """Layers whose inputs are the same stay cached; `reproducible` takes the time out, so that the same content has the same digest.

    Raises SpecError with the end of what the builder said.
    """
    options = [
        part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")
    ]
    if _builder() == "buildah":
        command = ["buildah", "bud", "--layers", *(("--timestamp", "0") if reproducible else ())]
    else:
        command = [
            "docker",
            "build",
            *(("--build-arg", "SOURCE_DATE_EPOCH=0", "--provenance=false") if reproducible else ()),
        ]
    _run(*command, "--file", str(file), "--tag", image, *options, str(context), subject=image)


def push_image(image: str) -> str:
    """`image`, by the digest under which the registry knows it; raises SpecError if the registry refuses."""
    repository = _repository(image)
    if _builder() == "docker":
        _run("docker", "push", image, subject=image)
        return _docker_digest(image, repository)
    with tempfile.NamedTemporaryFile("r") as digest:
        _run("buildah", "push", "--digestfile", digest.name, image, subject=image)
        return f"{repository}@{Path(digest.name).read_text().strip()}"


def find_image(image: str) -> str:
    """Somebody else's `image:tag`, by the digest that the tag means now, or `image@digest`; raises SpecError if it cannot be pulled."""
    repository = _repository(image)
    if _builder() == "docker":
        _run("docker", "pull", image, subject=image)
        return _docker_digest(image, repository)
    _run("buildah", "pull", image, subject=image)
    digest = _run(
        "buildah",
        "inspect",
        "--type",
        "image",
        "--format",
        "{{.FromImageDigest}}",
        image,
        subject=image,
    )
    return f"{repository}@{digest.strip()}"


def noted_images(project: Path) -> dict[str, str]:
    """Every image that was built or looked up here, by name, and those that CI names by variables."""
    told = {
        found[1]: image for name, image in os.environ.items() if (found := VARIABLE.match(name))
    }
    return _noted(project / DIGESTS_FILE) | {
        name.lower().replace("_", "-"): image for name, image in told.items()
    }


def _noted(path: Path) -> dict[str, str]:
    return dict(json.loads(path.read_text())) if path.is_file() else {}


def _repository(image: str) -> str:
    """Without tag and digest; a port before the first slash is no tag."""
    image = image.partition("@")[0]
    return image.rpartition(":")[0] if ":" in image.rpartition("/")[2] else image


def _docker_digest(image: str, repository: str) -> str:
    """Docker may know it under several repositories; the digest of one registry means nothing in another."""
    told = _run(
        "docker",
        "inspect",
        "--format",
        "{{range .RepoDigests}}{{println .}}{{end}}",
        image,
        subject=image,
    ).split()
    short = repository.removeprefix("docker.io/").removeprefix("library/")
    digest = next(
        line.partition("@")[2] for line in told if line.partition("@")[0] in (repository, short)
    )
    return f"{repository}@{digest}"


def _builder() -> str:
    wanted = os.environ.get(BUILDER_VARIABLE)
    found = next(
        (name for name in ([wanted] if wanted else ["buildah", "docker"]) if shutil.which(name)),
        None,
    )
    if found is None:
        raise SpecError(
            "the images",
            expected="buildah or docker on PATH",
            found="neither",
            next_step="install one of them",
        )
    return found


def _run(*command: str, subject: str) -> str:
    log.info("%s %s of %s", command[0], command[1], subject)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        found = " ".join((done.stderr or done.stdout).split())[-ERROR_CHARACTERS:]
        raise SpecError(
            f"image {subject}",
            expected=f"{command[0]} {command[1]} to succeed",
            found=found,
            next_step="mend what it names",
        )
    return done.stdout
