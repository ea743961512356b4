"""Random changes to a training sample; every function takes the random generator to use.

Geometry and colour follow the paper's training; the rest imitates a robot's cameras.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from difusionseg_core.classes import IGNORE
from difusionseg_core.training.data.drawn_barriers import draw_barrier
from difusionseg_core.training.data.sample import Sample, flip, resized

_VISIBLE_SHARE = 0.4  # of a box that must be inside a crop for the object to count
_MOST_SHIFT = 12.0  # pixels that the thermal image may be off


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training sample, and their probabilities.

    `scale` is the range of the random resize relative to the image, `crop` (height, width) in
    pixels, `class_share` the largest share that one class may have in a crop (ten tries). `focus`
    is the probability that the crop is placed on a pixel of a rare class, all classes equally
    likely; `paste` that objects of another sample are put into this one, `barrier` that a railing,
    U-pipes or bollards are drawn, if the data set has the classes of MSRS. The probabilities of
    camera effects are `no_rgb` and `no_thermal` (a camera missing: its image is black), `exposure`
    (the RGB image far too dark or too bright), `contrast` (gain, offset, gamma and automatic ranges
    of thermal cameras), `inverted` (a thermal image in which hot is dark), `shift` (thermal image
    off by up to 12 pixels), `noise`, `blur`.
    """

    scale: tuple[float, float] = (0.5, 2.0)
    crop: tuple[int, int] = (320, 480)
    class_share: float = 0.75
    focus: float = 0.0
    rare_classes: tuple[int, ...] = (3, 4, 5, 6, 7, 8)
    paste: float = 0.0
    barrier: float = 0.0
    no_rgb: float = 0.0
    no_thermal: float = 0.0
    exposure: float = 0.0
    contrast: float = 0.0
    inverted: float = 0.0
    shift: float = 0.0
    noise: float = 0.0
    blur: float = 0.0

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Change a sample at random."""
        if rng.random() < self.barrier:
            sample = draw_barrier(sample, rng)
        sample = random_crop(sample, self, rng)
        if rng.random() < 0.5:
            sample = flip(sample)
        rgb = photometric_distortion(sample.rgb, rng)
        thermal = sample.thermal
        if rng.random() < self.exposure:
            rgb = exposure(rgb, rng)
        if rng.random() < self.contrast:
            thermal = thermal_contrast(thermal, rng)
        if rng.random() < self.inverted:
            thermal = 255 - thermal
        if rng.random() < self.shift:
            thermal = misalign(thermal, rng)
        if rng.random() < self.blur:
            rgb = cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.3, 1.5))
        if rng.random() < self.noise:
            rgb, thermal = add_noise(rgb, rng), add_noise(thermal, rng)
        missing = rng.random()
        if missing < self.no_rgb:
            rgb = np.zeros_like(rgb)
        elif missing < self.no_rgb + self.no_thermal:
            thermal = np.zeros_like(thermal)
        return replace(sample, rgb=rgb, thermal=thermal)


def random_crop(sample: Sample, options: Augmentation, rng: np.random.Generator) -> Sample:
    """Resize by a random factor and cut out a window of `options.crop`, padded if it is larger.

    Padding is black, and ignored in the labels.
    """
    factor = rng.uniform(*options.scale)
    sample = resized(sample, *(max(1, round(side * factor)) for side in sample.labels.shape))
    top, left = _crop_corner(sample.labels, options, rng)
    window = (slice(top, top + options.crop[0]), slice(left, left + options.crop[1]))
    boxes = sample.boxes.copy()
    boxes[:, 1:] -= np.array([left, top] * 2, np.float32)
    return Sample(
        _pad(sample.rgb[window], options.crop, 0),
        _pad(sample.thermal[window], options.crop, 0),
        _pad(sample.labels[window], options.crop, IGNORE),
        _clip_boxes(boxes, *options.crop),
    )


def _clip_boxes(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the visible parts of boxes, without those that are mostly outside the image."""
    clipped = boxes.copy()
    clipped[:, 1::2] = boxes[:, 1::2].clip(0, width)
    clipped[:, 2::2] = boxes[:, 2::2].clip(0, height)
    visible, whole = (
        (part[:, 3] - part[:, 1]) * (part[:, 4] - part[:, 2]) for part in (clipped, boxes)
    )
    return clipped[visible > _VISIBLE_SHARE * whole]


