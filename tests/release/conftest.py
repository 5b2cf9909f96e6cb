"""A house whose processes end with the test."""

import pytest
from house import House


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path).build()
    yield made
    made.close()
