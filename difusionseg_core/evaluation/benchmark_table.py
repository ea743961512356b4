"""Measured times of configurations as a Markdown table, as `docs/performance.md` shows them."""

from __future__ import annotations

from collections.abc import Sequence

from difusionseg_core.evaluation.benchmark import Configuration, Measurement

_LAST = ("postprocess", "total")


def table(configurations: Sequence[Configuration], measurements: Sequence[Measurement]) -> str:
    """Return one column per configuration, one row per part of a frame, in milliseconds."""
    heads = [_name(*each) for each in zip(configurations, measurements, strict=True)]
    # Configurations differ in their parts: PyTorch has several, other backends the whole network.
    middle = {part: None for result in measurements for part in result.seconds if part not in _LAST}
    parts = [*middle, *_LAST]
    rows = [["median [ms]", *heads], ["---"] * (1 + len(heads))]
    rows += [[part, *(_milliseconds(result, part) for result in measurements)] for part in parts]
    spread = (f"{1e3 * min(r.totals):.1f} to {1e3 * max(r.totals):.1f}" for r in measurements)
    rows.append(["total, least to most", *spread])
    rows.append(["frames/s", *(f"{1 / result.seconds['total']:.2f}" for result in measurements)])
    rows.append(["peak memory [MB]", *(f"{result.peak_rss_mb:.0f}" for result in measurements)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def compared(ratio: float) -> str:
    """Return a sentence on how many times as fast the second configuration is."""
    if ratio >= 1:
        return f"the second is {ratio:.2f} times faster than the first"
    return f"the second is {1 / ratio:.2f} times slower than the first"


def _name(what: Configuration, result: Measurement) -> str:
    steps = "" if what.steps is None else f", steps {what.steps}"
    used = ", ".join(result.used.values())
    return f"{what.model}, {what.height}x{what.width}, {used}{steps}"


def _milliseconds(result: Measurement, part: str) -> str:
    return f"{1e3 * result.seconds[part]:.1f}" if part in result.seconds else ""
