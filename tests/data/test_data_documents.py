"""Test that the published schemas and the page about model.yaml agree with the spec."""

import json
import re
import types
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import pytest
import yaml
from pydantic_core import PydanticUndefined
from support.project_tables import REPOSITORY

from titlebout.spec import METRICS, ModelSpec, Record
from titlebout.spec.json_schemas import write_schemas

PAGE = (REPOSITORY / "docs" / "model-yaml.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
ITEM_NAMES = {"columns": "<name>", "candidates": "<name>", "search": "<setting>"}


def keys(record: type[Record], before: str = "") -> dict[str, str]:
    """Return every dotted key of the record and its default as the page writes it.

    A field that is a record itself counts by its keys.
    """
    found: dict[str, str] = {}
    for name, field in record.model_fields.items():
        inner, is_mapping = record_in(field.annotation)
        if inner is None or is_mapping:
            found[before + name] = written(field.get_default(call_default_factory=True))
        if inner is not None:
            found |= keys(
                inner, f"{before}{name}.{ITEM_NAMES[name]}." if is_mapping else f"{before}{name}."
            )
    return found


def record_in(annotation: Any) -> tuple[type[Record] | None, bool]:
    """Return the record that a field holds, if any, and whether it holds several by name."""
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return annotation, False
    if get_origin(annotation) is dict:
        return record_in(get_args(annotation)[1])[0], True
    if get_origin(annotation) in (Union, types.UnionType):
        return next(
            (found for part in get_args(annotation) if (found := record_in(part))[0]), (None, False)
        )
    return None, False


def written(default: Any) -> str:
    if default is PydanticUndefined:
        return "required"
    if default is None:
        return "none"
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def documented() -> dict[str, str]:
    return dict(
        re.findall(
            r"^\| `([a-z][\w.<>]*)` \| (required|none|`[^`|]*`) \|", PAGE, flags=re.MULTILINE
        )
    )


def used(example: Any, record: type[Record], before: str = "") -> set[str]:
    """Return the dotted keys that an example uses."""
    found: set[str] = set()
    for name, value in example.items():
        inner, is_mapping = record_in(record.model_fields[name].annotation)
        if inner is None or is_mapping:
            found.add(before + name)
        if inner is not None:
            parts = value.values() if is_mapping else [value]
            path = f"{before}{name}.{ITEM_NAMES[name]}." if is_mapping else f"{before}{name}."
            found |= {key for part in parts for key in used(part, inner, path)}
    return found


def test_every_key_is_documented_with_its_default():
    """Document exactly the spec's keys, each with its default."""
    assert documented() == keys(ModelSpec)
    assert len(documented()) > 45


def test_the_examples_are_valid_and_use_every_key(tmp_path: Path):
    """Read every example of the page as a model.yaml."""
    found: set[str] = set()
    for example in EXAMPLES:
        (tmp_path / "model.yaml").write_text(example)
        ModelSpec.from_yaml(tmp_path / "model.yaml")
        found |= used(yaml.safe_load(example), ModelSpec)
    assert found == set(keys(ModelSpec))


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_metrics_of_each_task_are_listed(task: str):
    """List the metrics in the spec's order."""
    listed = re.search(rf"{task.capitalize()}: ((?:`\w+`(?:, )?)+)", PAGE)
    assert listed is not None
    assert re.findall(r"`(\w+)`", listed.group(1)) == [
        name for name, kind in METRICS.items() if task in kind.tasks
    ]


def test_the_committed_schemas_are_current(tmp_path: Path):
    """Find nothing that `make schemas` would change."""
    for made in write_schemas(tmp_path):
        assert made.read_text() == (REPOSITORY / "docs" / "schemas" / made.name).read_text(), (
            "run `make schemas`"
        )


def test_every_yaml_names_its_schema():
    """Name an existing schema in the first line, by which editors complete the file."""
    for path in [
        *REPOSITORY.glob("models/*/model.yaml"),
        *REPOSITORY.glob("environments/*/environment.yaml"),
    ]:
        address = path.read_text().splitlines()[0].partition("$schema=")[2]
        assert (path.parent / address).resolve().parent == REPOSITORY / "docs" / "schemas", path
        assert (path.parent / address).exists(), path
