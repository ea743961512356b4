"""Objects: targets of the head, boxes from its maps, and every backend."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from difusionseg_core.checkpoints.weights_file import (
    ModelInfo,
    load_model_and_info,
    save_weights,
    start_from,
)
from difusionseg_core.network.model import create_model
from difusionseg_core.objects import MOST_OBJECTS, OBJECT_CLASSES, box_iou, find_objects
from difusionseg_core.predictor import Predictor
from difusionseg_core.scenes import draw
from difusionseg_core.training.data.object_targets import boxes_of_masks, object_targets

CAR, PERSON, BIKE = 1, 2, 3
SIZE = 96, 128


def scene(*boxes: tuple[int, int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes, and a mask in which each box is filled."""
    labels = np.zeros(SIZE, np.uint8)
    for label, left, top, right, bottom in boxes:
        labels[top:bottom, left:right] = label
    return np.float32(boxes).reshape(-1, 5), labels


BOXES = [
    (CAR, 4, 30, 60, 62),
    (PERSON, 70, 20, 84, 60),
    (PERSON, 88, 24, 101, 57),
    (BIKE, 66, 60, 98, 84),
]


def test_boxes_are_recovered_from_their_targets() -> None:
    boxes, labels = scene(*BOXES)
    targets = object_targets(boxes, labels)
    peaks = np.where(targets.heat == 1, 1.0, 0.0)
    found = find_objects(peaks, targets.extent, *SIZE)
    assert len(found) == len(BOXES)
    for label, left, top, right, bottom in BOXES:
        expected = np.array([left, top, right - left, bottom - top], float)
        same = [one for one in found if one.label == label]
        assert max(box_iou(expected, np.array([one[2:] for one in same]))) == pytest.approx(1)
    assert targets.heat.max() == 1 and (targets.heat_weight == 1).all()
    assert targets.extent_weight.sum() == pytest.approx(len(BOXES), abs=0.3)


def test_objects_without_a_box_are_excluded_from_the_loss() -> None:
    boxes, labels = scene(*BOXES)
    labels[:16, :16] = 255
    targets = object_targets(boxes[1:], labels)  # the car has no box
    car, person = OBJECT_CLASSES.index(CAR), OBJECT_CLASSES.index(PERSON)
    assert not targets.heat_weight[car, 8:15, 2:14].any()
    assert targets.heat_weight[person, 8:15, 2:14].all()
    assert not targets.heat_weight[:, :4, :4].any()
    assert targets.heat_weight[car, 18:].all()


def test_boxes_of_masks_leave_out_groups() -> None:
    _, labels = scene((PERSON, 10, 10, 20, 40), (PERSON, 40, 10, 80, 40), (CAR, 5, 60, 60, 90))
    labels[50:52, 100:104] = BIKE  # too small
    expected = {(PERSON, 10, 10, 20, 40), (CAR, 5, 60, 60, 90)}
    assert {tuple(box) for box in boxes_of_masks(labels).astype(int).tolist()} == expected
    assert boxes_of_masks(np.zeros(SIZE, np.uint8)).shape == (0, 5)


def maps(*objects: tuple[int, int, int, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Peaks and extents with objects (class, row, column, score, half side)."""
    peaks = np.zeros((3, 24, 32), np.float32)
    extents = np.full((4, 24, 32), 8, np.float32)
    for label, row, column, score, half in objects:
        peaks[OBJECT_CLASSES.index(label), row, column] = score
        extents[:, row, column] = half
    return peaks, extents


def test_the_weaker_of_two_boxes_on_one_object_is_dropped() -> None:
    found = find_objects(
        *maps((CAR, 10, 10, 0.9, 20), (CAR, 11, 10, 0.8, 20), (PERSON, 10, 10, 0.7, 20)), *SIZE
    )
    assert [(one.label, round(one.score, 3)) for one in found] == [(CAR, 0.9), (PERSON, 0.7)]


def test_boxes_are_cut_to_the_image() -> None:
    ((label, score, x, y, width, height),) = find_objects(*maps((BIKE, 0, 31, 0.5, 30)), 95, 127)
    assert (label, x, y) == (BIKE, 96, 0) and (x + width, y + height) == (127, 32)


def test_weak_objects_and_those_beyond_the_limit_are_dropped() -> None:
    assert find_objects(*maps((CAR, 5, 5, 0.01, 8)), *SIZE) == []
    many = maps(
        *((CAR, row, column, 0.5, 1.5) for row in range(0, 24, 2) for column in range(0, 32, 2))
    )
    assert len(find_objects(*many, *SIZE)) == MOST_OBJECTS


def _metadata(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return file.metadata()


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    model = create_model("lite", objects=True)
    torch.nn.init.normal_(model.objects.layers[-1].weight, std=0.3)
    torch.nn.init.zeros_(model.objects.layers[-1].bias)
    path = tmp_path_factory.mktemp("objects") / "lite.safetensors"
    save_weights(model, path, ModelInfo("lite", 9, objects=True))
    return path


def test_weights_files_record_the_object_head(weights, tmp_path) -> None:
    model, info = load_model_and_info(weights)
    assert info.objects and model.objects is not None
    plain = tmp_path / "plain.safetensors"
    save_weights(create_model("lite"), plain, ModelInfo("lite", 9))
    assert load_model_and_info(plain)[0].objects is None
    start_from(model, plain)  # keeps the head it has
    with pytest.raises(ValueError, match="has no object head"):
        create_model("paper", objects=True)


def test_the_fusion_module_of_version_0_1_is_replaced_with_a_warning(tmp_path, caplog) -> None:
    path = tmp_path / "old.safetensors"
    save_weights(create_model("lite"), path, ModelInfo("lite", 9))
    old = load_file(path)
    for name in ("weight", "bias"):
        old[f"fusion.correction.{name}"] = old.pop(f"fusion.maps.{name}")
    old["fusion.high.0.weight"] += 1
    save_file(old, path, _metadata(path))
    loaded = load_model_and_info(path)[0].state_dict()
    assert "fusion module of an earlier version" in caplog.text
    assert not loaded["fusion.maps.weight"].any()
    kept = [name for name in loaded if not name.startswith("fusion.")]
    assert all(torch.equal(loaded[name], old[name]) for name in kept)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_every_backend_finds_the_same_objects(backend) -> None:
    scene = draw(seed=7)
    options = {"device": "cpu", "precision": "float32"}
    expected, found = (
        Predictor.from_pretrained("lite", backend=one, **options)(scene.rgb, scene.thermal).objects
        for one in ("torch", backend)
    )
    assert len(expected) > 2 and len(found) == len(expected)
    for one in expected:
        same = [other for other in found if other.label == one.label]
        nearest = same[int(np.argmax(box_iou(np.array(one[2:]), np.array([o[2:] for o in same]))))]
        np.testing.assert_allclose(nearest[1:], one[1:], rtol=1e-2, atol=2)


def test_weights_without_a_head_find_no_objects() -> None:
    model = create_model("lite").eval()
    assert model(torch.zeros(1, 4, 64, 96)).objects is None
    black = np.zeros((64, 96), np.uint8)
    assert Predictor(model, device="cpu")(None, black).objects is None
