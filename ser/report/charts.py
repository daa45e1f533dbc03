"""Charts as SVG that takes the page's colours and says its values under the pointer, with its data for a download."""

import csv
import io as streams
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import quote

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy.typing import NDArray

Point = tuple[float, float, float]  # a value, and its interval
INK = "#010203"  # stands for the page's text colour
COLOURS = ("#3b82c4", "#e07b39", "#4c9f70", "#9467bd")
MAP_CELLS = (24, 16)  # stretches of time and of bands that the values of a map are means over


@dataclass(frozen=True)
class Chart:
    """A picture, and what it shows.

    Attributes
    ----------
    svg : markup
    header, rows : the values, for those who want to draw them themselves
    """

    svg: str
    header: Sequence[str]
    rows: Sequence[Sequence]

    @property
    def data(self) -> str:
        """The values as CSV, in an address that needs no network."""
        text = streams.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.header, *self.rows])
        return f"data:text/csv;charset=utf-8,{quote(text.getvalue())}"


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


def _svg(
    figure: Figure, said: str, points: dict[str, list[str]] | None = None, groups: dict[str, str] | None = None
) -> str:
    """The figure without a background, its ink in the page's colour; equal figures give equal text.

    Parameters
    ----------
    said : what the chart is called by those who hear the page
    points : what each marker of a line says under the pointer, by the line's identifier
    groups : what a bar or a map says under the pointer, by its identifier
    """
    target = streams.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "ser"}):
        figure.savefig(target, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = target.getvalue()[target.getvalue().index("<svg") :]
    text = re.sub(
        r'<svg ([^>]*?)width="[^"]*" height="[^"]*"',
        lambda found: f'<svg role="img" aria-label="{escape(said, quote=True)}" {found[1]}',
        text,
        count=1,
    )
    for name, titles in (points or {}).items():
        before, group, after = text.partition(f'<g id="{name}">')
        parts = re.split(r"(<use [^>]*)/>", after, maxsplit=len(titles))
        for place, title in enumerate(titles):
            parts[2 * place + 1] += f"><title>{escape(title)}</title></use>"
        text = before + group + "".join(parts)
    for name, title in (groups or {}).items():
        text = text.replace(f'<g id="{name}">', f'<g id="{name}"><title>{escape(title)}</title>', 1)
    return text.replace(INK, "currentColor")


def lines(
    series: dict[str, tuple[list[float], list[float]]],
    *,
    x: str,
    y: str,
    diagonal: bool = False,
    limits: tuple[float, float] | None = None,
    mark: float | None = None,
) -> Chart:
    """Lines by name, each of x and y values; ``mark`` is a place on x to show."""
    figure, axes = _figure()
    if diagonal:
        axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
    points = {}
    for number, (name, (horizontal, vertical)) in enumerate(series.items()):
        axes.plot(horizontal, vertical, label=name, linewidth=1.6, marker="o", markersize=2.5, gid=f"line{number}")
        pairs = zip(horizontal, vertical, strict=True)
        points[f"line{number}"] = [f"{name}: {x} {left:g}, {y} {up:.3f}" for left, up in pairs if np.isfinite(up)]
    if mark is not None:
        axes.axvline(mark, color=INK, linewidth=0.8, linestyle=":")
    _label(axes, x=x, y=y)
    if limits:
        axes.set_ylim(*limits)
    axes.legend(frameon=False, labelcolor=INK)
    rows = [[name, left, up] for name, pair in series.items() for left, up in zip(*pair, strict=True)]
    return Chart(_svg(figure, f"{y} by {x}: {', '.join(series)}", points), ("line", x, y), rows)


def bars(values: dict[str, float], *, x: str) -> Chart:
    """Horizontal bars, the first on top, each with its value."""
    figure, axes = _figure(height=0.6 + 0.42 * len(values))
    drawn = axes.barh(list(values), list(values.values()), color=COLOURS[0])
    axes.bar_label(drawn, fmt="{:+.3f}", color=INK, padding=3)
    for number, bar in enumerate(drawn):
        bar.set_gid(f"bar{number}")
    axes.margins(x=0.15)
    axes.invert_yaxis()
    axes.axvline(0, color=INK, linewidth=0.8)
    _label(axes, x=x, y="")
    said = [f"{name} {value:+.3f}" for name, value in values.items()]
    groups = {f"bar{number}": f"{x}, {one}" for number, one in enumerate(said)}
    return Chart(_svg(figure, f"{x}: {', '.join(said)}", groups=groups), ("", x), list(values.items()))


def points_with_intervals(
    groups: list[str],
    series: dict[str, list[Point | None]],
    *,
    x: str,
    reference: float,
    inches: float = 0.62,
) -> Chart:
    """A point and its interval for each series in each group, groups from top to bottom; ``None`` leaves one out.

    Parameters
    ----------
    series : by name, ``(value, low, high)`` of each group
    reference : a vertical line
    inches : height of a group
    """
    figure, axes = _figure(height=0.8 + inches * len(groups))
    points, rows = {}, []
    for number, (name, values) in enumerate(series.items()):
        offset = 0.7 * ((number + 0.5) / len(series) - 0.5)
        given = [(row + offset, *value) for row, value in enumerate(values) if value is not None]
        if not given:
            continue
        place, middle, low, high = (np.array(column) for column in zip(*given, strict=True))
        spread = np.maximum([middle - low, high - middle], 0)
        drawn = axes.errorbar(middle, place, xerr=spread, fmt="o", markersize=4, linewidth=1.4, label=name)
        drawn.lines[0].set_gid(f"points{number}")
        own = [[name, group, *value] for group, value in zip(groups, values, strict=True) if value is not None]
        points[f"points{number}"] = [f"{group}, {name}: {a:.3f} ({b:.3f} to {c:.3f})" for _, group, a, b, c in own]
        rows += own
    axes.axvline(reference, color=INK, linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(groups)), groups)
    axes.set_xlim(0, 1)
    axes.invert_yaxis()
    _label(axes, x=x, y="")
    if len(series) > 1:
        axes.legend(frameon=False, labelcolor=INK, loc="upper left", bbox_to_anchor=(1, 1))
    svg = _svg(figure, f"{x} of {', '.join(series)}, with intervals, by: {', '.join(groups)}", points)
    return Chart(svg, ("of", "", x, "low", "high"), rows)


