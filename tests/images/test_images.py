"""Images are known by digest: what `make images` noted, or what CI says."""

import pytest

from titlebout.images import note_image, noted_image, noted_images
from titlebout.spec import NotAllowed

IMAGE = f"registry.example.com/titlebout/platform@sha256:{'0' * 64}"


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.delenv("TITLEBOUT_SERVING_ONNX_IMAGE", raising=False)
    (tmp_path / "images").mkdir()
    return tmp_path


def test_what_was_noted_is_found_and_others_stay(project):
    """Each image has its line."""
    note_image(project, "platform", IMAGE)
    note_image(project, "serving-onnx", IMAGE)
    assert noted_images(project) == {"platform": IMAGE, "serving-onnx": IMAGE}
    assert noted_image(project, "serving-onnx") == IMAGE


def test_ci_has_the_last_word(project, monkeypatch):
    """The variable is named after the image."""
    note_image(project, "serving-onnx", IMAGE)
    monkeypatch.setenv("TITLEBOUT_SERVING_ONNX_IMAGE", IMAGE.replace("example", "ci"))
    assert noted_image(project, "serving-onnx") == IMAGE.replace("example", "ci")


def test_neither_an_unknown_image_nor_a_tag_will_do(project, monkeypatch):
    """The error says what to run."""
    with pytest.raises(NotAllowed, match=r"found neither\. Next: make images"):
        noted_image(project, "serving-onnx")
    monkeypatch.setenv("TITLEBOUT_SERVING_ONNX_IMAGE", "registry.example.com/titlebout/serving-onnx:latest")
    with pytest.raises(NotAllowed, match=r"found registry\.example\.com/titlebout/serving-onnx:latest"):
        noted_image(project, "serving-onnx")
