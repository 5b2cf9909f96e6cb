"""Write model folders as the registry sees them: a contract and opaque bytes."""

import secrets
from pathlib import Path

from titlebout.registry import Registry, Version
from titlebout.spec import CONTRACT_FILE, SKOPS_FILE, Contract, Engine, Input

CONTRACT = Contract(
    model="flights",
    task="binary",
    target="late",
    inputs=(
        Input(name="distance", type="number", example=733.0),
        Input(name="carrier", type="category", example="UA"),
        Input(name="holiday", type="boolean", example=True),
        Input(name="departs", type="date", example="2013-07-04T08:00:00"),
    ),
    classes=("on time", "late"),
    positive="late",
    threshold=0.5,
    engine=Engine(name="sklearn", reason="no holdout in this test"),
    requires=("scikit-learn==1.9.1",),
)


def write_folder(folder: Path) -> Path:
    """Write a model folder with content of its own, so that no other has its digest."""
    folder.mkdir()
    (folder / CONTRACT_FILE).write_text(CONTRACT.canonical_json())
    (folder / SKOPS_FILE).write_bytes(secrets.token_bytes(1000))
    return folder


def register(registry: Registry, folder: Path) -> Version:
    """Register the folder as a version of `flights`, in a run of its own."""
    run = registry.start_run("flights", "train", {"dataset": "d1"})
    version = registry.register("flights", run, folder, CONTRACT, {"validation_status": "pending"})
    registry.finish_run(run)
    return version
