"""Make a project for a test, and stop its processes with the test."""

import pytest
from support.release_project import ReleaseProject


@pytest.fixture
def release_project(tmp_path):
    made = ReleaseProject(tmp_path).build()
    yield made
    made.close()