def photometric_distortion(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change brightness, contrast, saturation and hue, each half the time.

    Brightness by 32 at most, contrast and saturation by 0.5 to 1.5, hue by 18 degrees (of 180).
    """
    image = rgb.astype(np.float32)
    if rng.random() < 0.5:
        image += rng.uniform(-32, 32)
    contrast = rng.uniform(0.5, 1.5) if rng.random() < 0.5 else 1.0
    contrast_first = rng.random() < 0.5
    if contrast_first:
        image *= contrast
    saturation = rng.uniform(0.5, 1.5) if rng.random() < 0.5 else 1.0
    hue = rng.integers(-18, 19) if rng.random() < 0.5 else 0
    if saturation != 1.0 or hue:
        hsv = cv2.cvtColor(np.clip(image, 0, 255).astype(np.uint8), cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(np.int16) + hue) % 180
        hsv[..., 1] = np.clip(hsv[..., 1] * saturation, 0, 255)
        image = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.float32)
    if not contrast_first:
        image *= contrast
    return np.clip(image, 0, 255).astype(np.uint8)


def exposure(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Under- or overexpose: gain 1/8 to 4 before the image is clipped to 8 bits."""
    gain = 2.0 ** rng.uniform(-3, 2)
    return cv2.LUT(rgb, np.clip(np.arange(256) * gain, 0, 255).astype(np.uint8))


def thermal_contrast(thermal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change gain, offset and gamma, as cameras differ.

    In a quarter of the cases the image's histogram is first equalised, fully or in part, as
    automatic gain does.
    """
    if rng.random() < 0.25:
        share = rng.uniform(0.3, 1)
        thermal = cv2.addWeighted(cv2.equalizeHist(thermal), share, thermal, 1 - share, 0)
    levels = np.linspace(0, 1, 256) ** rng.uniform(0.4, 1.7)
    table = np.clip(255 * levels * rng.uniform(0.5, 1.6) + rng.uniform(-20, 70), 0, 255)
    return cv2.LUT(thermal, table.astype(np.uint8))


def misalign(thermal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shift, turn and scale the thermal image a little; edges repeat.

    By up to 12 pixels, mostly by few, up to 1 degree and up to 2 %.
    """
    height, width = thermal.shape
    turn, scale = rng.uniform(-1, 1), rng.uniform(0.98, 1.02)
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn, scale)
    direction = rng.uniform(0, 2 * np.pi)
    distance = _MOST_SHIFT * rng.random() ** 2
    matrix[:, 2] += distance * np.cos(direction), distance * np.sin(direction)
    return cv2.warpAffine(thermal, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)


def add_noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise with a random deviation up to 12 of 255."""
    noise = rng.standard_normal(image.shape, np.float32) * rng.uniform(2, 12)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def _crop_corner(
    labels: np.ndarray, options: Augmentation, rng: np.random.Generator
) -> tuple[int, int]:
    free = [max(side - crop, 0) for side, crop in zip(labels.shape, options.crop, strict=True)]
    if rng.random() < options.focus:
        present = np.intersect1d(np.unique(labels), options.rare_classes)
        if present.size:
            rare = np.flatnonzero(labels == rng.choice(present))
            place = np.unravel_index(rng.choice(rare), labels.shape)
            corner = [
                int(np.clip(at - rng.integers(crop), 0, most))
                for at, crop, most in zip(place, options.crop, free, strict=True)
            ]
            return corner[0], corner[1]
    for _ in range(10):
        top, left = (int(rng.integers(most + 1)) for most in free)
        window = labels[top : top + options.crop[0], left : left + options.crop[1]]
        counts = np.bincount(window.ravel(), minlength=256)[:IGNORE]
        if np.count_nonzero(counts) > 1 and counts.max() < options.class_share * counts.sum():
            break
    return top, left


def _pad(image: np.ndarray, size: tuple[int, int], value: int) -> np.ndarray:
    bottom, right = (most - side for most, side in zip(size, image.shape, strict=False))
    if not bottom and not right:
        return np.ascontiguousarray(image)
    return cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_CONSTANT, value=[value] * 3)
