"""Charts as SVG text that takes the colours of the page it stands in."""

import io as streams
import re
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy.typing import NDArray

Point = tuple[float, float, float]  # a value, and its interval
INK = "#010203"  # stands for the page's text colour
COLOURS = ("#3b82c4", "#e07b39", "#4c9f70", "#9467bd")


def _figure(width: float = 6.4, height: float = 3.4) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    for spine in axes.spines.values():
        spine.set_color(INK)
    axes.tick_params(colors=INK)
    axes.set_prop_cycle(color=COLOURS)
    return figure, axes


def _svg(figure: Figure, said: str) -> str:
    """The figure without a background, its ink in the page's colour; equal figures give equal text."""
    target = streams.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "ser"}):
        figure.savefig(target, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = target.getvalue()[target.getvalue().index("<svg") :]
    text = re.sub(
        r'<svg ([^>]*?)width="[^"]*" height="[^"]*"',
        rf'<svg role="img" aria-label="{escape(said, quote=True)}" \1',
        text,
        count=1,
    )
    return text.replace(INK, "currentColor")


def lines(
    series: dict[str, tuple[list[float], list[float]]],
    *,
    x: str,
    y: str,
    diagonal: bool = False,
    limits: tuple[float, float] | None = None,
    mark: float | None = None,
) -> str:
    """Lines by name, each of x and y values; ``mark`` is a place on x to show."""
    figure, axes = _figure()
    if diagonal:
        axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
    for name, (horizontal, vertical) in series.items():
        axes.plot(horizontal, vertical, label=name, linewidth=1.6)
    if mark is not None:
        axes.axvline(mark, color=INK, linewidth=0.8, linestyle=":")
    _label(axes, x=x, y=y)
    if limits:
        axes.set_ylim(*limits)
    axes.legend(frameon=False, labelcolor=INK)
    return _svg(figure, f"{y or 'value'} by {x}: {', '.join(series)}")


def bars(values: dict[str, float], *, x: str) -> str:
    """Horizontal bars, the first on top."""
    figure, axes = _figure(height=0.6 + 0.42 * len(values))
    axes.barh(list(values), list(values.values()), color=COLOURS[0])
    axes.invert_yaxis()
    axes.axvline(0, color=INK, linewidth=0.8)
    _label(axes, x=x, y="")
    said = ", ".join(f"{name} {value:.3f}" for name, value in values.items())
    return _svg(figure, f"{x}: {said}")


def points_with_intervals(
    groups: list[str],
    series: dict[str, list[Point | None]],
    *,
    x: str,
    reference: float,
    inches: float = 0.62,
) -> str:
    """A point and its interval for each series in each group, groups from top to bottom; ``None`` leaves one out.

    Parameters
    ----------
    series : by name, ``(value, low, high)`` of each group
    reference : a vertical line
    inches : height of a group
    """
    figure, axes = _figure(height=0.8 + inches * len(groups))
    for number, (name, values) in enumerate(series.items()):
        offset = 0.7 * ((number + 0.5) / len(series) - 0.5)
        given = [(row + offset, *value) for row, value in enumerate(values) if value is not None]
        place, middle, low, high = (np.array(column) for column in zip(*given, strict=True))
        spread = np.maximum([middle - low, high - middle], 0)
        axes.errorbar(middle, place, xerr=spread, fmt="o", markersize=4, linewidth=1.4, label=name)
    axes.axvline(reference, color=INK, linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(groups)), groups)
    axes.set_xlim(0, 1)
    axes.invert_yaxis()
    _label(axes, x=x, y="")
    axes.legend(frameon=False, labelcolor=INK, loc="upper left", bbox_to_anchor=(1, 1))
    return _svg(figure, f"{x} of {', '.join(series)}, with intervals, by: {', '.join(groups)}")


def maps(pictures: dict[str, NDArray[np.float32]], *, seconds: float) -> str:
    """Maps ``(frames, mels)`` side by side on one scale, red where a value is above 0."""
    columns = 3
    rows = -(-len(pictures) // columns)
    figure = Figure(figsize=(8, 2.1 * rows), layout="constrained")
    FigureCanvasSVG(figure)
    limit = max(float(np.abs(picture).max()) for picture in pictures.values()) or 1.0
    for number, (name, picture) in enumerate(pictures.items()):
        axes = figure.add_subplot(rows, columns, number + 1)
        extent = (0, seconds, 0, picture.shape[1])
        axes.imshow(picture.T, origin="lower", aspect="auto", cmap="RdBu_r", vmin=-limit, vmax=limit, extent=extent)
        axes.set_title(name, color=INK, fontsize=10)
        axes.tick_params(colors=INK, labelsize=7)
    figure.supxlabel("seconds", color=INK, fontsize=9)
    figure.supylabel("mel band", color=INK, fontsize=9)
    return _svg(figure, f"maps over seconds and mel bands: {', '.join(pictures)}")


def _label(axes, *, x: str, y: str) -> None:
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
