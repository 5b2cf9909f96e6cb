"""Draw the report's figures as SVG text that is put into the page."""

import io
import re
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from titlebout.spec import (
    METRICS,
    CalibrationBin,
    Curves,
    Evaluation,
    Residuals,
    SliceResult,
    one_line,
)
from titlebout.spec import figure as in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, QUIET, ACCENT, GRID = "#1f2933", "#8a94a0", "#1d5fa8", "#e3e7eb"
BAD = "#b3261e"
WIDTH_INCHES, ROW_INCHES, FRAME_INCHES = 7.2, 0.3, 0.9
# Nobody reads more rows than this. The record holds all.
SHOWN_SLICES = 30
SHOWN_COLUMNS = 20


def candidates_plot(evaluation: Evaluation) -> str:
    """Draw the primary metric of every candidate on the holdout, with its interval."""
    named = [(one.name, one.metrics["holdout"][evaluation.metric]) for one in evaluation.candidates]
    rows = [(name, estimate.value, estimate.low, estimate.high) for name, estimate in named]
    return _dots(rows, marked=evaluation.chosen, xlabel=_axis(evaluation.metric))


def slices_plot(evaluation: Evaluation, *, overall: float, worst: float | None) -> str:
    """Draw the slices, the worst first.

    Lines show the whole holdout's value and the value that every slice must reach.
    """
    greater = METRICS[evaluation.metric].greater_is_better
    ordered = sorted(evaluation.slices, key=lambda one: one.metric.value, reverse=not greater)
    rows = [
        (_label(one), one.metric.value, one.metric.low, one.metric.high)
        for one in ordered[:SHOWN_SLICES]
    ]
    lines = [(overall, "whole holdout", ACCENT)]
    if worst is not None:
        lines.append((worst, "worst allowed", BAD))
    return _dots(rows, marked=None, xlabel=_axis(evaluation.metric), lines=lines)


def calibration_plot(evaluation: Evaluation, *, of_values: bool) -> str:
    """Draw predicted against observed, one dot per bin.

    The band is where a perfect model's dots lie in 95 of 100 tables.
    """
    figure, axes = _figure(3.6, width=4.2)
    bins = [one for one in evaluation.calibration if one.low is not None and one.high is not None]
    ends = (
        _ends([value for one in evaluation.calibration for value in (one.predicted, one.observed)])
        if of_values
        else (0.0, 1.0)
    )
    axes.plot(ends, ends, color=QUIET, linewidth=1, linestyle="--")
    centres = [one.predicted for one in bins]
    axes.fill_between(
        centres,
        [one.low for one in bins],
        [one.high for one in bins],
        color=QUIET,
        alpha=0.25,
        linewidth=0,
    )
    _plot_bins(axes, evaluation.calibration)
    _square(axes, ends)
    axes.set_xlabel("mean predicted")
    axes.set_ylabel("mean observed")
    return _svg(figure)


def _plot_bins(axes: "Axes", bins: Sequence[CalibrationBin]) -> None:
    """Plot one dot per bin, red if it is outside its band, and a line through all dots."""
    for one in bins:
        outside = (
            one.low is not None and one.high is not None and not one.low <= one.observed <= one.high
        )
        axes.plot(
            [one.predicted],
            [one.observed],
            marker="o",
            markersize=5,
            color=BAD if outside else ACCENT,
        )
    axes.plot(
        [one.predicted for one in bins],
        [one.observed for one in bins],
        color=ACCENT,
        linewidth=1,
    )


def curves_plots(curves: Curves) -> tuple[str, str]:
    """Draw ROC, and precision over recall; the dot is the served threshold."""
    served = (curves.served_false_positive_rate, curves.served_recall)
    roc = _curve(curves.roc, served, xlabel="false positive rate", ylabel="recall", diagonal=True)
    point = (
        None if curves.served_precision is None else (curves.served_recall, curves.served_precision)
    )
    return roc, _curve(
        curves.precision_recall, point, xlabel="recall", ylabel="precision", diagonal=False
    )


def _curve(
    points: Sequence[tuple[float, float]],
    served: tuple[float, float] | None,
    *,
    xlabel: str,
    ylabel: str,
    diagonal: bool,
) -> str:
    figure, axes = _figure(3.4, width=3.8)
    if diagonal:
        axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle="--")
    axes.plot([x for x, _ in points], [y for _, y in points], color=ACCENT, linewidth=1.6)
    if served is not None:
        axes.plot(
            *([value] for value in served),
            marker="o",
            markersize=7,
            color=BAD,
            linestyle="none",
            label="served threshold",
        )
        axes.legend(loc="lower right", frameon=False, fontsize=8)
    _square(axes, (0.0, 1.0))
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    return _svg(figure)


