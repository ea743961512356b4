"""Average precision of boxes: known answers, and the values of pycocotools."""

import numpy as np
import pytest

pytest.importorskip("pycocotools")

from difusionseg_core.metrics.average_precision import DetectionScores, _evaluate  # noqa: E402

PERSON, BIKE = 2, 3


def random_images(seed, images=20):
    """True boxes, some small, and detections: shifted, missed and invented ones."""
    rng = np.random.default_rng(seed)
    truths, found = [], []
    for _ in range(images):
        boxes = [
            (int(rng.choice([PERSON, BIKE])), *rng.integers(0, 200, 2), *rng.integers(6, 60, 2))
            for _ in range(rng.integers(0, 8))
        ]
        truths.append([tuple(map(float, box)) for box in boxes])
        hits = [
            (box[0], float(rng.random()), *(np.array(box[1:]) + rng.normal(0, 3, 4)).tolist())
            for box in truths[-1]
            if rng.random() < 0.8
        ]
        invented = [
            (PERSON, float(rng.random()), *rng.uniform(0, 200, 2), *rng.uniform(6, 60, 2))
            for _ in range(rng.integers(0, 4))
        ]
        found.append([(int(box[0]), *box[1:]) for box in hits + invented])
    return found, truths


def test_perfect_boxes_are_perfect():
    truths = [[(PERSON, 10, 10, 20, 40)], [(BIKE, 5, 5, 30, 20), (PERSON, 50, 5, 15, 30)]]
    found = [[(box[0], 0.5, *box[1:]) for box in of_image] for of_image in truths]
    scores = DetectionScores(found, truths, (PERSON, BIKE))
    assert scores.average_precision() == pytest.approx(1.0)
    report = scores.report(["person", "bike"])
    assert report["AP50"] == report["AP"] == pytest.approx(1.0)
    assert report["boxes"] == {"person": 2, "bike": 1}


def test_classes_are_reported_in_the_order_asked_for():
    truths = [[(PERSON, 10, 10, 20, 40), (BIKE, 5, 5, 30, 20)]]
    found = [[(PERSON, 0.5, 10, 10, 20, 40)]]
    scores = DetectionScores(found, truths, (BIKE, PERSON))
    assert scores.average_precision()[:, 0].tolist() == pytest.approx([0, 1])


def test_a_false_box_with_a_higher_score_halves_the_precision():
    truths = [[(PERSON, 10, 10, 20, 40)]]
    found = [[(PERSON, 0.9, 100, 100, 20, 40), (PERSON, 0.5, 10, 10, 20, 40)]]
    assert DetectionScores(found, truths, (PERSON,)).average_precision()[0, 0] == 0.5


@pytest.mark.parametrize(("side", "counted"), [(11, 0), (12, 1)])
def test_boxes_below_12_px_are_ignored(side, counted):
    truths = [[(PERSON, 10, 10, 40, 40), (PERSON, 100, 10, side, 40)]]
    found = [[(PERSON, 0.9, 10, 10, 40, 40), (PERSON, 0.8, 200, 10, 5, 40)]]  # the last is small
    scores = DetectionScores(found, truths, (PERSON,))
    assert scores.boxes(PERSON) == 1 + counted
    assert scores.average_precision()[0, 0] == pytest.approx(1.0 if not counted else 51 / 101)


@pytest.mark.parametrize("seed", range(3))
def test_average_precision_equals_that_of_pycocotools(seed):
    found, truths = random_images(seed)
    evaluation = _evaluate(found, truths, (PERSON, BIKE))
    evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, 0].mean(axis=1)  # over recalls
    scores = DetectionScores(found, truths, (PERSON, BIKE))
    assert scores.average_precision() == pytest.approx(precision.T, abs=1e-9)


def test_a_weight_counts_an_image_several_times():
    found, truths = random_images(3)
    chosen = np.random.default_rng(0).integers(0, len(truths), len(truths))
    repeated = DetectionScores(
        [found[index] for index in chosen], [truths[index] for index in chosen], (PERSON, BIKE)
    ).average_precision()
    weighted = DetectionScores(found, truths, (PERSON, BIKE)).average_precision(
        np.bincount(chosen, minlength=len(truths))
    )
    assert weighted == pytest.approx(repeated, abs=0.02)  # the order of equal scores may differ


def test_images_without_boxes_and_classes_that_do_not_occur():
    scores = DetectionScores([[], [(BIKE, 0.5, 0, 0, 20, 20)]], [[], []], (PERSON, BIKE))
    assert np.isnan(scores.average_precision()).all()
    assert scores.report(["person", "bike"])["AP50"] is None
