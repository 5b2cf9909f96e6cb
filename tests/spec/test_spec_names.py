"""Test which names a model cannot have: those of the platform and of other models' slots.

A model's name is an address in its team's namespace.
"""

import re
from pathlib import Path

import jsonschema
import pytest

from titlebout.scaffold import new_model
from titlebout.spec import ModelSpec, SpecError

FLIGHTS = Path(__file__).parents[2] / "models" / "flights" / "model.yaml"
TAKEN = {
    "storage": ("a Service of the platform in every", "storage-model"),
    "registrar": ("a Service of the platform in every", "registrar-model"),
    "flights-blue": ("like the slots of another model", "flights-blue-model"),
    "green-green": ("like the slots of another model", "green-green-model"),
    "flights-": ("no hyphen last", "flights"),
    "Flights": ("lower-case letters", "flights"),
    "f" * 41: ("at most 40", "f" * 40),
}


@pytest.fixture
def declare(tmp_path: Path):
    """Return a function that writes a correct model.yaml with a given name."""

    def declare(name: str) -> Path:
        path = tmp_path / "model.yaml"
        path.write_text(FLIGHTS.read_text().replace("name: flights", f"name: {name}", 1))
        return path

    return declare


@pytest.mark.parametrize(("name", "fault"), [(name, fault) for name, (fault, _) in TAKEN.items()])
def test_a_name_that_is_taken_is_refused_where_it_is_declared(declare, name: str, fault: str):
    """Name the file, the field and the reason. Editors underline the name, too."""
    with pytest.raises(SpecError, match=rf"model\.yaml: .*name: .*{fault}"):
        ModelSpec.from_yaml(declare(name))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(name, ModelSpec.model_json_schema()["properties"]["name"])


@pytest.mark.parametrize(
    ("name", "fault", "instead"), [(name, *expected) for name, expected in TAKEN.items()]
)
def test_titlebout_new_says_so_before_it_writes(
    tmp_path: Path, name: str, fault: str, instead: str
):
    """Refuse the name, and suggest one that is free."""
    with pytest.raises(SpecError, match=rf"{fault}.*try '{re.escape(instead)}'"):
        new_model(tmp_path, name=name, data=tmp_path / "absent.csv", target="y")


@pytest.mark.parametrize(
    "name", ["flights", "storage-costs", "blue", "greens-blues", "a", "f" * 40]
)
def test_every_other_name_is_free(declare, name: str):
    """Allow a name that only begins or sounds like one that is taken."""
    assert ModelSpec.from_yaml(declare(name)).name == name
    jsonschema.validate(name, ModelSpec.model_json_schema()["properties"]["name"])
