"""Charts as PNG files in memory, in one look; drawn without a display."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

_DPI = 120
_STYLE: dict[RcKeyType, object] = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#9aa3af",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e9ee",
    "xtick.color": "#5c6675",
    "ytick.color": "#5c6675",
}
_COLORS = ("#2b6cb0", "#d9822b", "#2f855a", "#9b2c2c", "#6b46c1", "#4a5568")
_BINS = 20
_COLUMNS = 3


def histograms(values: Mapping[str, Sequence[float]]) -> bytes:
    """Draw a small histogram for each list of numbers, under its name, with the mean marked."""
    rows = -(-len(values) // _COLUMNS)

    def draw(figure: Figure) -> None:
        grid = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
        for axes, (name, numbers) in zip(grid, values.items(), strict=False):
            axes.hist(numbers, bins=_BINS, color=_COLORS[0])
            mean = float(np.mean(numbers))
            axes.axvline(mean, color=_COLORS[1])
            axes.set_title(f"{name}, mean {mean:.3g}")
            axes.locator_params(axis="x", nbins=5)
            axes.locator_params(axis="y", integer=True)
        for axes in grid[len(values) :]:
            axes.set_axis_off()

    return _png(9, 1.9 * rows, draw)


def confusion(shares: np.ndarray, names: Sequence[str]) -> bytes:
    """Draw a confusion matrix (K, K) of shares 0..1, rows by truth; NaN rows stay empty."""
    side = 1.8 + 0.45 * len(names)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        axes.grid(False)
        for row, column in np.argwhere(shares >= 0.0005):
            share = shares[row, column]
            color = "white" if share > 0.6 else "black"
            text = f"{100 * share:.0f}" if share >= 0.0995 else f"{100 * share:.1f}"
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=8)

    return _png(side, side, draw)


def reliability(confidence: np.ndarray, accuracy: np.ndarray, share: np.ndarray) -> bytes:
    """Draw accuracy over confidence by bin, (M,) 0..1, and the share of pixels in each bin."""
    edges = np.linspace(0, 1, len(share) + 1)
    filled = share > 0

    def draw(figure: Figure) -> None:
        upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": (3, 1)})
        upper.plot((0, 1), (0, 1), color="#9aa3af", linestyle="--", label="calibrated")
        upper.plot(confidence[filled], accuracy[filled], "o-", color=_COLORS[0], label="this model")
        upper.set_ylabel("accuracy")
        upper.set_ylim(0, 1.02)
        upper.legend(frameon=False)
        lower.bar(edges[:-1], share, width=np.diff(edges), align="edge", color=_COLORS[0])
        lower.set_ylabel("share of pixels")
        lower.set_xlabel("confidence")
        lower.set_xlim(0, 1)

    return _png(5, 4, draw)


def time_lines(
    lines: Mapping[str, Mapping[str, tuple[ArrayLike, ArrayLike]]],
    unit: str = "time [s]",
) -> bytes:
    """Draw charts over one time axis, from chart name -> line name -> (times, values).

    A chart with a single line has no legend. Gaps in a line are not-a-number values.
    """

    def draw(figure: Figure) -> None:
        grid = figure.subplots(len(lines), 1, sharex=True, squeeze=False).ravel()
        for axes, (name, of_chart) in zip(grid, lines.items(), strict=True):
            for index, (label, (times, values)) in enumerate(of_chart.items()):
                color = _COLORS[index % len(_COLORS)]
                axes.plot(times, values, color=color, label=label, linewidth=1.2, marker=".", ms=3)
            axes.set_title(name, loc="left")
            if len(of_chart) > 1:
                axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
        grid[-1].set_xlabel(unit)

    return _png(9, 0.4 + 1.6 * len(lines), draw)


def intervals(rows: Mapping[str, tuple[float, float, float]], unit: str) -> bytes:
    """Draw estimates with their intervals, (low, middle, high) a row, against a line at zero."""
    low, middle, high = np.array(list(rows.values())).T
    places = np.arange(len(rows))

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        errors = (middle - low, high - middle)
        axes.errorbar(middle, places, xerr=errors, fmt="o", color=_COLORS[0], capsize=3)
        axes.axvline(0, color="#9aa3af", linestyle="--")
        axes.set_yticks(places, list(rows))
        axes.invert_yaxis()
        axes.set_xlabel(unit)

    return _png(7, 0.9 + 0.3 * len(rows), draw)


def _png(width: float, height: float, draw: Callable[[Figure], None]) -> bytes:
    """Return a PNG file of `width` x `height` inches that `draw` has drawn on."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
        draw(figure)
        file = io.BytesIO()
        # Without matplotlib's version in it, so that equal charts are equal files.
        figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