def residuals_plot(residuals: Residuals) -> str:
    """Draw observed minus predicted by the size of the prediction.

    It shows the middle, and where eight of ten rows lie.
    """
    figure, axes = _figure(3.2)
    centres = [one.predicted for one in residuals.bins]
    axes.axhline(0, color=QUIET, linewidth=1, linestyle="--")
    axes.vlines(
        centres,
        [one.low for one in residuals.bins],
        [one.high for one in residuals.bins],
        color=ACCENT,
        alpha=0.35,
        linewidth=5,
    )
    axes.plot(
        centres,
        [one.middle for one in residuals.bins],
        color=ACCENT,
        marker="o",
        markersize=4,
        linewidth=1,
    )
    _thousands(axes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("observed − predicted")
    return _svg(figure)


def importance_plot(evaluation: Evaluation) -> str:
    """Draw how much the metric loses when each column is shuffled, the largest loss first."""
    ordered = sorted(evaluation.importance.items(), key=lambda item: -item[1])[:SHOWN_COLUMNS]
    figure, axes = _figure(FRAME_INCHES + ROW_INCHES * len(ordered))
    suspects = {leak.column for leak in evaluation.leaks if leak.level == "suspicious"}
    colours = [BAD if name in suspects else ACCENT for name, _ in ordered]
    axes.barh(range(len(ordered)), [loss for _, loss in ordered], color=colours, height=0.6)
    _thousands_below(axes)
    _name_rows(axes, [name for name, _ in ordered])
    axes.set_xlabel(f"loss of {evaluation.metric} when the column is shuffled")
    return _svg(figure)


def _axis(metric: str) -> str:
    better = "more" if METRICS[metric].greater_is_better else "less"
    return f"{metric} on the holdout ({better} is better)"


def _label(one: SliceResult) -> str:
    return f"{one.column} = {one.value}  ({one.rows:,})"


def _dots(
    rows: Sequence[tuple[str, float, float | None, float | None]],
    *,
    marked: str | None,
    xlabel: str,
    lines: Sequence[tuple[float, str, str]] = (),
) -> str:
    figure, axes = _figure(FRAME_INCHES + ROW_INCHES * len(rows) + 0.25 * bool(lines))
    for position, (name, value, low, high) in enumerate(rows):
        colour = ACCENT if marked in (name, None) else QUIET
        if low is not None and high is not None:
            axes.plot(
                [low, high], [position, position], color=colour, linewidth=2, solid_capstyle="round"
            )
        axes.plot([value], [position], marker="o", color=colour, markersize=6)
    for value, name, colour in lines:
        axes.axvline(value, color=colour, linewidth=1, linestyle="--", label=name)
    if lines:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=8)
    _thousands_below(axes)
    _name_rows(axes, [row[0] for row in rows])
    axes.set_xlabel(xlabel)
    return _svg(figure)


def _name_rows(axes: "Axes", names: Sequence[str]) -> None:
    # A dollar sign is no formula.
    axes.set_yticks(range(len(names)), [one_line(name) for name in names], parse_math=False)
    axes.set_ylim(len(names) - 0.5, -0.5)


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """Return the values' range, widened a little, so that both axes can show it."""
    low, high = min(values), max(values)
    padding = 0.05 * (high - low) or 1.0
    return low - padding, high + padding


def _square(axes: "Axes", ends: tuple[float, float]) -> None:
    """Show the same range on both axes.

    Of probabilities it is the whole range, so that a small error looks small.
    """
    padding = 0.02 * (ends[1] - ends[0])
    axes.set_xlim(ends[0] - padding, ends[1] + padding)
    axes.set_ylim(ends[0] - padding, ends[1] + padding)
    axes.set_aspect("equal")
    axes.locator_params(nbins=5)
    _thousands(axes)


def _thousands(axes: "Axes") -> None:
    """Write numbers as the page does: 250,000 and not 2.5e5."""
    axes.yaxis.set_major_formatter(lambda value, _: in_words(float(value)))
    _thousands_below(axes)


def _thousands_below(axes: "Axes") -> None:
    axes.xaxis.set_major_formatter(lambda value, _: in_words(float(value)))


def _figure(height: float, *, width: float = WIDTH_INCHES) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.grid(axis="both", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(colors=INK, labelsize=9, length=0)
    return figure, axes


def _svg(figure: Any) -> str:
    import matplotlib as mpl

    text = io.StringIO()
    with (
        mpl.rc_context(
            {"svg.fonttype": "none", "font.family": "sans-serif", "svg.hashsalt": "titlebout"}
        ),
        warnings.catch_warnings(),
    ):
        # The browser draws the text with its own fonts.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    drawn = text.getvalue()
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn[drawn.index("<svg") :], flags=re.DOTALL)
    # matplotlib names single fonts. The page's replace them, and the browser scales the figure.
    drawn = re.sub(
        r'(<svg[^>]*?) width="[^"]*"',
        r"\1",
        re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", drawn, count=1),
        count=1,
    )
    return re.sub(r"font: ([\d.]+px)[^;\"]*", r"font: \1 system-ui, sans-serif", drawn)
