"""PyTorch data set over folders of pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from difusionseg_core.classes import IGNORE
from difusionseg_core.data.boxes import Box, correct_labels
from difusionseg_core.data.folder import open_data_set
from difusionseg_core.data.frames import Frame, read_frame
from difusionseg_core.imaging.thermal import to_uint8
from difusionseg_core.network.preprocessing import normalize
from difusionseg_core.training.augmentation import Augmentation, Sample, paste_objects
from difusionseg_core.training.object_weights import object_weights

_RARE_OBJECT = 3  # bike


class PairDataset(Dataset):
    """Items are {"index", "image": (4, H, W) float32, "labels": (H, W) int64}, 255 without truth.

    With `boxes`, class maps are corrected by the folder's box files. `augment(sample, rng)`
    changes an item, which then has "weights": (H, W) float32, see `object_weights`. What it draws
    depends on `seed`, `epoch` and the index alone, so a resumed training sees what an uninterrupted
    one would have seen. `classes` is a data.yaml or the name of a known data set, if the folder has
    no data.yaml of its own. Decoded images stay in memory: `preload` before workers start and they
    share them.
    """

    def __init__(
        self,
        root: Path | str,
        augment: Augmentation | None = None,
        boxes: bool = False,
        seed: int = 0,
        classes: str | None = None,
    ) -> None:
        data_set = open_data_set(root, classes=classes)
        self.root = str(root)
        self.pairs = data_set.pairs
        self.label_set = data_set.label_set
        self.augment = augment
        self.boxes = boxes
        self.seed = seed
        self.epoch = 0
        self._samples: dict[int, Sample] = {}
        self._donors: list[int] = []

    def __len__(self) -> int:
        return len(self.pairs)

    def preload(self) -> None:
        """Decode all images now."""
        self._donors = [
            index for index in range(len(self)) if (self.sample(index).labels == _RARE_OBJECT).any()
        ]

    def __getitem__(self, index: int) -> dict[str, torch.Tensor | int]:
        sample = self.sample(index)
        item = {"index": index}
        if self.augment:
            rng = np.random.default_rng((self.seed, self.epoch, index))
            if rng.random() < self.augment.paste:
                sample = paste_objects(sample, self.sample(self._donor(rng)), rng)
            mixed = rng.random() < self.augment.mix
            other = self.sample(int(rng.integers(len(self)))) if mixed else None
            sample = self.augment(sample, rng, other)
            item["weights"] = torch.from_numpy(object_weights(sample.labels))
        item["image"] = torch.from_numpy(normalize(sample.rgb, sample.thermal))
        item["labels"] = torch.from_numpy(sample.labels.astype(np.int64))
        return item

    def sample(self, index: int) -> Sample:
        """The images as they are on the disk, labels corrected where asked."""
        if index not in self._samples:
            frame = read_frame(self.pairs[index], self.label_set)
            self._samples[index] = _sample(frame, correct=self.boxes)
        return self._samples[index]

    def _donor(self, rng: np.random.Generator) -> int:
        """A sample to paste objects from: every other time one with a bike, which few have."""
        if self._donors and rng.random() < 0.5:
            return int(rng.choice(self._donors))
        return int(rng.integers(len(self)))

    def boxes_of(self, index: int) -> list[Box] | None:
        """The objects that people marked; None where the data set has none."""
        return read_frame(self.pairs[index], self.label_set).boxes


def _sample(frame: Frame, correct: bool) -> Sample:
    labels = frame.labels
    if labels is None:
        labels = np.full(frame.thermal.shape, IGNORE, np.uint8)
    elif correct and frame.boxes is not None:
        labels = correct_labels(labels, frame.boxes)
    return Sample(frame.rgb, to_uint8(frame.thermal), labels)
