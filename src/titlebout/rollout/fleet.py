"""Every model that an environment serves: brought back after a reboot, stopped for the night, looked at."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from titlebout import processes
from titlebout.rollout.ports import PORTS_FILE, Ports
from titlebout.rollout.proxy import PROXY
from titlebout.rollout.slots import EmbeddedSlots
from titlebout.spec import SLOT_NAMES, Environment
from titlebout.storage import state_home


def served_models(project: Path, environment: Environment) -> list[EmbeddedSlots]:
    """The slots of every model that was ever released here."""
    serving_home = state_home(project) / environment.name / "serving"
    return [EmbeddedSlots(path.parent, Ports.from_json(path)) for path in sorted(serving_home.glob(f"*/{PORTS_FILE}"))]


def resume_serving(project: Path, environment: Environment, *, progress: Callable[[str], None]) -> None:
    """Start each model's proxy and slots as recorded, the same release live as before; what runs already is left alone."""
    for slots in served_models(project, environment):
        slots.resume()
        live = slots.live()
        progress(f"{environment.name}: {slots.home.name} at {slots.url}, {f'release {live.release[:12]}' if live else 'nothing live'}")


def halt_serving(project: Path, environment: Environment) -> None:
    """Stop each model's proxy and slots, and forget nothing."""
    for slots in served_models(project, environment):
        slots.halt()


def serving_status(project: Path, environment: Environment) -> list[dict[str, Any]]:
    """Per model: `endpoint`, the `live` release or None, whether the proxy and each deployed slot run."""
    return [_status(slots) for slots in served_models(project, environment)]


def _status(slots: EmbeddedSlots) -> dict[str, Any]:
    live = slots.live()
    return {
        "model": slots.home.name,
        "endpoint": slots.url,
        "live": live.release if live else None,
        "live_slot": live.slot if live else None,
        "proxy": _state(PROXY, slots),
        "slots": [
            {"slot": name, "release": deployment.release, "port": slots.port(name), "state": _state(name, slots)}
            for name in SLOT_NAMES
            if (deployment := slots.deployed(name))
        ],
    }


def _state(name: str, slots: EmbeddedSlots) -> str:
    return "running" if processes.running(name, slots.home) else "stopped"
