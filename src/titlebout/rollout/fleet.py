"""Start, stop and show every model that an environment serves."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from titlebout import processes
from titlebout.atomic_files import sweep_partials
from titlebout.rollout.embedded_slots import EmbeddedSlots
from titlebout.rollout.ports import PORTS_FILE, Ports
from titlebout.rollout.proxy import PROXY
from titlebout.rollout.serving_home import serving_home
from titlebout.rollout.supervisor_process import SUPERVISOR
from titlebout.spec import (
    SLOT_NAMES,
    Environment,
    Progress,
    SlotName,
    TitleboutError,
    faults_of,
    leaves,
    raise_together,
)
from titlebout.storage import is_folder, state_home


def model_homes(project: Path, environment: Environment) -> list[Path]:
    """Return the serving folder of every model that was ever released here."""
    served = serving_home(project, environment.name).glob(f"*/{PORTS_FILE}")
    return [path.parent for path in sorted(served)]


def open_model(home: Path) -> EmbeddedSlots:
    """Return the slots of a serving folder.

    Raise SpecError if the folder's record of its ports is broken.
    """
    return EmbeddedSlots(home, Ports.from_json(home / PORTS_FILE))


def served_models(project: Path, environment: Environment) -> list[EmbeddedSlots]:
    """Return the slots of every model that was ever released here."""
    return [open_model(home) for home in model_homes(project, environment)]


def resume_serving(project: Path, environment: Environment, *, progress: Progress) -> None:
    """Start each model's proxy and slots as recorded, the same release live as before.

    What runs already is left alone. Each part starts by itself, all models at once. What killed
    writers left half written is deleted.

    Raise an ExceptionGroup of TitleboutErrors, one for each part that did not start.
    """
    sweep_partials(state_home(project) / environment.name)
    if is_folder(environment.storage):
        sweep_partials(project / environment.storage)
    homes = model_homes(project, environment)
    with ThreadPoolExecutor(max_workers=len(homes) or 1) as models:
        under_way = [
            models.submit(_resume, home, environment=environment.name, progress=progress)
            for home in homes
        ]
    raise_together(
        f"parts of {environment.name} that did not come up",
        [fault for model in under_way for fault in model.result()],
    )


def _resume(home: Path, *, environment: str, progress: Progress) -> list[TitleboutError]:
    """Return the errors of what did not start."""
    faults: list[TitleboutError] = []
    try:
        slots = open_model(home)
        slots.resume()
    except* TitleboutError as group:
        faults += leaves(group)
    if not faults:
        live = slots.live()
        served = f"release {live.release[:12]}" if live else "nothing live"
        progress(f"{environment}: {home.name} at {slots.url}, {served}")
    return faults


def halt_serving(project: Path, environment: Environment) -> None:
    """Stop each model's supervisor, proxy and slots, and keep the records.

    Raise an ExceptionGroup of what could not be stopped.
    """
    faults = faults_of(
        {home.name: partial(_halt, home) for home in model_homes(project, environment)}
    )
    raise_together(f"models of {environment.name} that could not be stopped", list(faults.values()))


def _halt(home: Path) -> None:
    open_model(home).halt()


def serving_status(project: Path, environment: Environment) -> list[dict[str, Any]]:
    """Return the status of every model that was ever released here.

    Per model: `endpoint`, the `live` release or None, whether the proxy and each deployed slot run,
    or a `problem`.
    """
    return [_model_status(home) for home in model_homes(project, environment)]


def _model_status(home: Path) -> dict[str, Any]:
    try:
        slots = open_model(home)
        live = slots.live()
    except TitleboutError as error:
        problem = f"{error.subject} cannot be read: {error.found}"
        return {
            "model": home.name,
            "endpoint": None,
            "live": None,
            "live_slot": None,
            "problem": problem,
            "slots": [],
        }
    return {
        "model": home.name,
        "endpoint": slots.url,
        "live": live.release if live else None,
        "live_slot": live.slot if live else None,
        "proxy": _process_state(PROXY, slots),
        "supervisor": _process_state(SUPERVISOR, slots),
        "slots": [_slot_status(slots, name) for name in SLOT_NAMES if slots.is_recorded(name)],
    }


def _slot_status(slots: EmbeddedSlots, slot: SlotName) -> dict[str, Any]:
    """Return the slot's release, port and state.

    `state` is running, stopped, or `no answer` for one that is starting, or hangs. `release` is
    None if the record is broken.
    """
    state = _process_state(slot, slots)
    if state == "running" and not processes.answers(f"{slots.slot_url(slot)}/readyz"):
        state = "no answer"
    try:
        deployed = slots.deployed(slot)
    except TitleboutError:
        deployed = None
    return {
        "slot": slot,
        "release": deployed.release if deployed else None,
        "port": slots.port(slot),
        "state": state,
    }


def _process_state(name: str, slots: EmbeddedSlots) -> str:
    return "running" if processes.running(name, slots.home) else "stopped"
