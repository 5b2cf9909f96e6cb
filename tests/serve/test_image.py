"""Build a release's image: the package as every other builder of the release would write it."""

import io
import json
import re
import shutil
import tarfile
from pathlib import Path

import pytest

from titlebout.images import note_image
from titlebout.packaging import image
from titlebout.spec import CONTRACT_FILE, SpecError, digest_of_folder

BASE = f"registry.example.com/titlebout/serving-onnx@sha256:{'0' * 64}"
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def builds(monkeypatch):
    """Replace the builder by one that keeps what it was given."""
    seen = []

    def build(context, file, *, image, arguments, reproducible):
        seen.append(((context / "bento.tar").read_bytes(), dict(arguments), reproducible))

    monkeypatch.setattr(image, "build_image", build)
    monkeypatch.setattr(image, "push_image", lambda name: f"{name}@sha256:{'1' * 64}")
    return seen


@pytest.fixture
def project(tmp_path):
    """Make a project with a noted base."""
    (tmp_path / "images" / "serving").mkdir(parents=True)
    (tmp_path / "images" / "serving" / "sklearn.lock").write_text(
        (REPOSITORY / "images/serving/sklearn.lock").read_text()
    )
    note_image(tmp_path, "serving-onnx", BASE)
    return tmp_path


def test_the_same_package_is_laid_out_the_same_whenever_it_is_built(
    project, bento, builds, tmp_path
):
    """The image holds no time and no umask, and names its base by digest.

    Nothing else could change the image's digest.
    """
    for number, year in enumerate(("2026", "2027")):
        package = shutil.copytree(bento, tmp_path / str(number))
        description = re.sub(
            r"creation_time: '\d{4}",
            f"creation_time: '{year}",
            (package / "bento.yaml").read_text(),
        )
        assert year in description
        (package / "bento.yaml").write_text(description)
        (package / "src" / "serve.py").chmod(0o600 + number)
        made = image.build_release_image(
            project, package, images="registry.example.com/titlebout", model="flights"
        )
    assert made == f"registry.example.com/titlebout/flights@sha256:{'1' * 64}"
    assert builds[0] == builds[1]
    packed, arguments, reproducible = builds[0]
    assert (arguments, reproducible) == ({"BASE": BASE}, True)
    with tarfile.open(fileobj=io.BytesIO(packed)) as layer:
        assert {(entry.mode, entry.mtime, entry.uid) for entry in layer} == {
            (0o644, 0, 0),
            (0o755, 0, 0),
        }
        layer.extractall(tmp_path / "unpacked", filter="data")
    assert digest_of_folder(tmp_path / "unpacked" / "bento" / "src") == bento.name


def test_a_model_whose_estimator_no_base_has_is_refused(project, bento, builds, tmp_path):
    """Refuse a model that would not start; the error says which lock lacks what."""
    contract = bento / "src" / "model" / CONTRACT_FILE
    description = json.loads(contract.read_text())
    description["engine"]["name"], description["requires"] = "sklearn", ["lightgbm==4.6.0"]
    copy = tmp_path / "package"
    (copy / "src" / "model").mkdir(parents=True)
    (copy / "src" / "model" / CONTRACT_FILE).write_text(json.dumps(description))
    with pytest.raises(
        SpecError,
        match=r"sklearn.lock: expected lightgbm==4.6.0, which the model of \S+ needs to serve",
    ):
        image.build_release_image(
            project, copy, images="registry.example.com/titlebout", model="flights"
        )
    assert builds == []
