"""Figures about many numbers, and faults counted by their text."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import ArrayLike

_PERCENTILES = {"min": 0, "p5": 5, "median": 50, "p95": 95, "max": 100}
_DIFFERENT_FAULTS = 20  # faults kept by text; a complete recording may have any number


def distribution(values: ArrayLike) -> dict[str, float] | None:
    """Return minimum, 5th percentile, median, 95th percentile and maximum; signed if `values` are.

    Values that are not finite are left out; None if there are no others.
    """
    numbers = np.asarray(values, np.float64)
    numbers = numbers[np.isfinite(numbers)]
    if not numbers.size:
        return None
    found = np.percentile(numbers, list(_PERCENTILES.values()))
    return dict(zip(_PERCENTILES, found.tolist(), strict=True))


def milliseconds(nanoseconds: ArrayLike) -> dict[str, float] | None:
    """Return `distribution`, in milliseconds."""
    return distribution(np.asarray(nanoseconds, np.int64) / 1e6)


class Faults:
    """Faults of a recording's messages, counted by kind."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, topic: str, reason: object) -> None:
        """Count a fault of a message on a topic."""
        line = " ".join(f"{topic}: {reason}".split())
        if line not in self._counts and len(self._counts) >= _DIFFERENT_FAULTS:
            line = "more faults of other kinds"
        self._counts[line] += 1

    def lines(self) -> list[str]:
        """Return one line per kind of fault, in the order of first appearance."""
        return [f"{line} ({count}x)" if count > 1 else line for line, count in self._counts.items()]
