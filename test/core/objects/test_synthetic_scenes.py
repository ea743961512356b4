"""Tracks and temperatures on synthetic scenes with known objects and temperatures."""

from __future__ import annotations

import numpy as np
import pytest

from difusionseg_core.objects import DetectedObject
from difusionseg_core.objects.instances import instance_map
from difusionseg_core.objects.object_temperature import object_temperatures
from difusionseg_core.objects.tracking import Tracker
from difusionseg_core.scenes import Scene, sequence

SIZE = 240, 320
RATE = 10.0
PERSON = 2
LEAST_HEIGHT = 8  # pixels
MISSED, NOISE = 0.15, 0.04  # share of detections, deviation relative to the height of the box


def detected(box, rng=None):
    """The box as a detection, with noise if there is `rng`."""
    width, height = box.right - box.left, box.bottom - box.top
    dx, dy, wider, higher = rng.normal(0, NOISE * height, 4) if rng else np.zeros(4)
    size = max(width + wider, 2), max(height + higher, 2)
    return DetectedObject(box.label, 0.8, box.left + dx, box.top + dy, *size)


def switches(seed, frames=30):
    """Return (ID switches, boxes with an id, objects) for noisy boxes with misses."""
    rng, tracker, last = np.random.default_rng(0), Tracker(), {}
    switched = tracked = 0
    for number, frame in enumerate(sequence(seed, frames, RATE, SIZE)):
        kept = [
            box
            for box in frame.boxes
            if box.bottom - box.top >= LEAST_HEIGHT and rng.random() >= MISSED
        ]
        found = [detected(box, rng) for box in kept]
        ids = tracker.update(1 + number / RATE, found, frame.rgb)
        for box, track in zip(kept, ids, strict=True):
            if track is not None:
                tracked += 1
                switched += last.get((box.thing, box.label), track) != track
                last[box.thing, box.label] = track
    return switched, tracked, len(last)


def test_boxes_keep_the_number_of_their_object():
    first, second = sequence(1, 2, RATE, SIZE)
    both = {box.thing for box in first.boxes} & {box.thing for box in second.boxes}
    assert len(both) >= 5
    for number in both:
        (a,), (b,) = (
            [box for box in frame.boxes if box.thing == number and box.label == PERSON]
            or [frame.boxes[0]]
            for frame in (first, second)
        )
        assert abs(a.left - b.left) < 20


def test_separated_objects_keep_their_ids():
    switched, tracked, things = switches(seed=1)
    assert things == 11 and tracked > 180 and switched <= 2


def test_few_ids_are_switched_in_crowds():
    """18 persons and cars occlude each other; many are 10 to 20 pixels high."""
    switched, tracked, things = switches(seed=3, frames=20)
    assert things >= 15 and switched / tracked < 0.05


@pytest.mark.parametrize("seed", [1, 2, 7], ids=["dusk", "day", "night"])
def test_a_persons_temperature_matches_the_scene(seed):
    scene = Scene(seed, SIZE)
    frame = scene.frame()
    objects = [detected(box) for box in frame.boxes if box.label == PERSON]
    instances = instance_map(frame.labels, objects)
    seen, true = (
        object_temperatures(instances, degrees, len(objects))
        for degrees in (scene.thermal_scale.celsius(frame.thermal), scene.temperatures())
    )
    compared = [(a.mean, b.mean) for a, b in zip(seen, true, strict=True) if b.pixels >= 100]
    assert len(compared) >= 2
    # The optics' blur mixes a small person with the colder background.
    assert all(-1.0 < measured - known < 0.3 for measured, known in compared)
