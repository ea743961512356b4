"""Pixels and temperatures of objects, with known answers."""

from __future__ import annotations

import numpy as np

from difusionseg_core.objects.detection import DetectedObject
from difusionseg_core.objects.instances import instance_map, objects_from_mask
from difusionseg_core.objects.object_temperature import hot_spot, object_temperatures

PERSON, BIKE = 2, 3


def test_overlapping_objects_are_separated_by_their_centres() -> None:
    labels = np.zeros((40, 60), np.uint8)
    labels[10:30, 10:50] = PERSON  # two people side by side, one region
    labels[10:30, 20:22] = BIKE
    objects = [
        DetectedObject(PERSON, 0.9, 10, 10, 22, 20),
        DetectedObject(PERSON, 0.8, 28, 10, 22, 20),
    ]
    instances = instance_map(labels, objects)
    assert (instances[10:30, 10:20] == 1).all() and (instances[10:30, 40:50] == 2).all()
    assert (instances[10:30, 20:22] == 0).all()  # another class
    assert (instances[12:28, 29] == 1).all() and (instances[12:28, 31] == 2).all()
    assert set(np.unique(instances)) == {0, 1, 2}


def test_boxes_beyond_the_image_and_without_pixels() -> None:
    labels = np.full((20, 30), PERSON, np.uint8)
    objects = [
        DetectedObject(PERSON, 0.9, -5, -5, 10, 10),
        DetectedObject(PERSON, 0.9, 28, 15, 10, 10),
        DetectedObject(PERSON, 0.9, 40, 40, 5, 5),
        DetectedObject(BIKE, 0.9, 10, 5, 5, 5),
    ]
    instances = instance_map(labels, objects)
    assert [int((instances == i).sum()) for i in (1, 2, 3, 4)] == [25, 10, 0, 0]


def test_regions_of_the_mask_are_objects_if_large_enough() -> None:
    labels = np.zeros((480, 640), np.uint8)
    labels[100:150, 200:220] = PERSON
    labels[300:304, 300:304] = PERSON  # 16 pixels
    confidence = np.where(labels == PERSON, 0.8, 0.5).astype(np.float32)
    (found,) = objects_from_mask(labels, confidence)
    assert found[:1] + found[2:] == (PERSON, 200, 100, 20, 50)
    assert abs(found.score - 0.8) < 1e-6


def test_temperatures_by_object() -> None:
    instances = np.zeros((4, 5), np.int32)
    instances[0, :3], instances[2, :2], instances[3, 4] = 1, 2, 3
    degrees = np.full((4, 5), 10.0, np.float32)
    degrees[0, :3] = 30, 36, 33
    degrees[2, :2] = np.nan, 7
    degrees[3, 4] = np.nan
    first, second, third, fourth = object_temperatures(instances, degrees, 4)
    assert (first.pixels, first.mean, first.maximum, first.x, first.y) == (3, 33, 36, 1, 0)
    assert (second.pixels, second.mean, second.x, second.y) == (1, 7, 1, 2)
    for nothing in (third, fourth):
        assert nothing.pixels == 0 and np.isnan(nothing.mean) and nothing.x == -1


def test_the_hottest_pixel() -> None:
    degrees = np.full((3, 4), np.nan, np.float32)
    assert hot_spot(degrees) is None
    degrees[1, 2], degrees[2, 0] = 50, 40
    assert hot_spot(degrees) == (50, 2, 1)
