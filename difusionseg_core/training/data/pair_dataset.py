"""PyTorch data set over folders of pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset, get_worker_info

from difusionseg_core.classes import IGNORE, MSRS
from difusionseg_core.data.boxes import Box
from difusionseg_core.data.folder import open_data_set
from difusionseg_core.data.frames import DataSetFrame, read_frame, read_pair_labels
from difusionseg_core.imaging.camera_settings import CameraSettings
from difusionseg_core.imaging.thermal.normalizer import to_uint8
from difusionseg_core.network.preprocessing import normalize
from difusionseg_core.training.data.augmentation import Augmentation
from difusionseg_core.training.data.memory_budget import MemoryBudget, size_of
from difusionseg_core.training.data.object_targets import boxes_of_masks, object_targets
from difusionseg_core.training.data.pasting import PASTED_CLASSES, paste_objects
from difusionseg_core.training.data.sample import Sample

Item = dict[str, torch.Tensor | int]
"""Tensors by name, and the "index" of the pair."""


class PairDataset(Dataset[Item]):
    """Items are {"index", "image": (4, H, W) float32, "labels": (H, W) int64}, 255 without truth.

    `augment(sample, rng)` changes an item, which then also has the fields of `ObjectTargets`. Its
    random numbers depend only on `seed`, `epoch` and the index, so that a resumed training sees
    the same as an uninterrupted one. `kept` chooses pairs by their position in the folder.
    `classes` is a data.yaml or the name of a known data set, if the folder has no data.yaml of its
    own; `cameras` is how its images become registered pairs, if they are not. Decoded images stay
    in memory while `budget` lasts; workers share those that are loaded by `preload` before they
    start.
    """

    def __init__(
        self,
        root: Path | str,
        augment: Augmentation | None = None,
        seed: int = 0,
        classes: str | None = None,
        budget: MemoryBudget | None = None,
        kept: Callable[[int], bool] | None = None,
        cameras: CameraSettings | None = None,
    ) -> None:
        data_set = open_data_set(root, classes=classes).with_cameras(cameras)
        self.root = str(root)
        self.pairs = [
            pair for index, pair in enumerate(data_set.pairs) if kept is None or kept(index)
        ]
        self.label_set = data_set.label_set
        known = self.label_set is not None and self.label_set.has_same_classes(MSRS)
        # Barriers are labelled with the classes of MSRS.
        self.augment = augment if augment is None or known else replace(augment, barrier=0.0)
        self.seed = seed
        self.epoch = 0
        self.budget = budget or MemoryBudget(0)
        self._samples: dict[int, Sample] = {}
        self._donors: list[list[int]] = []

    def __len__(self) -> int:
        return len(self.pairs)

    def preload(self) -> None:
        """Decode images now, as many as may stay in memory, and all masks."""
        for index in range(len(self)):
            self.sample(index)
            if index not in self._samples:
                break
        if self.augment is None or not self.augment.paste:
            return
        present = [np.unique(self.labels(index)) for index in range(len(self))]
        donors = [
            [index for index, labels in enumerate(present) if label in labels]
            for label in PASTED_CLASSES
        ]
        self._donors = [of_class for of_class in donors if of_class]

    def __getitem__(self, index: int) -> Item:
        sample = self.sample(index)
        item: Item = {"index": index}
        if self.augment:
            rng = np.random.default_rng((self.seed, self.epoch, index))
            if self._donors and rng.random() < self.augment.paste:
                # All classes equally often.
                of_class = self._donors[int(rng.integers(len(self._donors)))]
                sample = paste_objects(sample, self.sample(int(rng.choice(of_class))), rng)
            sample = self.augment(sample, rng)
            targets = object_targets(sample.boxes, sample.labels)
            item |= {name: torch.from_numpy(value) for name, value in vars(targets).items()}
        item["image"] = torch.from_numpy(normalize(sample.rgb, sample.thermal))
        item["labels"] = torch.from_numpy(sample.labels.astype(np.int64))
        return item

    def sample(self, index: int) -> Sample:
        """Return the images as they are on disk; kept in memory while the budget lasts."""
        sample = self._samples.get(index)
        if sample is None:
            sample = _sample(read_frame(self.pairs[index], self.label_set))
            # Not in a worker: each would keep its own copy.
            if get_worker_info() is None and self.budget.take(size_of(vars(sample).values())):
                self._samples[index] = sample
        return sample

    def labels(self, index: int) -> np.ndarray:
        """Return (H, W) uint8 class ids of a pair without decoding its images; may be empty."""
        pair = self.pairs[index]
        if index in self._samples:
            return self._samples[index].labels
        return read_pair_labels(pair, self.label_set) if pair.labels else np.empty(0, np.uint8)

    def boxes_of(self, index: int) -> list[Box] | None:
        """Return the annotated boxes; None if the data set has none."""
        return read_frame(self.pairs[index], self.label_set).boxes


def _sample(frame: DataSetFrame) -> Sample:
    labels = frame.labels
    if labels is None:
        labels = np.full(frame.thermal.shape, IGNORE, np.uint8)
    if frame.boxes:
        boxes = np.array([box.edges for box in frame.boxes], np.float32)
    else:  # not annotated
        boxes = boxes_of_masks(labels)
    return Sample(frame.rgb, to_uint8(frame.thermal), labels, boxes)
