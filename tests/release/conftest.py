"""A house whose processes end with the test."""

import pytest
from support.release_project import House


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path).build()
    yield made
    made.close()
