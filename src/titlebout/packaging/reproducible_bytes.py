"""The same fit written twice gives the same bytes, so that a model's digest names the model and not the moment it was written."""

import io
import json
import re
import zipfile
from typing import Any

SCHEMA = "schema.json"
NO_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can hold


def forget_machine(pipeline: Any) -> None:
    """Gradient boosting keeps how many threads sorted its values into bins; it does not ask again, and another machine has others."""
    for _, step in pipeline.steps:
        if hasattr(step, "_bin_mapper"):
            step._bin_mapper.n_threads = 1


def stable_skops(archive: bytes) -> bytes:
    """skops names objects and files by memory address and the zip entries carry the time; number the one and fix the other."""
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        files = {name: source.read(name) for name in source.namelist()}
    schema = json.loads(files.pop(SCHEMA))
    numbers: dict[int, int] = {}
    _number_objects(schema, numbers)
    renamed = {_renamed(name, numbers): content for name, content in files.items()}
    renamed[SCHEMA] = json.dumps(_with_files_renamed(schema, numbers), sort_keys=True).encode()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out:
        for name in sorted(renamed):
            out.writestr(zipfile.ZipInfo(name, NO_TIME), renamed[name], zipfile.ZIP_DEFLATED)
    return target.getvalue()


def stable_onnx(graph: Any) -> bytes:
    """The order of the operator sets comes from a Python set, hence from the process's hash seed."""
    operator_sets = sorted(graph.opset_import, key=lambda operators: operators.domain)
    del graph.opset_import[:]
    graph.opset_import.extend(operator_sets)
    return bytes(graph.SerializeToString(deterministic=True))


def _number_objects(node: Any, numbers: dict[int, int]) -> None:
    """Replace every `__id__` by its rank of first appearance."""
    if isinstance(node, dict) and isinstance(node.get("__id__"), int):
        node["__id__"] = numbers.setdefault(node["__id__"], len(numbers) + 1)
    for child in (
        node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    ):
        _number_objects(child, numbers)


def _renamed(name: str, numbers: dict[int, int]) -> str:
    return re.sub(r"^\d+(?=\.)", lambda found: str(numbers[int(found[0])]), name)


def _with_files_renamed(node: Any, numbers: dict[int, int]) -> Any:
    if isinstance(node, list):
        return [_with_files_renamed(child, numbers) for child in node]
    if not isinstance(node, dict):
        return node
    changed = {key: _with_files_renamed(child, numbers) for key, child in node.items()}
    if isinstance(node.get("file"), str):
        changed["file"] = _renamed(node["file"], numbers)
    return changed
