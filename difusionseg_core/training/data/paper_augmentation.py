"""The paper's training samples: its augmentation, and the targets of its fusion losses.

`augmentation` has the same ideas, but is made for robots. Here the thermal image is resized to the
nearest pixel, sizes are relative to 640x480, and padding follows normalisation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from difusionseg_core.classes import IGNORE
from difusionseg_core.network.preprocessing import normalize
from difusionseg_core.training.data.augmentation import photometric_distortion
from difusionseg_core.training.data.pair_dataset import Item, PairDataset
from difusionseg_core.training.data.sample import Sample, flip

_WIDTH, _HEIGHT = 640, 480  # of the image at a resize factor of 1


class PaperAugmentation:
    """The augmentation that the paper's training uses.

    `scale` is the range of the random resize relative to 640x480, `crop` (height, width) in
    pixels, `class_share` the largest share that one class may have in a crop (ten tries).
    """

    # No dataclass, because a saved configuration would then lack the name of the class.
    def __init__(
        self,
        scale: tuple[float, float] = (0.5, 2.0),
        crop: tuple[int, int] = (320, 480),
        class_share: float = 0.75,
    ) -> None:
        self.scale = scale
        self.crop = crop
        self.class_share = class_share

    def __call__(self, sample: Sample, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return arrays of crop size (h, w), padded at the bottom and on the right.

        "image" (4, h, w) float32 normalised, "labels" (h, w) int64, and undistorted, stretched to
        0..1 and float32 "visible" (3, h, w) RGB and "thermal" (1, h, w). Padding is 0, and 255 in
        the labels.
        """
        sample = random_crop(random_resize(sample, self.scale, rng), self, rng)
        if rng.random() < 0.5:
            sample = flip(sample)
        distorted = photometric_distortion(sample.rgb, rng)
        height, width = sample.labels.shape
        image = normalize(distorted, sample.thermal)[:, :height, :width]
        return {
            "image": _padded(image, self.crop, 0),
            "labels": _padded(sample.labels.astype(np.int64), self.crop, IGNORE),
            "visible": _padded(stretched(sample.rgb.transpose(2, 0, 1)), self.crop, 0),
            "thermal": _padded(stretched(sample.thermal[None]), self.crop, 0),
        }


class PaperDataset(PairDataset):
    """Items are {"index", "image", "labels", "visible", "thermal"}, see `PaperAugmentation`.

    `options` are those of `PairDataset`.
    """

    def __init__(self, root: Path | str, augment: PaperAugmentation, **options: Any) -> None:
        super().__init__(root, **options)
        self.paper_augment = augment

    def __getitem__(self, index: int) -> Item:
        rng = np.random.default_rng((self.seed, self.epoch, index))
        arrays = self.paper_augment(self.sample(index), rng)
        return {"index": index, **{name: torch.from_numpy(a) for name, a in arrays.items()}}


def random_resize(sample: Sample, scale: tuple[float, float], rng: np.random.Generator) -> Sample:
    """Fit the images into a random multiple of 640x480; only the RGB image is interpolated."""
    factor = rng.uniform(*scale)
    height, width = sample.labels.shape
    longest, shortest = int(_WIDTH * factor), int(_HEIGHT * factor)
    ratio = min(longest / max(height, width), shortest / min(height, width))
    size = int(width * ratio + 0.5), int(height * ratio + 0.5)
    return Sample(
        cv2.resize(sample.rgb, size, interpolation=cv2.INTER_LINEAR),
        cv2.resize(sample.thermal, size, interpolation=cv2.INTER_NEAREST),
        cv2.resize(sample.labels, size, interpolation=cv2.INTER_NEAREST),
    )


def random_crop(sample: Sample, options: PaperAugmentation, rng: np.random.Generator) -> Sample:
    """Cut out a window of at most `options.crop`; one that one class fills only after ten tries."""
    for attempt in range(11):
        window = tuple(
            slice(start := int(rng.integers(max(side - crop, 0) + 1)), start + crop)
            for side, crop in zip(sample.labels.shape, options.crop, strict=True)
        )
        if attempt == 10 or _is_mixed(sample.labels[window], options.class_share):
            return Sample(*(np.ascontiguousarray(image[window]) for image in sample.images))
    raise AssertionError


def _is_mixed(labels: np.ndarray, class_share: float) -> bool:
    counts = np.bincount(labels.ravel(), minlength=256)[:IGNORE]
    return bool(np.count_nonzero(counts) > 1 and counts.max() < class_share * counts.sum())


def stretched(image: np.ndarray) -> np.ndarray:
    """Map uint8 to float32, from 0 (its minimum) to 1 (its maximum); a constant to zeros."""
    low, high = float(image.min()), float(image.max())
    return ((image.astype(np.float32) - low) / (high - low + 1e-10)).clip(0, 1)


def _padded(image: np.ndarray, size: tuple[int, int], value: int) -> np.ndarray:
    """Return pad (..., H, W) to (..., height, width) at the bottom and on the right."""
    height, width = image.shape[-2:]
    padded = np.full((*image.shape[:-2], *size), value, image.dtype)
    padded[..., :height, :width] = image
    return padded
