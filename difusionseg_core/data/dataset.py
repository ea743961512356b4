"""PyTorch data set over folders of pairs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from difusionseg_core.classes import IGNORE
from difusionseg_core.data.augmentation import Sample
from difusionseg_core.data.boxes import Box, correct_labels
from difusionseg_core.data.folder import open_data_set
from difusionseg_core.data.frames import Frame, read_frame
from difusionseg_core.preprocessing import normalize
from difusionseg_core.thermal import to_uint8


class PairDataset(Dataset):
    """Items are {"index", "image": (4, H, W) float32, "labels": (H, W) int64}, 255 without truth.

    With `boxes`, class maps are corrected by the folder's box files. `augment(sample, rng)`
    changes an item; what it draws depends on `seed`, `epoch` and the index alone, so a resumed
    training sees what an uninterrupted one would have seen. Decoded images stay in memory:
    `preload` before workers start and they share them.
    """

    def __init__(
        self,
        root: Path | str,
        augment: Callable[[Sample, np.random.Generator], Sample] | None = None,
        boxes: bool = False,
        seed: int = 0,
    ) -> None:
        data_set = open_data_set(root)
        self.pairs = data_set.pairs
        self.label_set = data_set.label_set
        self.augment = augment
        self.boxes = boxes
        self.seed = seed
        self.epoch = 0
        self._samples: dict[int, Sample] = {}

    def __len__(self) -> int:
        return len(self.pairs)

    def preload(self) -> None:
        """Decode all images now."""
        for index in range(len(self)):
            self.sample(index)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor | int]:
        sample = self.sample(index)
        if self.augment:
            sample = self.augment(sample, np.random.default_rng((self.seed, self.epoch, index)))
        image = normalize(sample.rgb, sample.thermal)
        return {
            "index": index,
            "image": torch.from_numpy(image),
            "labels": torch.from_numpy(sample.labels.astype(np.int64)),
        }

    def sample(self, index: int) -> Sample:
        """The images as they are on the disk, labels corrected where asked."""
        if index not in self._samples:
            frame = read_frame(self.pairs[index], self.label_set)
            self._samples[index] = _sample(frame, correct=self.boxes)
        return self._samples[index]

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
