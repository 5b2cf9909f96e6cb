"""The drift report as one page that needs no network: how far each column is, and what the furthest ones look like."""

import io
from html import escape
from typing import Any

from titlebout.monitor.words import explain
from titlebout.spec import Drift, DriftReport

SHOWN_DISTRIBUTIONS = 6  # plots; the table has every column
BLUE, RED, GREY = "#2563eb", "#dc2626", "#9ca3af"
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#111}
pre{background:#f6f7f9;padding:1rem;white-space:pre-wrap} table{border-collapse:collapse} td,th{padding:.2rem .8rem;text-align:left}
tr.drifted{color:#b91c1c;font-weight:600} svg{max-width:100%;height:auto} .num{text-align:right;font-variant-numeric:tabular-nums}
"""


def write_html(report: DriftReport) -> str:
    rows = "".join(_row(drift) for drift in report.drifts)
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Drift of {escape(report.model)}</title>"
        f"<style>{STYLE}</style></head><body><h1>Drift of {escape(report.model)}: {report.decision}</h1>"
        f"<pre>{escape(explain(report))}</pre><h2>How far, against where drift begins</h2>{_distances(report.drifts)}"
        f"<h2>What changed most</h2>{_distributions(report.drifts)}"
        "<h2>All</h2><table><tr><th>what</th><th>kind</th><th>distance</th><th>drift from</th></tr>"
        f"{rows}</table><p>Distance: Jensen-Shannon, 0 the same, 1 nothing in common. Record <code>{report.digest}</code>.</p>"
        "</body></html>"
    )


def _row(drift: Drift) -> str:
    return (
        f"<tr class='{'drifted' if drift.drifted else ''}'><td>{escape(drift.name)}</td><td>{drift.kind}</td>"
        f"<td class='num'>{drift.distance:.4f}</td><td class='num'>{drift.threshold:.4f}</td></tr>"
    )


def _distances(drifts: tuple[Drift, ...]) -> str:
    """A bar per column and a tick where drift begins."""
    figure, axes = _figure(1, 1, width=9, height=0.35 * len(drifts) + 0.8)
    names = [drift.name for drift in reversed(drifts)]
    axes[0].barh(
        names, [drift.distance for drift in reversed(drifts)], color=[RED if drift.drifted else BLUE for drift in reversed(drifts)]
    )
    axes[0].plot([drift.threshold for drift in reversed(drifts)], names, "k|", markersize=14, label="drift begins here")
    axes[0].set_xlabel("Jensen-Shannon distance from the reference")
    figure.legend(loc="outside upper right", frameon=False)
    return _svg(figure)


def _distributions(drifts: tuple[Drift, ...]) -> str:
    """Shares of rows per bin, reference beside window."""
    shown = sorted(drifts, key=lambda drift: drift.threshold - drift.distance)[:SHOWN_DISTRIBUTIONS]
    figure, axes = _figure((len(shown) + 1) // 2, 2, width=11, height=2.6 * ((len(shown) + 1) // 2))
    for drift, ax in zip(shown, axes, strict=False):
        places = range(len(drift.bins))
        ax.bar([place - 0.2 for place in places], drift.reference, width=0.4, color=GREY, label="reference")
        ax.bar([place + 0.2 for place in places], drift.window, width=0.4, color=RED if drift.drifted else BLUE, label="window")
        ax.set_xticks(list(places), drift.bins, rotation=60, ha="right", fontsize=7)
        ax.set_title(drift.name, fontsize=10)
        ax.set_ylabel("share of rows", fontsize=8)
    axes[0].legend(frameon=False, fontsize=8)
    for ax in axes[len(shown) :]:
        ax.axis("off")
    return _svg(figure)


def _figure(rows: int, columns: int, *, width: float, height: float) -> tuple[Any, list[Any]]:
    """Without pyplot, which keeps every figure and looks for a display."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def _svg(figure: Any) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()[buffer.getvalue().index("<svg") :]
