"""A scene of the test's own."""

import pytest
from scene import Scene


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)
