"""Start the tour from nothing: stop and move aside what an earlier one left."""

import time
from pathlib import Path

from titlebout.registry import stop_servers
from titlebout.rollout import halt_serving
from titlebout.spec import Progress, load_environment
from titlebout.storage import state_home


def start_clean(project: Path, *, progress: Progress) -> None:
    """Stop the servers of an earlier tour, and move its state aside. Nothing is deleted."""
    home = state_home(project)
    if not home.exists():
        return
    environments = [load_environment(project, name) for name in ("dev", "staging", "prod")]
    for environment in environments:
        halt_serving(project, environment)
    stop_servers(project, environments)
    aside = home.with_name(f"{home.name}-{time.strftime('%Y%m%dT%H%M%S')}")
    home.rename(aside)
    progress(
        f"an earlier state was stopped and moved to {aside.name}; "
        "delete it when you no longer need it"
    )
