"""Know images by digest: what `make images` noted, or what CI says."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from titlebout.images import BUILDER_VARIABLE, find_image, note_image, noted_image, noted_images
from titlebout.spec import NotAllowed

REPOSITORY = Path(__file__).parents[2]
PYTHON = f"registry.example.com:5000/mirror/python@sha256:{'3' * 64}"
OURS = f"registry.example.com/titlebout/serving-onnx@sha256:{'4' * 64}"
# Replaces docker: it knows every image by these digests, and keeps the lines it was called with.
DOCKER = f"""#!/bin/sh
echo "$@" >>"$0.log"
[ "$1" != inspect ] || printf '%s\\n' python@sha256:{"2" * 64} {PYTHON} {OURS}
"""
IMAGE = f"registry.example.com/titlebout/platform@sha256:{'0' * 64}"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Make a project without noted images."""
    monkeypatch.delenv("TITLEBOUT_SERVING_ONNX_IMAGE", raising=False)
    (tmp_path / "images").mkdir()
    return tmp_path


def test_what_was_noted_is_found_and_others_stay(project):
    """Each image has its own entry."""
    note_image(project, "platform", IMAGE)
    note_image(project, "serving-onnx", IMAGE)
    assert noted_images(project) == {"platform": IMAGE, "serving-onnx": IMAGE}
    assert noted_image(project, "serving-onnx") == IMAGE


def test_the_variable_of_ci_takes_precedence(project, monkeypatch):
    """The variable, named after the image, takes precedence over the file."""
    note_image(project, "serving-onnx", IMAGE)
    monkeypatch.setenv("TITLEBOUT_SERVING_ONNX_IMAGE", IMAGE.replace("example", "ci"))
    assert noted_image(project, "serving-onnx") == IMAGE.replace("example", "ci")


def test_neither_an_unknown_image_nor_a_tag_will_do(project, monkeypatch):
    """An unknown image and a tag are refused; the error says what to run."""
    with pytest.raises(NotAllowed, match=r"found neither\. Next: make images"):
        noted_image(project, "serving-onnx")
    monkeypatch.setenv(
        "TITLEBOUT_SERVING_ONNX_IMAGE", "registry.example.com/titlebout/serving-onnx:latest"
    )
    with pytest.raises(
        NotAllowed, match=r"found registry\.example\.com/titlebout/serving-onnx:latest"
    ):
        noted_image(project, "serving-onnx")


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """Replace docker; return the lines that it was called with."""
    command = tmp_path / "bin" / "docker"
    command.parent.mkdir()
    command.write_text(DOCKER)
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent), prepend=":")
    monkeypatch.setenv(BUILDER_VARIABLE, "docker")
    return lambda: command.with_name("docker.log").read_text().splitlines()


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("docker.io/library/python:3.11-slim", f"docker.io/library/python@sha256:{'2' * 64}"),
        ("registry.example.com:5000/mirror/python:3.11-slim", PYTHON),
        ("registry.example.com:5000/mirror/python", PYTHON),
        (PYTHON, PYTHON),
        (PYTHON.replace("@", ":3.11-slim@"), PYTHON),
    ],
    ids=["tag", "a mirror's tag", "no tag", "digest", "both"],
)
def test_somebody_elses_image_is_found_by_the_digest_of_that_registry(docker, asked, found):
    """The digest is that of the image's own registry.

    The builder may know it by other registries' digests, too, and the image may be named in any
    way.
    """
    assert find_image(asked) == found


def test_our_images_stand_on_one_digest_of_python(project, docker):
    """Images are built from the digest that Python's tag means now, and it is noted."""
    shutil.copy(REPOSITORY / "images" / "build.py", project / "images")
    build = [
        sys.executable,
        "images/build.py",
        "serving-onnx",
        "--repository",
        "registry.example.com/titlebout",
    ]
    subprocess.run(
        [*build, "--python", "registry.example.com:5000/mirror/python:3.11-slim"],
        cwd=project,
        check=True,
    )
    built = next(line for line in docker() if line.startswith("build "))
    assert (
        f"--build-arg PYTHON={PYTHON} --build-arg PYTHON_DIGEST={PYTHON.partition('@')[2]} "
        in built
    )
    assert noted_images(project) == {
        "python": PYTHON,
        "serving-onnx": OURS,
    }
