"""Boxes and scores of the object head, corrected by the mask."""

import numpy as np
import pytest

from difusionseg_core.objects import DetectedObject
from difusionseg_core.objects.mask_agreement import fit_to_mask

PERSON, BIKE = 2, 3
STRIDE = 2


def mask(label, left, top, right, bottom):
    """(48, 64) mask at every second pixel of a 96x128 image; sides in pixels of the image."""
    labels = np.zeros((48, 64), np.uint8)
    labels[top // STRIDE : bottom // STRIDE, left // STRIDE : right // STRIDE] = label
    return labels


def test_a_box_that_agrees_keeps_its_sides_and_score():
    found = DetectedObject(PERSON, 0.6, 40, 20, 20, 60)
    (fitted,) = fit_to_mask([found], mask(PERSON, 40, 20, 60, 80), STRIDE)
    assert fitted == pytest.approx(found._replace(score=0.6 ** (2 / 3)))


def test_sides_move_half_of_the_way_to_the_mask():
    found = DetectedObject(PERSON, 0.6, 40, 20, 20, 60)
    (fitted,) = fit_to_mask([found], mask(PERSON, 42, 24, 62, 76), STRIDE)
    assert fitted[2:] == pytest.approx((41, 22, 20, 56))


@pytest.mark.parametrize("label", [PERSON, BIKE])
def test_objects_that_the_mask_does_not_show_are_left_out(label):
    found = DetectedObject(label, 0.9, 10, 20, 20, 60)
    assert fit_to_mask([found], mask(PERSON, 40, 20, 60, 80), STRIDE) == []


def test_the_order_follows_the_corrected_scores():
    shown = DetectedObject(PERSON, 0.4, 40, 20, 20, 60)
    hardly = DetectedObject(PERSON, 0.6, 0, 20, 41, 60)
    fitted = fit_to_mask([hardly, shown], mask(PERSON, 40, 20, 60, 80), STRIDE)
    assert [one.x for one in fitted] == [40, 0]
    assert fitted[1].width == 41  # too little of it is shown to move the sides


def test_boxes_at_the_border_and_smaller_than_a_cell_are_kept():
    labels = mask(PERSON, 0, 0, 128, 96)
    boxes = [(0, 0, 1, 1), (127, 95, 1, 1), (0, 0, 128, 96), (126.5, 10, 1.5, 40)]
    fitted = fit_to_mask([DetectedObject(PERSON, 0.5, *box) for box in boxes], labels, STRIDE)
    assert len(fitted) == len(boxes)
    for one in fitted:
        assert one.x >= 0 and one.y >= 0 and one.width > 0 and one.height > 0
        assert one.x + one.width <= 128 and one.y + one.height <= 96


def test_no_objects():
    assert fit_to_mask([], mask(PERSON, 0, 0, 0, 0), STRIDE) == []
