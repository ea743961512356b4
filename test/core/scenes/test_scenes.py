"""The generator of street scenes."""

import numpy as np
import pytest

from difusionseg_core.classes import MSRS
from difusionseg_core.data.boxes import BOX_CLASSES
from difusionseg_core.metrics.box_f1 import BoxScore
from difusionseg_core.scenes import CONDITIONS, Scene, draw, sequence
from difusionseg_core.scenes.geometry.parts import Face, Material
from difusionseg_core.scenes.geometry.viewpoint import Camera
from difusionseg_core.scenes.rendering.canvas import Canvas
from difusionseg_core.scenes.rendering.surface import surfaces
from difusionseg_core.scenes.rendering.thermal_camera import apparent_temperature, random_climate

SMALL = (120, 160)
PERSON = MSRS.class_names.index("person")


def equal(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_a_frame_has_three_images_of_one_size():
    rgb, thermal, labels, _, _ = draw(5, size=(96, 130))
    assert (rgb.shape, thermal.shape, labels.shape) == ((96, 130, 3), (96, 130), (96, 130))
    assert rgb.dtype == thermal.dtype == labels.dtype == np.uint8
    assert labels.max() < MSRS.num_classes


@pytest.mark.parametrize("condition", CONDITIONS)
def test_the_same_seed_gives_the_same_bytes(condition):
    first = draw(3, SMALL, condition)
    assert equal(first, draw(3, SMALL, condition))
    assert not equal(first, draw(4, SMALL, condition))


def test_frames_depend_on_their_time_alone():
    frames = list(sequence(11, frames=4, rate=5.0, size=SMALL))
    assert equal(frames[3], Scene(11, SMALL).frame(0.6))


def test_objects_move_and_keep_their_class():
    moving = 0
    for seed in range(6):
        first, second = sequence(seed, frames=2, rate=2.0, size=SMALL)
        moving += int((first.labels != second.labels).sum() > 20)
        assert abs(int((first.labels > 0).sum()) - int((second.labels > 0).sum())) < 4000
    assert moving >= 4


def test_all_classes_occur():
    seen = np.zeros(MSRS.num_classes, int)
    for seed in range(20):
        seen += np.bincount(draw(seed, SMALL).labels.ravel(), minlength=MSRS.num_classes)
    assert (seen > 50).all(), dict(zip(MSRS.class_names, seen, strict=True))


def test_boxes_enclose_the_visible_part_of_each_object():
    score = BoxScore()
    for seed in range(12):
        frame = draw(seed)
        score.add(frame.labels, frame.boxes)
        for box in frame.boxes:
            inside = box.inside(frame.labels) == box.label
            assert inside[0].any() and inside[-1].any()
            assert inside[:, 0].any() and inside[:, -1].any()
    assert all(score.boxes[label] > 5 for label in BOX_CLASSES.values())
    assert all(score.f1(label) > 0.9 for label in BOX_CLASSES.values())


def test_people_are_warm_in_any_light():
    for condition in CONDITIONS:
        warmer = []
        for seed in range(7):
            frame = draw(seed, SMALL, condition)
            people = frame.labels == PERSON
            if people.sum() > 30:
                warmer.append(frame.thermal[people].mean() - frame.thermal[~people].mean())
        assert len(warmer) >= 3
        assert np.mean(warmer) > 40 and min(warmer) > 0


def test_only_the_colour_camera_is_darker_at_night():
    rgb, thermal = {}, {}
    for condition in CONDITIONS:
        frames = [draw(seed, SMALL, condition) for seed in range(5)]
        rgb[condition] = np.mean([frame.rgb.mean() for frame in frames])
        thermal[condition] = np.mean([frame.thermal.mean() for frame in frames])
    assert rgb["night"] < 0.6 * rgb["dusk"] < 0.8 * rgb["day"]
    assert thermal["night"] > 0.6 * thermal["day"]


def test_the_thermal_image_is_no_function_of_the_colour_image():
    correlations = []
    for seed in range(8):
        frame = draw(seed, SMALL, "day")
        grey = frame.rgb.mean(axis=2).ravel()
        correlations.append(abs(np.corrcoef(grey, frame.thermal.ravel())[0, 1]))
    assert np.mean(correlations) < 0.6


def test_without_sun_paint_does_not_change_the_thermal_image():
    def temperature(colour, heat, sun_strength):
        camera = Camera(64, 48, 60.0, 24.0, np.array([0.0, 1.0, 0.0]), yaw=0.0)
        canvas = Canvas(camera, sun=np.array([0.0, 0.6, -0.8]))
        board = np.array([[-9.0, -9, 5], [9, -9, 5], [9, 9, 5], [-9, 9, 5]])
        canvas.paint([Face(board, Material(colour, heat=heat, mottle=0.0))])
        climate = random_climate(np.random.default_rng(1), "day", rain=False)
        return np.concatenate(
            [apparent_temperature(s, climate, sun_strength) for _, s in surfaces(canvas)]
        )

    black, white = (0.02, 0.02, 0.02), (0.8, 0.8, 0.8)
    assert (temperature(black, 0.0, 0.0) == temperature(white, 0.0, 0.0)).all()
    assert (temperature(black, 0.0, 1.0) > temperature(white, 0.0, 1.0)).all()
    assert (temperature(white, 5.0, 0.0) > temperature(white, 0.0, 0.0) + 4).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"seed": -1}, "seed must be 0 or more"),
        ({"seed": 1, "size": (10, 640)}, "at least 32x32"),
        ({"seed": 1, "condition": "noon"}, "day, dusk, night"),
    ],
)
def test_bad_arguments_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        Scene(**arguments)
