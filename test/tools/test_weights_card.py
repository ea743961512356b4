"""The figures of a card: means over annotated classes, with intervals."""

from __future__ import annotations

import numpy as np
import pytest

from tools.weights_card import six_classes, with_interval


def _confusion(car: int, taken_for_cone: int) -> np.ndarray:
    confusion = np.zeros((9, 9), np.int64)
    confusion[1, 1], confusion[1, 7] = car, taken_for_cone
    return confusion


def test_a_class_without_annotations_does_not_lower_the_mean_of_six() -> None:
    assert six_classes(_confusion(80, 20)) == pytest.approx(0.8)


def test_intervals_come_from_the_differences_between_images() -> None:
    same = with_interval(np.stack([_confusion(80, 20)] * 5))
    assert same[0] == same[2] == "0.800 (0.80 to 0.80)" and same[3] == "none"
    several = with_interval(np.stack([_confusion(value, 100 - value) for value in (50, 70, 90)]))
    assert several[2] == "0.700 (0.50 to 0.90)"
