"""Data for training: the paper's samples, the order of batches, several ranks."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
import yaml

from difusionseg_core.classes import IGNORE
from difusionseg_core.network.preprocessing import normalize
from difusionseg_core.training.data.augmentation import (
    Augmentation,
    misalign,
)
from difusionseg_core.training.data.datamodule import EpochSampler, PairData, TrainingLoader
from difusionseg_core.training.data.drawn_barriers import CAR_STOP, GUARDRAIL, draw_barrier
from difusionseg_core.training.data.pair_dataset import PairDataset
from difusionseg_core.training.data.paper_augmentation import (
    PaperAugmentation,
    PaperDataset,
    stretched,
)
from difusionseg_core.training.data.pasting import paste_objects
from difusionseg_core.training.data.sample import Sample

CAR, PERSON = 1, 2


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for part in ("vi", "ir", "Segmentation_labels"):
        (tmp_path / part).mkdir()
    for name in "abcdefg":
        cv2.imwrite(str(tmp_path / "vi" / f"{name}.png"), rng.integers(0, 256, (48, 64, 3)))
        cv2.imwrite(str(tmp_path / "ir" / f"{name}.png"), rng.integers(0, 256, (48, 64)))
        labels = np.zeros((48, 64), np.uint8)
        labels[20:30, 20:30] = CAR
        cv2.imwrite(str(tmp_path / "Segmentation_labels" / f"{name}.png"), labels)
    return tmp_path


def sample(height: int = 480, width: int = 640) -> Sample:
    """Noise, with two thermal values only, and left and right halves of two classes."""
    rng = np.random.default_rng(1)
    labels = np.zeros((height, width), np.uint8)
    labels[:, width // 2 :] = CAR
    thermal = rng.choice(np.array([50, 90], np.uint8), (height, width))
    return Sample(rng.integers(20, 200, (height, width, 3), np.uint8), thermal, labels)


def test_paper_targets_are_the_camera_images() -> None:
    whole = PaperAugmentation(scale=(1, 1), crop=(480, 640))
    original = sample()
    arrays = whole(original, np.random.default_rng(0))
    mirrored = arrays["labels"][0, 0] == CAR
    rgb, thermal = original.rgb, original.thermal
    if mirrored:
        rgb, thermal = rgb[:, ::-1], thermal[:, ::-1]
    np.testing.assert_array_equal(arrays["visible"], stretched(rgb).transpose(2, 0, 1))
    assert set(np.unique(arrays["thermal"])) == {0, 1}
    # The network sees the same thermal image, and a distorted RGB one.
    undistorted = normalize(np.ascontiguousarray(rgb), np.ascontiguousarray(thermal))
    np.testing.assert_array_equal(arrays["image"][3], undistorted[3])
    assert np.abs(arrays["image"][:3] - undistorted[:3]).max() > 0.1


def test_paper_thermal_images_and_labels_are_resized_to_the_nearest_pixel() -> None:
    arrays = PaperAugmentation(scale=(1.7, 1.7))(sample(), np.random.default_rng(3))
    assert len(np.unique(arrays["image"][3])) == 2
    assert set(np.unique(arrays["labels"])) == {0, CAR}


def test_paper_sizes_are_relative_to_640x480() -> None:
    for height, width in ((480, 640), (600, 800), (240, 320)):
        small = PaperAugmentation(scale=(0.5, 0.5))
        labels = small(sample(height, width), np.random.default_rng(0))["labels"]
        assert labels.shape == (320, 480)
        assert (labels[:240, :320] != IGNORE).all()
        assert (labels[240:] == IGNORE).all() and (labels[:, 320:] == IGNORE).all()


def test_paper_padding_follows_normalisation() -> None:
    arrays = PaperAugmentation(scale=(0.515, 0.515))(sample(), np.random.default_rng(0))
    height, width = int(480 * 0.515), int(640 * 0.515)  # 247x329: no multiples of 4
    assert (arrays["labels"][:height, :width] != IGNORE).all()
    for name in ("image", "visible", "thermal"):
        assert arrays[name].dtype == np.float32
        assert not arrays[name][:, height:].any() and not arrays[name][:, :, width:].any()
    assert arrays["visible"].min() == 0 and arrays["visible"].max() == 1


def test_paper_crops_hold_several_classes() -> None:
    labels = np.zeros((480, 640), np.uint8)
    labels[:60] = CAR
    corner = Sample(np.zeros((480, 640, 3), np.uint8), np.zeros((480, 640), np.uint8), labels)
    crops = [
        PaperAugmentation(scale=(1, 1), crop=(100, 100))(corner, np.random.default_rng(seed))
        for seed in range(20)
    ]
    mixed = [0.25 < (crop["labels"] == CAR).mean() < 0.75 for crop in crops]
    assert np.mean(mixed) > 0.5  # one try in ten would give 10 %


def test_a_flat_image_is_stretched_to_zeros() -> None:
    assert not stretched(np.full((3, 4), 77, np.uint8)).any()


def test_paper_dataset_depends_on_seed_epoch_and_index_alone(folder) -> None:
    small = PaperAugmentation(crop=(32, 40))
    first, second = (PaperDataset(folder, small, seed=1) for _ in range(2))
    second[0]
    assert all((first[1][name] == second[1][name]).all() for name in first[1] if name != "index")
    assert first[1]["index"] == 1
    before = first[1]["image"]
    first.epoch = 1
    assert (first[1]["image"] != before).any()


def test_ranks_share_every_epoch() -> None:
    samplers = [EpochSampler(11, seed=3, rank=rank, ranks=3) for rank in range(3)]
    for epoch in range(2):
        for sampler in samplers:
            sampler.set_epoch(epoch)
        shares = [list(sampler) for sampler in samplers]
        assert [len(share) for share in shares] == [3, 3, 3]
        assert len(set(sum(shares, []))) == 9
    samplers[0].set_epoch(0)
    assert list(samplers[0]) != shares[0]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_resumes_within_an_epoch(folder, workers) -> None:
    def loader(progress: dict[str, int]) -> TrainingLoader:
        parts = [PaperDataset(folder, PaperAugmentation(crop=(32, 40)), seed=5)]
        return TrainingLoader(parts, 2, EpochSampler(7, seed=5, rank=0, ranks=1), workers, progress)

    whole = loader({"epoch": 0, "batches": 0})
    for epoch in range(2):
        whole.sampler.set_epoch(epoch)
        batches = list(whole)
    assert len(batches) == len(whole) == 3
    progress = {"epoch": 0, "batches": 0}
    stopped = loader(progress)
    stopped.sampler.set_epoch(1)
    next(iter(stopped))
    assert progress == {"epoch": 1, "batches": 1}
    resumed = loader(dict(progress))
    resumed.sampler.set_epoch(1)
    rest = list(resumed)
    assert len(rest) == 2
    for batch, same in zip(rest, batches[1:], strict=True):
        assert torch.equal(batch["index"], same["index"])
        assert torch.equal(batch["image"], same["image"])
    resumed.sampler.set_epoch(2)
    assert len(list(resumed)) == 3


def with_person(height: int = 96, width: int = 128) -> Sample:
    """A bright person of 10 x 30 pixels on a dark ground, with its box."""
    labels = np.zeros((height, width), np.uint8)
    labels[40:70, 50:60] = PERSON
    bright = np.where(labels == PERSON, 200, 20).astype(np.uint8)
    boxes = np.float32([[PERSON, 50, 40, 60, 70]])
    return Sample(np.repeat(bright[..., None], 3, 2), bright, labels, boxes)


@pytest.mark.parametrize("scale", [0.7, 1.0, 1.6])
def test_boxes_stay_around_their_objects(scale) -> None:
    changes = Augmentation(scale=(scale, scale), crop=(80, 96))
    seen = 0
    for seed in range(20):
        changed = changes(with_person(), np.random.default_rng(seed))
        rows, columns = np.nonzero(changed.labels == PERSON)
        for _, left, top, right, bottom in changed.boxes:
            seen += 1
            found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            np.testing.assert_allclose([left, top, right, bottom], found, atol=1.01)
    assert seen >= 10


def test_objects_are_pasted_with_their_boxes() -> None:
    empty = Sample(*(np.zeros_like(image) for image in with_person().images))
    for seed in range(5):
        pasted = paste_objects(empty, with_person(), np.random.default_rng(seed))
        ((label, left, top, right, bottom),) = pasted.boxes.astype(int)
        assert label == PERSON and (pasted.labels[top:bottom, left:right] == PERSON).all()
        assert (pasted.labels == PERSON).sum() == 300
        assert pasted.rgb[top + 15, left + 5, 0] == pasted.thermal[top + 15, left + 5] == 200
    assert not len(empty.boxes)


def test_pasted_objects_have_the_size_they_would_have_in_the_larger_image() -> None:
    empty = Sample(
        *(np.zeros_like(image.repeat(2, 0).repeat(2, 1)) for image in with_person().images)
    )
    pasted = paste_objects(empty, with_person(), np.random.default_rng(0))
    ((label, left, top, right, bottom),) = pasted.boxes.astype(int)
    assert label == PERSON and (pasted.labels[top:bottom, left:right] == PERSON).all()
    assert (pasted.labels == PERSON).sum() == 1200


def test_barriers_are_drawn_in_both_images_behind_objects() -> None:
    before = Sample(
        np.full((240, 320, 3), 100, np.uint8),
        np.full((240, 320), 100, np.uint8),
        np.zeros((240, 320), np.uint8),
    )
    before.labels[:, 100:160] = PERSON
    seen = {GUARDRAIL: 0, CAR_STOP: 0}
    for seed in range(40):
        after = draw_barrier(before, np.random.default_rng(seed))
        changed = [(image != 100).reshape(240, 320, -1).any(2) for image in after.images[:2]]
        assert not any(image[before.labels == PERSON].any() for image in changed)
        assert (after.labels[before.labels == PERSON] == PERSON).all()
        (label,) = set(np.unique(after.labels)) - {0, PERSON} or {GUARDRAIL}
        barrier = after.labels == label
        near = cv2.dilate(barrier.astype(np.uint8), np.ones((41, 41))) > 0
        assert not any(image[~near].any() for image in changed)
        seen[label] += barrier.any() and all(image[barrier].any() for image in changed)
    assert min(seen.values()) > 5
    assert before.rgb.min() == before.rgb.max() == 100  # the sample itself is as it was


def test_thermal_images_are_shifted_by_twelve_pixels_at_most() -> None:
    dot = np.zeros((121, 161), np.uint8)
    dot[59:62, 79:82] = 255
    distances = []
    for seed in range(60):
        rows, columns = np.nonzero(misalign(dot, np.random.default_rng(seed)) > 100)
        distances.append(np.hypot(rows.mean() - 60, columns.mean() - 80))
    assert max(distances) < 13.5 and np.median(distances) < 6 and max(distances) > 6


def test_no_barriers_are_drawn_for_other_classes(folder) -> None:
    always = Augmentation(scale=(1, 1), crop=(48, 64), barrier=1.0)
    names = {"names": ["ground", "rock", *(f"thing {number}" for number in range(7))]}
    barriers = {CAR_STOP, GUARDRAIL}
    assert any(barriers & set(item["labels"].unique().tolist()) for item in epochs(folder, always))
    (folder / "data.yaml").write_text(yaml.safe_dump(names))
    assert not any(
        barriers & set(item["labels"].unique().tolist()) for item in epochs(folder, always)
    )


def epochs(folder, augment):
    """The items of a data set in ten epochs."""
    pairs = PairDataset(str(folder), augment)
    for pairs.epoch in range(10):
        yield from (pairs[index] for index in range(len(pairs)))


def test_pairs_held_out_are_never_trained_on(folder) -> None:
    data = PairData(train=[], validation=str(folder), split=[str(folder)])
    trained = {pair.name for part in data.parts for pair in part.pairs}
    _, held_out = data.validation.datasets
    validated = {pair.name for pair in held_out.pairs}
    assert trained == set("bcdeg") and validated == set("af")
    assert len(data.validation) == 9
    assert data.validation[8]["index"] == 8
    np.testing.assert_array_equal(data.validation.sample(8).rgb, held_out.sample(1).rgb)
