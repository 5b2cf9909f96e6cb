"""Kill the live slot and the proxy with -9, N times each, and time the next prediction.

python benchmarks/recovery.py [--times 5]

The Bento of a small model runs behind the real Caddy, supervised as a release leaves it. A client
asks every 20 ms. Prints JSON: seconds from the kill to the first answer, seconds of a start without
the supervisor, and the supervisor's memory.
"""

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

from serving import HERE
from serving_model import write

sys.path[:0] = [str(HERE.parent / "tests")]

from support.free_ports import first_of_three  # noqa: E402 (found through the path set above)

from titlebout import processes  # noqa: E402
from titlebout.packaging.bento import build_bento, sealed_files, serve_command, serve_environment  # noqa: E402
from titlebout.release.predeployment import post  # noqa: E402
from titlebout.rollout import Deployment, EmbeddedSlots  # noqa: E402
from titlebout.rollout.ports import allocate_ports  # noqa: E402
from titlebout.rollout.proxy import PROXY  # noqa: E402
from titlebout.rollout.supervisor_process import SUPERVISOR  # noqa: E402
from titlebout.spec import Release, digest_of_folder  # noqa: E402

CALM_SECONDS = 4.0  # longer than the first pause between two restarts


def main() -> None:
    """Kill both, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), times=options.times), indent=1))


def measure(work: Path, *, times: int) -> dict[str, object]:
    """Return the seconds to the first answer after each kill, the start's seconds, the memory."""
    row = write(work)
    slots = EmbeddedSlots(
        work / "serving" / "bench",
        allocate_ports(work / "serving", "bench", first=first_of_three()),
    )
    try:
        slots.start_proxy()
        slots.deploy("blue", deployment(work, slots))
        slots.allow("blue")
        slots.switch(
            "blue", kind="switched", by="benchmark", reason="to see", evidence={}, after=None
        )
        slots.halt_slot("blue")
        began = time.monotonic()
        slots.start("blue")
        ready = time.monotonic() - began
        memory = processes.running(SUPERVISOR, slots.home).memory_full_info()
        killed = {
            name: spread([back_after(slots, name, row) for _ in range(times)])
            for name in ("blue", PROXY)
        }
    finally:
        slots.halt()
    return {
        "start_of_the_slot_s": round(ready, 2),
        "supervisor_pss_mb": round(memory.pss / 1e6, 1),
        **killed,
    }


def deployment(work: Path, slots: EmbeddedSlots) -> Deployment:
    """Return what the slot is deployed with."""
    package, digest = build_bento(HERE.parent, work / "model", work / "packages")
    record = Release(
        model="bench",
        model_digest=digest_of_folder(work / "model"),
        package_digest=digest,
        data_digest="d" * 64,
        code_version="benchmark",
        configuration_digest="c" * 64,
        threshold=None,
        verdict="e" * 64,
    )
    release_file = slots.slot_folder("blue") / "release.json"
    release_file.write_text(record.canonical_json())
    return Deployment(
        release=record.id,
        package=digest,
        serve_command=tuple(serve_command(package, port=slots.port("blue"))),
        serve_environment=serve_environment(
            release_file=release_file, slot="blue", inference=work / "inference"
        ),
        folder=str(release_file.parent),
        sealed_files={**sealed_files(package), str(release_file): record.id},
    )


def back_after(slots: EmbeddedSlots, name: str, row: object) -> float:
    """Kill the process. Return the seconds until a prediction is answered again."""
    time.sleep(CALM_SECONDS)
    killed, began = processes.running(name, slots.home).pid, time.monotonic()
    os.kill(killed, signal.SIGKILL)
    while not (is_another(name, slots, killed) and post(f"{slots.url}/predict", row).status == 200):
        time.sleep(0.02)
    return time.monotonic() - began


def is_another(name: str, slots: EmbeddedSlots, killed: int) -> bool:
    """Tell whether another process than the killed one runs."""
    process = processes.running(name, slots.home)
    return process is not None and process.pid != killed


def spread(seconds: list[float]) -> dict[str, float]:
    """Return the median and the worst seconds."""
    return {"median_s": round(statistics.median(seconds), 2), "worst_s": round(max(seconds), 2)}


if __name__ == "__main__":
    main()
