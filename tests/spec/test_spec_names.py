"""A model's name is an address in its team's namespace: the platform's own and other models' slots are taken."""

import re
from pathlib import Path

import jsonschema
import pytest

from titlebout.scaffold import new_model
from titlebout.spec import ModelSpec, SpecError

FLIGHTS = Path(__file__).parents[2] / "models" / "flights" / "model.yaml"
TAKEN = {
    "storage": ("a Service of the platform's", "storage-model"),
    "registrar": ("a Service of the platform's", "registrar-model"),
    "flights-blue": ("as the slots of another model", "flights-blue-model"),
    "green-green": ("as the slots of another model", "green-green-model"),
    "flights-": ("no hyphen last", "flights"),
    "Flights": ("lower-case letters", "flights"),
    "f" * 41: ("at most 40", "f" * 40),
}


@pytest.fixture
def declared(tmp_path: Path):
    """The path of a model.yaml that is right but for its name."""

    def declared(name: str) -> Path:
        path = tmp_path / "model.yaml"
        path.write_text(FLIGHTS.read_text().replace("name: flights", f"name: {name}", 1))
        return path

    return declared


@pytest.mark.parametrize(("name", "fault"), [(name, fault) for name, (fault, _) in TAKEN.items()])
def test_a_name_that_is_taken_is_refused_where_it_is_declared(declared, name: str, fault: str):
    """By the file and the field, saying why; and editors underline it."""
    with pytest.raises(SpecError, match=rf"model\.yaml: .*name: .*{fault}"):
        ModelSpec.from_yaml(declared(name))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(name, ModelSpec.model_json_schema()["properties"]["name"])


@pytest.mark.parametrize(
    ("name", "fault", "instead"), [(name, *told) for name, told in TAKEN.items()]
)
def test_titlebout_new_says_so_before_it_writes(
    tmp_path: Path, name: str, fault: str, instead: str
):
    """With a name that is free."""
    with pytest.raises(SpecError, match=rf"{fault}.*try '{re.escape(instead)}'"):
        new_model(tmp_path, name=name, data=tmp_path / "absent.csv", target="y")


@pytest.mark.parametrize(
    "name", ["flights", "storage-costs", "blue", "greens-blues", "a", "f" * 40]
)
def test_every_other_name_is_free(declared, name: str):
    """Also one that only begins or sounds like one that is taken."""
    assert ModelSpec.from_yaml(declared(name)).name == name
    jsonschema.validate(name, ModelSpec.model_json_schema()["properties"]["name"])
