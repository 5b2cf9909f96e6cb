"""Build container images by buildah or docker, push them, and know them by digest."""

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
    """Return what `make images` built last, as repository@sha256:….

    $TITLEBOUT_<NAME>_IMAGE takes precedence: CI knows the image that it built. Raise NotAllowed if
    neither names it by digest.
    """
    image = noted_images(project).get(name)
    if image is None or "@sha256:" not in image:
        raise NotAllowed(
            f"the image {name}",
            expected=f"repository@sha256:… in {DIGESTS_FILE} "
            f"or $TITLEBOUT_{name.upper().replace('-', '_')}_IMAGE",
            found=image or "neither",
            next_step="make images",
        )
    return image


def note_image(project: Path, name: str, image: str) -> None:
    """Write the image's digest to the file of digests, beside the others."""
    path = project / DIGESTS_FILE
    with FileLock(f"{path}.lock"):  # several images may be built at the same time
        path.write_text(json.dumps({**_read_digests(path), name: image}, indent=1) + "\n")


def build_image(
    context: Path,
    file: Path,
    *,
    image: str,
    arguments: Mapping[str, str],
    reproducible: bool = False,
) -> None:
    """Build the image; layers whose inputs are the same stay cached.

    `reproducible` takes the time out, so that the same content has the same digest. Raise SpecError
    with the end of what the builder printed.
    """
    options = [
        part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")
    ]
    if _find_builder() == "buildah":
        command = ["buildah", "bud", "--layers", *(("--timestamp", "0") if reproducible else ())]
    else:
        command = [
            "docker",
            "build",
            *(("--build-arg", "SOURCE_DATE_EPOCH=0", "--provenance=false") if reproducible else ()),
        ]
    _run(*command, "--file", str(file), "--tag", image, *options, str(context), subject=image)


def push_image(image: str) -> str:
    """Push the image, and return it by the digest under which the registry knows it.

    Raise SpecError if the registry refuses.
    """
    repository = _strip_tag(image)
    if _find_builder() == "docker":
        _run("docker", "push", image, subject=image)
        return _docker_digest(image, repository)
    with tempfile.NamedTemporaryFile("r") as digest:
        _run("buildah", "push", "--digestfile", digest.name, image, subject=image)
        return f"{repository}@{Path(digest.name).read_text().strip()}"


def find_image(image: str) -> str:
    """Return another project's image by digest.

    `image` is `image:tag`, as the tag means now, or `image@digest`.
    Raise SpecError if it cannot be pulled.
    """
    repository = _strip_tag(image)
    if _find_builder() == "docker":
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
    """Return every noted image by name, and those that CI names by variables."""
    from_variables = {
        found[1]: image for name, image in os.environ.items() if (found := VARIABLE.match(name))
    }
    return _read_digests(project / DIGESTS_FILE) | {
        name.lower().replace("_", "-"): image for name, image in from_variables.items()
    }


def _read_digests(path: Path) -> dict[str, str]:
    return dict(json.loads(path.read_text())) if path.is_file() else {}


def _strip_tag(image: str) -> str:
    """Return the image without tag and digest; a port before the first slash is no tag."""
    image = image.partition("@")[0]
    return image.rpartition(":")[0] if ":" in image.rpartition("/")[2] else image


def _docker_digest(image: str, repository: str) -> str:
    """Return the image with the digest of its own registry.

    Docker may know it under several repositories; the digest of one registry means nothing in
    another.
    """
    from_variables = _run(
        "docker",
        "inspect",
        "--format",
        "{{range .RepoDigests}}{{println .}}{{end}}",
        image,
        subject=image,
    ).split()
    short = repository.removeprefix("docker.io/").removeprefix("library/")
    digest = next(
        line.partition("@")[2]
        for line in from_variables
        if line.partition("@")[0] in (repository, short)
    )
    return f"{repository}@{digest}"


def _find_builder() -> str:
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
            next_step="fix what the message names, then build again",
        )
    return done.stdout
