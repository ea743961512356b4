"""PyTorch data set over folders of pairs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from difusionseg_core.classes import IGNORE
from difusionseg_core.data.augmentation import Sample
from difusionseg_core.data.boxes import correct_labels, read_boxes
from difusionseg_core.data.folder import BOXES, Pair, list_pairs
from difusionseg_core.data.images import read_labels, read_rgb, read_thermal
from difusionseg_core.preprocessing import normalize
from difusionseg_core.thermal import to_uint8


class PairDataset(Dataset):
    """Items are {"name", "image": (4, H, W) float32, "labels": (H, W) int64}, 255 without truth.

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
        self.root = Path(root)
        self.pairs = list_pairs(root)
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

    def __getitem__(self, index: int) -> dict[str, torch.Tensor | str]:
        sample = self.sample(index)
        if self.augment:
            sample = self.augment(sample, np.random.default_rng((self.seed, self.epoch, index)))
        image = normalize(sample.rgb, sample.thermal)
        return {
            "name": self.pairs[index].name,
            "image": torch.from_numpy(image),
            "labels": torch.from_numpy(sample.labels.astype(np.int64)),
        }

    def sample(self, index: int) -> Sample:
        """The images as they are on the disk."""
        if index not in self._samples:
            self._samples[index] = _load(
                self.pairs[index], self.root / BOXES if self.boxes else None
            )
        return self._samples[index]


def _load(pair: Pair, boxes: Path | None) -> Sample:
    rgb = read_rgb(pair.visible)
    thermal = to_uint8(read_thermal(pair.thermal))
    if pair.labels is None:
        return Sample(rgb, thermal, np.full(thermal.shape, IGNORE, np.uint8))
    labels = read_labels(pair.labels)
    if boxes is not None:
        height, width = labels.shape
        labels = correct_labels(labels, read_boxes(boxes / f"{pair.name}.txt", width, height))
    return Sample(rgb, thermal, labels)
