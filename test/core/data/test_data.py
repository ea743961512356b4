"""Boxes, labels, augmentation, data set and scores, on generated data."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from difusionseg_core.classes import IGNORE
from difusionseg_core.data.boxes import Box, read_boxes
from difusionseg_core.data.image_files import DataError
from difusionseg_core.metrics.box_f1 import BoxScore
from difusionseg_core.metrics.segmentation import class_iou, confusion_matrix, mean_iou
from difusionseg_core.training.data.augmentation import Augmentation
from difusionseg_core.training.data.pair_dataset import PairDataset
from difusionseg_core.training.data.sample import Sample

CAR, PERSON, BIKE = 1, 2, 3


def test_boxes_are_read_in_pixels(tmp_path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("0 0.5 0.5 0.2 0.4\n\n2  0.0  0.0  0.5  0.5\n")
    assert read_boxes(file, 100, 50) == [Box(PERSON, 40, 15, 60, 35), Box(CAR, 0, 0, 25, 12)]


@pytest.mark.parametrize("line", ["7 0.5 0.5 0.1 0.1", "0 0.5 0.5 0.1", "person 0.5 0.5 0.1 0.1"])
def test_bad_box_lines_are_named(tmp_path, line) -> None:
    file = tmp_path / "a.txt"
    file.write_text(f"0 0.5 0.5 0.1 0.1\n{line}\n")
    with pytest.raises(DataError, match="line 2"):
        read_boxes(file, 100, 100)


def test_box_score() -> None:
    prediction = np.zeros((100, 100), np.uint8)
    prediction[10:40, 10:30] = PERSON
    prediction[50:60, 50:60] = PERSON  # 100 of 700 pixels are outside
    score = BoxScore()
    score.add(
        prediction,
        [Box(PERSON, 10, 10, 30, 40), Box(PERSON, 70, 70, 90, 90), Box(PERSON, 0, 0, 5, 5)],
    )
    precision, recall = 600 / 700, 1 / 2
    assert score.f1(PERSON) == pytest.approx(2 * precision * recall / (precision + recall))
    assert score.f1(CAR) == 0
    assert score.mean_f1() == pytest.approx(score.f1(PERSON) / 3)


def test_confusion_matrix_adds_up_over_images() -> None:
    truth, prediction = np.array([0, 0, 1, 2, IGNORE]), np.array([0, 1, 1, 1, 2])
    confusion = confusion_matrix(truth, prediction, 4) + confusion_matrix(truth, truth % 255, 4)
    assert confusion[0].tolist() == [3, 1, 0, 0]
    iou = class_iou(confusion)
    assert iou[:3] == pytest.approx([3 / 4, 2 / 4, 1 / 2]) and np.isnan(iou[3])
    assert mean_iou(confusion) == pytest.approx((3 / 4 + 2 / 4 + 1 / 2) / 3)


def test_confusion_matrix_refuses_bad_input() -> None:
    with pytest.raises(ValueError, match="below 3"):
        confusion_matrix(np.array([1]), np.array([3]), 3)
    with pytest.raises(ValueError, match="prediction"):
        confusion_matrix(np.zeros((2, 2)), np.zeros((2, 3)), 3)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for part in ("vi", "ir", "Segmentation_labels", "boxes"):
        (tmp_path / part).mkdir()
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / "vi" / f"{name}.png"), rng.integers(0, 256, (48, 64, 3)))
        cv2.imwrite(str(tmp_path / "ir" / f"{name}.png"), rng.integers(0, 256, (48, 64)))
        labels = np.zeros((48, 64), np.uint8)
        labels[20:30, 20:30] = CAR
        cv2.imwrite(str(tmp_path / "Segmentation_labels" / f"{name}.png"), labels)
        (tmp_path / "boxes" / f"{name}.txt").write_text("0 0.1 0.1 0.1 0.1\n")  # no car
    return tmp_path


def test_dataset_items(folder) -> None:
    item = PairDataset(folder)[0]
    assert item["index"] == 0
    assert item["image"].shape == (4, 48, 64) and item["labels"].shape == (48, 64)
    assert (item["labels"] == CAR).sum() == 100


def test_images_without_labels_are_ignored_by_losses(folder) -> None:
    for file in (folder / "Segmentation_labels").iterdir():
        file.unlink()
    assert (PairDataset(folder)[0]["labels"] == IGNORE).all()


def test_augmentation_depends_on_seed_epoch_and_index_alone(folder) -> None:
    everything = Augmentation(
        crop=(32, 40), focus=0.5, contrast=1, shift=1, noise=1, blur=1, no_rgb=0.2, no_thermal=0.2
    )
    first, second = (PairDataset(folder, everything, seed=1) for _ in range(2))
    second[0]
    assert (first[1]["image"] == second[1]["image"]).all()
    before = first[1]["image"]
    first.epoch = 1
    assert (first[1]["image"] != before).any()


@pytest.mark.parametrize("scale", [(0.25, 0.25), (1, 1), (3, 3)])
def test_crops_have_one_size(scale) -> None:
    rng = np.random.default_rng(0)
    sample = Sample(
        np.full((48, 64, 3), 9, np.uint8),
        np.full((48, 64), 9, np.uint8),
        np.full((48, 64), CAR, np.uint8),
    )
    result = Augmentation(scale=scale, crop=(40, 52))(sample, rng)
    assert result.rgb.shape == (40, 52, 3)
    assert result.thermal.shape == result.labels.shape == (40, 52)
    padded = result.labels == IGNORE
    assert (result.thermal[padded] == 0).all()
    assert padded.any() == (scale[0] < 1)


def test_crops_focus_on_rare_classes() -> None:
    labels = np.zeros((200, 200), np.uint8)
    labels[190:194, 5:9] = BIKE
    sample = Sample(np.zeros((200, 200, 3), np.uint8), np.zeros((200, 200), np.uint8), labels)
    focused = Augmentation(scale=(1, 1), crop=(40, 40), focus=1.0)
    for seed in range(5):
        assert (focused(sample, np.random.default_rng(seed)).labels == BIKE).any()
