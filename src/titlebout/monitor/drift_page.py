"""Write the drift report as one page that needs no network.

It shows how far each column is, and what the furthest ones look like.
"""

import io
import warnings
from html import escape
from typing import Any

from titlebout.monitor.drifts import excess_distance
from titlebout.monitor.explain_drift import explain
from titlebout.spec import Drift, DriftReport

SHOWN_DISTRIBUTIONS = 6  # plots; the table has every column
SHOWN_CHARACTERS = 30  # of a name in a plot
BLUE, RED, PALE, GREY = "#2563eb", "#dc2626", "#bfdbfe", "#6b7280"
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#111}
pre{background:#f6f7f9;padding:1rem;white-space:pre-wrap}
table{border-collapse:collapse} td,th{padding:.2rem .8rem;text-align:left}
tr.drifted{color:#b91c1c;font-weight:600} tr.blind{color:#6b7280;font-style:italic}
svg{max-width:100%;height:auto} .num{text-align:right;font-variant-numeric:tabular-nums}
"""


def write_html(report: DriftReport) -> str:
    """Return the report's page as HTML."""
    title = f"Drift of {escape(report.model)}"
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{title}</title>"
        f"<style>{STYLE}</style></head><body><h1>{title}: {report.decision}</h1>"
        f"<pre>{escape(explain(report))}</pre>"
        f"{_plots_and_table(report.drifts) if report.drifts else ''}"
        f"<p>Record <code>{report.digest}</code>.</p></body></html>"
    )


def _plots_and_table(drifts: tuple[Drift, ...]) -> str:
    return (
        f"<h2>Distances, and where drift begins</h2>{_distances(drifts)}"
        f"<h2>What changed most</h2>{_distributions(drifts)}"
        "<h2>All</h2><table><tr><th>what</th><th>kind</th><th>distance</th><th>drift from</th>"
        f"<th>smallest change found</th></tr>{''.join(map(_row, drifts))}</table>"
        "<p>Distance: Jensen-Shannon; 0 is the same, 1 is nothing in common. Smallest change "
        "found: the share of the rows that must move to where the reference has fewest. "
        "Pale or in italics: a test that cannot tell.</p>"
    )


def _row(drift: Drift) -> str:
    threshold = "" if drift.threshold is None else f"{drift.threshold:.4f}"
    change = "none" if drift.smallest_change is None else f"{drift.smallest_change:.1%}"
    kind = "drifted" if drift.drifted else "" if drift.can_tell else "blind"
    return (
        f"<tr class='{kind}'><td>{escape(drift.name)}</td><td>{drift.kind}</td>"
        f"<td class='num'>{drift.distance:.4f}</td>"
        f"<td class='num'>{threshold}</td><td class='num'>{change}</td></tr>"
    )


def _distances(drifts: tuple[Drift, ...]) -> str:
    """Draw a bar per column and a tick where drift begins."""
    figure, (ax,) = _figure(1, 1, width=9, height=0.35 * len(drifts) + 0.8)
    positions = list(range(len(drifts), 0, -1))
    ax.barh(
        positions, [drift.distance for drift in drifts], color=[_colour(drift) for drift in drifts]
    )
    begins = [
        (drift.threshold, position)
        for drift, position in zip(drifts, positions, strict=True)
        if drift.threshold is not None
    ]
    ax.plot(
        [threshold for threshold, _ in begins],
        [position for _, position in begins],
        "k|",
        markersize=14,
        label="drift begins here",
    )
    ax.set_yticks(positions, [_short(drift.name) for drift in drifts])
    ax.set_xlim(
        0,
        min(
            1.0,
            1.1
            * max([drift.distance for drift in drifts] + [threshold for threshold, _ in begins]),
        ),
    )
    ax.set_xlabel("Jensen-Shannon distance from the reference")
    figure.legend(loc="outside upper right", frameon=False)
    return _svg(figure)


def _distributions(drifts: tuple[Drift, ...]) -> str:
    """Draw the shares of rows per bin, reference beside window."""
    shown = sorted(drifts, key=excess_distance, reverse=True)[:SHOWN_DISTRIBUTIONS]
    figure, axes = _figure((len(shown) + 1) // 2, 2, width=11, height=3.2 * ((len(shown) + 1) // 2))
    for drift, ax in zip(shown, axes, strict=False):
        _distribution(drift, ax)
    axes[0].legend(frameon=False, fontsize=8)
    for ax in axes[len(shown) :]:
        ax.axis("off")
    return _svg(figure)


def _distribution(drift: Drift, ax: Any) -> None:
    """Draw one column, without the bins that are empty in both."""
    bars = [
        bar
        for bar in zip(drift.bins, drift.reference, drift.window, strict=True)
        if bar[1] or bar[2]
    ]
    positions = range(len(bars))
    ax.bar(
        [position - 0.2 for position in positions],
        [reference for _, reference, _ in bars],
        width=0.4,
        color=GREY,
        label="reference",
    )
    ax.bar(
        [position + 0.2 for position in positions],
        [window for _, _, window in bars],
        width=0.4,
        color=_colour(drift),
        label="window",
    )
    ax.set_xticks(
        list(positions), [_short(name) for name, _, _ in bars], rotation=60, ha="right", fontsize=7
    )
    ax.set_title(_short(drift.name), fontsize=10)
    ax.set_ylabel("share of rows", fontsize=8)


def _short(name: str) -> str:
    return name if len(name) <= SHOWN_CHARACTERS else f"{name[: SHOWN_CHARACTERS - 1]}…"


def _colour(drift: Drift) -> str:
    return RED if drift.drifted else BLUE if drift.can_tell else PALE


def _figure(rows: int, columns: int, *, width: float, height: float) -> tuple[Any, list[Any]]:
    """Make a figure without pyplot, which keeps every figure and looks for a display."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def _svg(figure: Any) -> str:
    """Write the figure with its texts as text.

    Users' names are no formulas, and a browser has the glyphs of every script.
    """
    from matplotlib import rc_context
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)
    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none"}), warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="Glyph"
        )  # matplotlib's font has not all of them, and only measures
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()[buffer.getvalue().index("<svg") :]