def maps(pictures: dict[str, NDArray[np.float32]], *, seconds: float) -> Chart:
    """Maps ``(frames, mels)`` side by side on one scale, red where a value is above 0; their values in coarse cells."""
    columns = 3
    rows = -(-len(pictures) // columns)
    figure = Figure(figsize=(8, 2.1 * rows), layout="constrained")
    FigureCanvasSVG(figure)
    limit = max(float(np.abs(picture).max()) for picture in pictures.values()) or 1.0
    values: list[list] = []
    groups = {}
    for number, (name, picture) in enumerate(pictures.items()):
        axes = figure.add_subplot(rows, columns, number + 1)
        axes.set_gid(f"map{number}")
        cells = list(_cells(picture, seconds))
        start, end, low, high, most = max(cells, key=lambda cell: cell[4])
        groups[f"map{number}"] = f"{name}: most at {start} to {end} s, mel bands {low} to {high}, {most:+.3f}"
        values += [[name, *cell] for cell in cells]
        extent = (0, seconds, 0, picture.shape[1])
        axes.imshow(picture.T, origin="lower", aspect="auto", cmap="RdBu_r", vmin=-limit, vmax=limit, extent=extent)
        axes.set_title(name, color=INK, fontsize=10)
        axes.tick_params(colors=INK, labelsize=7)
    figure.supxlabel("seconds", color=INK, fontsize=9)
    figure.supylabel("mel band", color=INK, fontsize=9)
    svg = _svg(figure, f"maps over seconds and mel bands: {', '.join(pictures)}", groups=groups)
    return Chart(svg, ("", "start_seconds", "end_seconds", "first_band", "last_band", "value"), values)


def _cells(picture: NDArray[np.float32], seconds: float) -> Iterator[tuple[float, float, int, int, float]]:
    """Means of a map over ``MAP_CELLS``: start and end in seconds, first and last band, value."""
    frames, bands = picture.shape
    for time in np.array_split(np.arange(frames), min(frames, MAP_CELLS[0])):
        for band in np.array_split(np.arange(bands), min(bands, MAP_CELLS[1])):
            mean = picture[time[0] : time[-1] + 1, band[0] : band[-1] + 1].mean()
            start, end = (round(seconds * float(edge) / frames, 3) for edge in (time[0], time[-1] + 1))
            yield start, end, int(band[0]), int(band[-1]), round(float(mean), 5)


def _label(axes, *, x: str, y: str) -> None:
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
