"""Tracks keep their ids through gaps, crossings and camera motion."""

from __future__ import annotations

import numpy as np
import pytest

from difusionseg_core.objects.detection import DetectedObject
from difusionseg_core.objects.tracking import Tracker, TrackingOptions

PERSON, CAR = 2, 1
RATE = 10.0


def person(x: float, y: float = 100.0, score: float = 0.9, label: int = PERSON) -> DetectedObject:
    return DetectedObject(label, score, x, y, 20.0, 50.0)


def ids_of(tracker: Tracker, frames, start: float = 0.0) -> list[list[int | None]]:
    return [tracker.update(start + i / RATE, found) for i, found in enumerate(frames)]


def test_an_object_gets_an_id_with_its_second_detection_and_keeps_it() -> None:
    ids = ids_of(Tracker(), [[person(10 + 4 * i)] for i in range(20)])
    assert ids[0] == [None] and ids[1:] == [[1]] * 19


@pytest.mark.parametrize("missing", [1, 3, 8])
def test_a_gap_does_not_change_the_id(missing) -> None:
    frames = [[person(10 + 5 * i)] for i in range(30)]
    frames[10 : 10 + missing] = [[]] * missing
    ids = ids_of(Tracker(), frames)
    assert ids[-1] == [1]


def test_a_track_ends_after_the_longest_gap() -> None:
    frames = [[person(100)]] * 3 + [[]] * 12 + [[person(100)]] * 3
    assert ids_of(Tracker(), frames)[-1] == [2]


def test_two_objects_that_cross_keep_their_ids() -> None:
    frames = [[person(100 + 6 * i, 100), person(340 - 6 * i, 112)] for i in range(40)]
    ids = ids_of(Tracker(), frames)
    assert ids[1:] == [[1, 2]] * 39


def test_classes_are_not_mixed() -> None:
    frames = [[person(100), person(100, label=CAR)]] * 5
    assert ids_of(Tracker(), frames)[-1] == [1, 2]
    assert ids_of(Tracker(), [[person(100)], [person(100, label=CAR)]] * 4)[-1] == [2]


def test_a_weak_detection_continues_a_track_but_starts_none() -> None:
    frames = [[person(100)]] * 3 + [[person(100, score=0.2)]] * 20
    assert ids_of(Tracker(), frames)[-1] == [1]
    assert ids_of(Tracker(), [[person(100, score=0.2)]] * 5)[-1] == [None]
    assert ids_of(Tracker(), [[person(100)]] * 3 + [[person(100, score=0.1)]])[-1] == [None]


def test_camera_motion_is_compensated() -> None:
    """The camera moves by 60 pixels, more than a person's width, between two frames."""
    rng = np.random.default_rng(0)
    world = rng.integers(0, 256, (30, 60), dtype=np.uint8).repeat(16, 0).repeat(16, 1)

    def frame(shift: int) -> tuple[np.ndarray, list[DetectedObject]]:
        return world[:, 200 - shift : 840 - shift], [person(300 + shift), person(420 + shift)]

    for use_image, kept in ((True, True), (False, False)):
        tracker = Tracker()
        for i, shift in enumerate([0, 0, 0, 0, 60, 60, 60]):
            image, found = frame(shift)
            ids = tracker.update(i / RATE, found, image if use_image else None)
        assert (ids == [1, 2]) is kept


@pytest.mark.parametrize("then", [-5.0, 0.0, 60.0], ids=["back", "same stamp", "pause"])
def test_a_jump_of_time_starts_with_new_tracks(then) -> None:
    tracker = Tracker()
    assert ids_of(tracker, [[person(100)]] * 3)[-1] == [1]
    assert tracker.update(0.2 + then, [person(100)]) == [None]
    assert tracker.update(0.3 + then, [person(100)]) == [2]


def test_ids_are_never_used_twice() -> None:
    tracker = Tracker(TrackingOptions(gap=0.2))
    seen = set()
    for start in range(0, 50, 5):
        ids = ids_of(tracker, [[person(100)]] * 3, float(start))
        seen.add(ids[-1][0])
    assert seen == set(range(1, 11))


def test_noise_and_false_detections_rarely_switch_ids() -> None:
    """Ten walkers for ten seconds, 15 % missed, jitter of 2 px, and two false boxes a frame."""
    rng = np.random.default_rng(1)
    start, speed = rng.uniform(0, 600, 10), rng.uniform(-30, 30, 10)
    tracker, last, switches = Tracker(), {}, 0
    for i in range(100):
        truth = [k for k in range(10) if rng.random() > 0.15]
        found = [
            person(start[k] + speed[k] * i / RATE + rng.normal(0, 2), 40.0 * k + rng.normal(0, 2))
            for k in truth
        ]
        false = [person(rng.uniform(0, 600), rng.uniform(0, 400), 0.3) for _ in range(2)]
        ids = tracker.update(i / RATE, found + false)
        for k, track in zip(truth, ids, strict=False):
            if track is not None:
                switches += last.get(k, track) != track
                last[k] = track
    assert len(last) == 10 and switches <= 2
