"""Write the same fit as the same bytes, whenever and wherever it is written.

So a model's digest names the model, not the moment at which it was written.
"""

import io
import json
import re
import zipfile
from typing import Any

SCHEMA = "schema.json"
NO_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can hold


def fix_thread_count(pipeline: Any) -> None:
    """Set the number of threads that gradient boosting keeps to 1.

    It keeps how many threads sorted its values into bins, and another machine has another number.
    """
    for _, step in pipeline.steps:
        if hasattr(step, "_bin_mapper"):
            step._bin_mapper.n_threads = 1


def stable_skops(archive: bytes) -> bytes:
    """Return the archive with objects numbered in order and a fixed time.

    Skops names objects and files by memory address, and the zip entries carry the time.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        files = {name: source.read(name) for name in source.namelist()}
    schema = json.loads(files.pop(SCHEMA))
    numbers: dict[int, int] = {}
    _number_objects(schema, numbers)
    renamed = {_rename_file(name, numbers): content for name, content in files.items()}
    renamed[SCHEMA] = json.dumps(_rename_files(schema, numbers), sort_keys=True).encode()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out:
        for name in sorted(renamed):
            out.writestr(zipfile.ZipInfo(name, NO_TIME), renamed[name], zipfile.ZIP_DEFLATED)
    return target.getvalue()


def stable_onnx(graph: Any) -> bytes:
    """Return the graph's bytes with the operator sets in order.

    Their order comes from a Python set, so from the process's hash seed.
    """
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


def _rename_file(name: str, numbers: dict[int, int]) -> str:
    return re.sub(r"^\d+(?=\.)", lambda found: str(numbers[int(found[0])]), name)


def _rename_files(node: Any, numbers: dict[int, int]) -> Any:
    if isinstance(node, list):
        return [_rename_files(child, numbers) for child in node]
    if not isinstance(node, dict):
        return node
    changed = {key: _rename_files(child, numbers) for key, child in node.items()}
    if isinstance(node.get("file"), str):
        changed["file"] = _rename_file(node["file"], numbers)
    return changed
