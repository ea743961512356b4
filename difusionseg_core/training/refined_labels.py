"""Class maps that a trained network and people's bounding boxes make together (self-training)."""

from __future__ import annotations

import numpy as np

from difusionseg_core.classes import IGNORE
from difusionseg_core.data.boxes import BOX_CLASSES, Box

_OBJECTS = tuple(BOX_CLASSES.values())
_LIKELY = 0.5
_LEAST_SHARE = 0.4  # of a box's pixels that carry its class in the end
_SEEN_SHARE = 0.1  # below it the network has seen nothing of the object
_OPEN = 0.15  # from this probability on a pixel beside a half-seen object may belong to it
_MIDDLE_WEIGHT = 0.3  # of the middle of a box beside the network's probability
_MARGIN = 2  # pixels by which an object may reach beyond its box


def refine_labels(probabilities: np.ndarray, labels: np.ndarray, boxes: list[Box]) -> np.ndarray:
    """A class map (H, W) uint8 from a network's `probabilities` (K, H, W) float32 in 0..1.

    A pixel takes its likeliest class and is left open (255) where none reaches a half. Persons,
    bikes and cars are bound by the boxes: outside all boxes of its class there is none. In every
    box at least 40 % of the pixels are of its class: the likeliest ones, or those in its middle
    where the network sees nothing; the rest of such a box is left open. An image without any box
    was passed over by the people who drew boxes, and is the network's alone. Other classes are
    those of the map that was there, `labels`, and left open where only the network sees them.
    """
    bound = probabilities.copy()
    if boxes:
        for label in _OBJECTS:
            bound[label][~_covered(labels.shape, boxes, label)] = 0
        bound /= bound.sum(0).clip(1e-6)
    refined = _likeliest(bound)
    refined[~np.isin(refined, (0, *_OBJECTS))] = IGNORE
    known = ~np.isin(labels, (0, IGNORE, *_OBJECTS)) & ~np.isin(refined, _OBJECTS)
    refined[known] = labels[known]

    for box in sorted(boxes, key=lambda box: box.bottom):  # near objects last, they hide far ones
        _fill(box, refined, bound)
    return refined


def _covered(shape: tuple[int, int], boxes: list[Box], label: int) -> np.ndarray:
    covered = np.zeros(shape, bool)
    for box in boxes:
        if box.label == label:
            box.inside(covered, _MARGIN)[:] = True
    return covered


def _likeliest(probabilities: np.ndarray) -> np.ndarray:
    classes = probabilities.argmax(0).astype(np.uint8)
    classes[probabilities.max(0) < _LIKELY] = IGNORE
    return classes


def _fill(box: Box, refined: np.ndarray, probabilities: np.ndarray) -> None:
    """Give a box its least share of its class, in place."""
    patch, likely = box.inside(refined), box.inside(probabilities[box.label])
    share = (patch == box.label).mean()
    others = [label for label in _OBJECTS if label != box.label]
    free = ~(np.isin(patch, others) & (box.inside(probabilities[others].max(0)) > _LIKELY))
    count = min(int(_LEAST_SHARE * patch.size), np.count_nonzero(free))
    if share >= _LEAST_SHARE or not count:
        return
    score = np.where(free, likely + _MIDDLE_WEIGHT * _middle(patch.shape), -1)
    chosen = free & (score >= np.partition(score, -count, axis=None)[-count])
    open_from = 0 if share < _SEEN_SHARE else _OPEN
    patch[free & (patch != box.label) & (likely >= open_from)] = IGNORE
    patch[chosen] = box.label


def _middle(shape: tuple[int, int]) -> np.ndarray:
    """1 in the middle, falling towards the edges as a standing object does."""
    y, x = ((np.arange(side) + 0.5) / side * 2 - 1 for side in shape)
    return np.exp(-(y[:, None] ** 2 / 0.8 + x**2 / 0.6))
