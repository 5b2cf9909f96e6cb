"""Draw the report's plots, as SVG text that needs no network."""

import io
from typing import TYPE_CHECKING, Any

from titlebout.loadgen import KINDS, TimedAnswer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0969da", "#1a7f37", "#9a6700", "#8250df")
GREY, RED = "#8c959f", "#cf222e"
MIB = 2**20
SECONDS_SHOWN = 5.0  # before and after a change of traffic
WIDTH_INCHES = 7.5


def releases_over_time(answers: list[TimedAnswer], *, around: float) -> str:
    """Draw the latency of every answer in the seconds around a change of traffic.

    Colours tell the release that answered; failures are red.
    """
    figure, axes = _figure(2.6)
    shown = [answer for answer in answers if abs(answer.due - around) <= SECONDS_SHOWN]
    releases = list(dict.fromkeys(answer.release for answer in shown if answer.ok))
    # Sorted, so that a release keeps its colour from plot to plot.
    for colour, release in zip(COLOURS, sorted(releases, key=str), strict=False):
        for kind, marker in zip(KINDS, ("o", "x"), strict=True):
            dots = [a for a in shown if a.ok and a.release == release and a.kind == kind]
            label = f"{str(release)[:8]}, {kind}"
            axes.scatter(
                [a.due - around for a in dots],
                [1000 * (a.at - a.due) for a in dots],
                s=9,
                marker=marker,
                color=colour,
                label=label,
            )
    failed = [a for a in shown if not a.ok]
    axes.scatter(
        [a.due - around for a in failed],
        [1000 * (a.at - a.due) for a in failed],
        s=30,
        color=RED,
        label=f"failed: {len(failed)}",
    )
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set(xlabel="seconds since the traffic was moved", ylabel="latency, ms", yscale="log")
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return _svg(figure)


def intervals(verdicts: list[dict[str, Any]]) -> str:
    """Draw each verdict's primary difference with its interval.

    Right of the line the Challenger is better.
    """
    decided = [verdict for verdict in verdicts if verdict["interval"]]
    figure, axes = _figure(0.5 + 0.45 * len(decided))
    for row, verdict in enumerate(reversed(decided)):
        (low, high), value = verdict["interval"], verdict["difference"]
        colour = COLOURS[1] if verdict["verdict"] == "accept" else RED
        axes.errorbar(
            [value], [row], xerr=[[value - low], [high - value]], fmt="o", color=colour, capsize=4
        )
    axes.set_yticks(
        range(len(decided)),
        [
            f"{v['environment']} against the {v['opponent']}: {v['verdict']}"
            for v in reversed(decided)
        ],
    )
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set(
        xlabel=f"improvement in {decided[0]['primary_metric']}" if decided else "",
        ylim=(-0.6, len(decided) - 0.4),
    )
    return _svg(figure)


def stages(stages: list[dict[str, Any]], memory: list[tuple[float, int]]) -> str:
    """Draw the memory of all processes over the tour, with the stages behind it."""
    figure, axes = _figure(2.6)
    start = stages[0]["began"]
    for number, stage in enumerate(stages):
        begin = stage["began"] - start
        axes.axvspan(
            begin,
            begin + stage["seconds"],
            color=COLOURS[0],
            alpha=0.05 + 0.1 * (number % 2),
            linewidth=0,
        )
        axes.annotate(
            stage["name"],
            (begin + 1, 0.02),
            xycoords=("data", "axes fraction"),
            fontsize=7,
            rotation=90,
            va="bottom",
        )
    axes.plot(
        [at - start for at, _ in memory], [size / MIB for _, size in memory], color=COLOURS[1]
    )
    axes.set(
        xlabel="seconds", ylabel="memory of all processes, MiB", ylim=(0, None), xlim=(0, None)
    )
    return _svg(figure)


def _figure(height_inches: float) -> "tuple[Figure, Any]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _svg(figure: "Figure") -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg")
    return text.getvalue()[text.getvalue().index("<svg") :]
