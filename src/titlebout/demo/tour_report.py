"""Write what the tour came to: JSON for machines, HTML for people, and a text at its end."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from titlebout.demo.story import ENVIRONMENTS, MODEL, Tour
from titlebout.loadgen import percentile_ms, seconds_to_last_answer
from titlebout.rollout import open_slots
from titlebout.spec import Verdict
from titlebout.storage import state_home

JSON_FILE, HTML_FILE = "demo-report.json", "demo-report.html"
MIB = 2**20


def write_report(tour: Tour) -> dict[str, Any]:
    """Write both files into the project. Return the content of the JSON one."""
    found = _content(tour)
    (tour.project / JSON_FILE).write_text(json.dumps(found, indent=1) + "\n")
    (tour.project / HTML_FILE).write_text(_html(tour, found), encoding="utf-8")
    return found


def in_words(found: dict[str, Any]) -> str:
    """Return the tour's result as text, with the commands to go on."""
    requests, endpoint = found["requests"], found["endpoint"]
    seconds = sum(stage["seconds"] for stage in found["stages"])
    peak = found["peak_memory_bytes"] / MIB
    return "\n".join(
        [
            "",
            f"{requests['sent']:,} requests during switch and rollback, "
            f"{requests['failed']} failed",
            f"{found['scored_rows']:,} flights scored through the live endpoint",
            f"last answer of the old release {found['switch_seconds']:.2f} s after the switch",
            f"last answer of release 2 {found['rollback_seconds']:.2f} s "
            "after the rollback command began",
            f"peak memory of everything {peak:,.0f} MiB; {seconds:.0f} s in all",
            "",
            f"predict      curl -s {endpoint}/predict -H 'content-type: application/json' "
            f"-d '{json.dumps(found['example_row'])}'",
            f"what serves  curl -s {endpoint}/release",
            *(f"MLflow       {address}  ({name})" for name, address in found["mlflow"].items()),
            f"accounts     {found['credentials']}  (generated for this machine)",
            f"history      .venv/bin/titlebout history {MODEL} --env prod",
            f"report       {HTML_FILE}, {JSON_FILE}",
            "stop         make stop",
        ]
    )


def _content(tour: Tour) -> dict[str, Any]:
    first, second, back = tour.outcomes[-2], tour.outcomes[-1], tour.rollback
    if back is None or tour.drift is None:
        raise ValueError("the tour did not reach its end")
    answers = [answer for load in tour.loads.values() for answer in load]
    good = [answer for answer in answers if answer.ok]
    return {
        "stages": [{"name": stage["name"], "seconds": stage["seconds"]} for stage in tour.stages],
        "verdicts": [_verdict(environment, verdict) for environment, verdict in tour.verdicts],
        "requests": {
            "sent": len(answers),
            "failed": len(answers) - len(good),
            "p50_ms": percentile_ms(good, 0.5),
            "p99_ms": percentile_ms(good, 0.99),
        },
        "scored_rows": tour.scored_rows,
        "drift": tour.drift.decision,
        "switch_seconds": _last_answer(
            tour, "switch", _moved_at(tour, second.release), old=first.release
        ),
        "rollback_seconds": _last_answer(tour, "rollback", tour.rollback_began, old=second.release),
        "peak_memory_bytes": max((size for _, size in tour.memory), default=0),
        "endpoint": back.endpoint,
        "champion_before_rollback": second.release,
        "champion_after_rollback": back.release,
        "example_row": tour.example_row,
        "mlflow": {name: tour.environment(name).mlflow for name in ENVIRONMENTS},
        "credentials": str(state_home(tour.project) / "credentials.yaml"),
    }


def _verdict(environment: str, verdict: Verdict) -> dict[str, Any]:
    primary = verdict.primary
    return {
        "environment": environment,
        "verdict": verdict.verdict,
        "opponent": verdict.opponent,
        "primary_metric": primary.metric if primary else None,
        "difference": primary.difference if primary else None,
        "interval": [primary.low, primary.high] if primary else None,
        "confidence": verdict.confidence,
        "rows": primary.rows if primary else None,
        "reasons": list(verdict.reasons),
    }


def _moved_at(tour: Tour, release: str) -> float:
    """Return the Unix time of the switch to the release in prod."""
    changes = open_slots(tour.project, MODEL, tour.environment("prod")).traffic.history()
    return next(
        datetime.fromisoformat(change.time).timestamp()
        for change in changes
        if change.release == release
    )


def _last_answer(tour: Tour, load: str, moment: float, *, old: str) -> float:
    """Return the seconds until the old release's last answer to any client.

    Clients use fresh connections and ones that they keep open.
    """
    return round(
        max(seconds_to_last_answer(tour.loads[load], since=moment, release=old).values()), 3
    )


def _html(tour: Tour, found: dict[str, Any]) -> str:
    from jinja2 import Environment, FileSystemLoader

    from titlebout.demo import report_plots

    template = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True
    ).get_template("report.html.j2")
    plots = {
        "switch": report_plots.releases_over_time(
            tour.loads["switch"], around=_moved_at(tour, tour.outcomes[-1].release)
        ),
        "rollback": report_plots.releases_over_time(
            tour.loads["rollback"], around=tour.rollback_began
        ),
        "verdicts": report_plots.intervals(found["verdicts"]),
        "stages": report_plots.stages(tour.stages, tour.memory),
    }
    return template.render(found=found, plots=plots, model=MODEL, mib=MIB)
