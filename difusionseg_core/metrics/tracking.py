"""ID switches of tracked objects, as CLEAR MOT counts them (Bernardin and Stiefelhagen, 2008)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from difusionseg_core.metrics.box_f1 import SMALLEST_SIDE

_LEAST_OVERLAP = 0.5  # IoU from which a found box is that of an annotated one


class IdentifiedBox(NamedTuple):
    """A box of class `label` in pixels, with the identity of its object; "" if it has none."""

    label: int
    identity: str
    x: float
    y: float
    width: float
    height: float


class TrackingScores:
    """Compares the ids of found boxes with known identities, frame after frame.

    An annotated box with both sides of 12 px or more is found if a box of its class overlaps it by
    an IoU of 0.5 or more; each box is used once, for the object that had its id before, then for
    the one with the largest overlap. A switch is an object whose id differs from its last one.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[int, str], str] = {}
        self._objects: set[tuple[int, str]] = set()
        self._counts: dict[str, Counter[int]] = {
            name: Counter() for name in ("boxes", "found", "id_switches")
        }

    def add(self, found: Sequence[IdentifiedBox], truths: Sequence[IdentifiedBox]) -> None:
        """Compare the found boxes of a frame with the annotated ones."""
        truths = [one for one in truths if min(one.width, one.height) >= SMALLEST_SIDE]
        pairs = []
        for truth in truths:
            self._objects.add((truth.label, truth.identity))
            self._counts["boxes"][truth.label] += 1
            known = self._last.get((truth.label, truth.identity))
            for index, one in enumerate(found):
                overlap = _iou(one, truth) if one.label == truth.label else 0.0
                if overlap >= _LEAST_OVERLAP:
                    is_same = known is not None and one.identity == known
                    pairs.append((is_same, overlap, index, truth))
        free = set(range(len(found)))
        matched: set[tuple[int, str]] = set()
        for _, _, index, truth in sorted(pairs, key=lambda pair: pair[:2], reverse=True):
            key = truth.label, truth.identity
            if index in free and key not in matched:
                free.remove(index)
                matched.add(key)
                self._match(key, found[index].identity)

    def report(self, names: Sequence[str]) -> dict[str, dict[str, int]]:
        """Objects, their boxes, the found ones and ID switches by class; `names` by class id."""
        labels = sorted({label for label, _ in self._objects})
        return {
            names[label]: {
                "objects": sum(one == label for one, _ in self._objects),
                **{name: counts[label] for name, counts in self._counts.items()},
            }
            for label in labels
        }

    def _match(self, key: tuple[int, str], identity: str) -> None:
        self._counts["found"][key[0]] += 1
        if not identity:
            return
        self._counts["id_switches"][key[0]] += self._last.get(key, identity) != identity
        self._last[key] = identity


def _iou(a: IdentifiedBox, b: IdentifiedBox) -> float:
    first = np.maximum((a.x, a.y), (b.x, b.y))
    last = np.minimum((a.x + a.width, a.y + a.height), (b.x + b.width, b.y + b.height))
    shared = float((last - first).clip(min=0).prod())
    return shared / (a.width * a.height + b.width * b.height - shared)
