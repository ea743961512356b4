"""The page of several evaluations side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from difusionseg_core.evaluation.comparison import (
    CONFIDENCE,
    LOWER_IS_BETTER,
    RESAMPLES,
    Comparison,
    Difference,
)
from difusionseg_core.evaluation.metric_terms import TERMS
from difusionseg_core.report import charts
from difusionseg_core.report.document import Figure, Legend, Report, Section, Table

_LISTED = 5
"""Number of images that gained most, and of those that lost most."""
_SHARES: tuple[str, ...] = (
    "mIoU",
    "mIoU_without_0",
    "mAcc",
    "accuracy",
    "fwIoU",
    "boundary_F1",
    "box_F1",
    "AP50",
)
_SHARES += ("Qabf", "SSIM", "MS_SSIM", "CC")
"""Metrics of similar scale, whose differences fit into one chart."""
NO_FIGURES: Mapping[str, Sequence[Figure | Legend | str]] = MappingProxyType({})


def comparison_page(
    comparison: Comparison, figures: Mapping[str, Sequence[Figure | Legend | str]] = NO_FIGURES
) -> Report:
    """Return scores, differences to the first evaluation, and the images that differ most.

    `figures` show these images, by the name of the evaluation.
    """
    names = list(next(iter(comparison.scores.values())))
    sections = [Section("Scores", [scores_table(comparison)])]
    for name in names[1:]:
        differences = {key: of_one[name] for key, of_one in comparison.differences.items()}
        chart = (
            charts.intervals(
                {
                    key: (one.low, one.value, one.high)
                    for key, one in differences.items()
                    if key in _SHARES
                },
                f"difference to {names[0]}",
            )
            if any(key in _SHARES for key in differences)
            else None
        )
        parts: list[str | Table | Figure | Legend] = [_differences(differences)]
        if chart:
            caption = f"{name} minus {names[0]}, with {CONFIDENCE:.0%} intervals."
            file = f"differences_{names.index(name)}.png"
            parts.append(Figure(file, chart, caption))
        if comparison.ranked_by:
            parts.append(_images(comparison, name))
        parts += figures.get(name, ())
        sections.append(Section(f"{name} against {names[0]}", parts))
    left_out = f"; {comparison.left_out} others left out" * bool(comparison.left_out)
    return Report(
        title="Comparison of " + ", ".join(names),
        subtitle=f"{comparison.images} images in common{left_out}",
        sections=sections,
        terms=TERMS,
    )


def scores_table(comparison: Comparison) -> Table:
    """Return a row per metric, a column per evaluation; a star marks the best of unequal values."""
    names = list(next(iter(comparison.scores.values())))
    rows = []
    for metric, scores in comparison.scores.items():
        best = (min if metric in LOWER_IS_BETTER else max)(scores.values())
        alone = list(scores.values()).count(best) == 1
        rows.append(
            [metric]
            + [f"{value:.4f}{' *' if alone and value == best else ''}" for value in scores.values()]
        )
    return Table(["", *names], rows, "* best; all but MSE are better when higher.")


def _differences(differences: dict[str, Difference]) -> Table:
    rows = [
        [
            metric,
            f"{one.value:+.4f}",
            f"{one.low:+.4f} to {one.high:+.4f}",
            verdict(one, metric),
            f"{one.better} better, {one.worse} worse of {one.images}" if one.images else "–",
        ]
        for metric, one in differences.items()
    ]
    note = (
        f"Intervals at {CONFIDENCE:.0%}: paired bootstrap over images, {RESAMPLES} resamples. They "
        "estimate the range for other images of the same kind, for one metric at a time."
    )
    return Table(["", "difference", "interval", "", "single images"], rows, note)


def verdict(one: Difference, metric: str) -> str:
    """Return whether the interval excludes zero, and on which side."""
    if one.low <= 0 <= one.high:
        return "no difference"
    return "better" if (one.value > 0) != (metric in LOWER_IS_BETTER) else "worse"


def _images(comparison: Comparison, name: str) -> Table:
    gains = comparison.largest[name]
    shown = gains if len(gains) <= 2 * _LISTED else gains[:_LISTED] + gains[-_LISTED:]
    rows = [[image, f"{gain:+.4f}"] for image, gain in shown]
    note = "The images that gained and lost most."
    return Table(["image", f"difference in {comparison.ranked_by}"], rows, note)
