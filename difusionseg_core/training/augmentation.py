"""Random changes to a training sample; every function takes the generator it draws from.

Geometry and colour follow the paper's training; the rest is what a robot's cameras do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from difusionseg_core.classes import IGNORE

_PASTED_CLASSES = (2, 3)  # person, bike
_SMALLEST_PASTED = 60  # pixels
_SIMILAR_LIGHT = 30  # difference of the mean RGB value


@dataclass(frozen=True)
class Sample:
    """`rgb` (H, W, 3) uint8, `thermal` (H, W) uint8, `labels` (H, W) uint8 ids with 255 for
    ignore.
    """

    rgb: np.ndarray
    thermal: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Augmentation:
    """What is drawn for a training sample, and how likely.

    `scale` is the range of the random resize relative to the image, `crop` (height, width) in
    pixels, `class_share` the largest share that one class may have in a crop (ten tries). `focus`
    is the probability that the crop is placed on a pixel of a rare class, `paste` that people and
    bikes of another sample are put into this one, `mix` that a window of the crop is another
    sample's. The probabilities of camera effects are `no_rgb` and `no_thermal` (a camera missing:
    its image is black), `exposure` (the RGB image far too dark or too bright), `contrast` (thermal
    contrast and brightness), `shift` (thermal image off by up to 3 pixels), `noise`, `blur`.
    """

    scale: tuple[float, float] = (0.5, 2.0)
    crop: tuple[int, int] = (320, 480)
    class_share: float = 0.75
    focus: float = 0.0
    rare_classes: tuple[int, ...] = (3, 4, 5, 6, 7, 8)
    paste: float = 0.0
    mix: float = 0.0
    no_rgb: float = 0.0
    no_thermal: float = 0.0
    exposure: float = 0.0
    contrast: float = 0.0
    shift: float = 0.0
    noise: float = 0.0
    blur: float = 0.0

    def __call__(
        self, sample: Sample, rng: np.random.Generator, other: Sample | None = None
    ) -> Sample:
        sample = random_crop(sample, self, rng)
        if other is not None:
            sample = mix_crops(sample, random_crop(other, self, rng), rng)
        if rng.random() < 0.5:
            sample = flip(sample)
        rgb = photometric_distortion(sample.rgb, rng)
        thermal = sample.thermal
        if rng.random() < self.exposure:
            rgb = exposure(rgb, rng)
        if rng.random() < self.contrast:
            thermal = thermal_contrast(thermal, rng)
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
    """Resize by a random factor and cut out a window of `options.crop`, padded where it is larger.

    Padding is black, and ignored in the labels.
    """
    factor = rng.uniform(*options.scale)
    height, width = (max(1, round(side * factor)) for side in sample.labels.shape)
    labels = cv2.resize(sample.labels, (width, height), interpolation=cv2.INTER_NEAREST)
    top, left = _crop_corner(labels, options, rng)
    window = (slice(top, top + options.crop[0]), slice(left, left + options.crop[1]))
    return Sample(
        _pad(cv2.resize(sample.rgb, (width, height))[window], options.crop, 0),
        _pad(cv2.resize(sample.thermal, (width, height))[window], options.crop, 0),
        _pad(labels[window], options.crop, IGNORE),
    )


def paste_objects(sample: Sample, donor: Sample, rng: np.random.Generator) -> Sample:
    """Put up to three groups of people and bikes of another sample into this one (as in Ghiasi et
    al., CVPR 2021).

    They keep about the height in the image at which they stood, and so their size is right for
    their distance. Nothing is pasted between day and night, or between images of different sizes.
    """
    too_different = abs(float(sample.rgb.mean()) - float(donor.rgb.mean())) > _SIMILAR_LIGHT
    if sample.labels.shape != donor.labels.shape or too_different:
        return sample
    if rng.random() < 0.5:
        donor = flip(donor)
    groups = np.isin(donor.labels, _PASTED_CLASSES).astype(np.uint8)
    _, regions, boxes, _ = cv2.connectedComponentsWithStats(groups)
    large = np.flatnonzero(boxes[1:, cv2.CC_STAT_AREA] >= _SMALLEST_PASTED) + 1
    height, width = groups.shape
    pasted = Sample(*(image.copy() for image in vars(sample).values()))
    for region in rng.permutation(large)[:3]:
        left, top, across, down = (int(value) for value in boxes[region, :4])
        new_left = int(rng.integers(0, width - across + 1))
        new_top = int(np.clip(top + rng.integers(-8, 9), 0, height - down))
        source = (slice(top, top + down), slice(left, left + across))
        target = (slice(new_top, new_top + down), slice(new_left, new_left + across))
        inside = regions[source] == region
        # Soft edges, so that the cut itself does not tell where the object is.
        share = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 0.7)
        for image, other in ((pasted.rgb, donor.rgb), (pasted.thermal, donor.thermal)):
            weight = share[..., None] if image.ndim == 3 else share
            blended = image[target] * (1 - weight) + other[source] * weight
            image[target] = (blended + 0.5).astype(np.uint8)
        pasted.labels[target][inside] = donor.labels[source][inside]
    return pasted


def mix_crops(sample: Sample, other: Sample, rng: np.random.Generator) -> Sample:
    """A window of `other` in the place of the same window of `sample`, half the time of full height
    (as in Yun et al., ICCV 2019): what is around an object then tells less of what it is.
    """
    height, width = sample.labels.shape
    rows = (0, height) if rng.random() < 0.5 else sorted(rng.integers(0, height + 1, 2))
    columns = sorted(rng.integers(0, width + 1, 2))
    window = (slice(*rows), slice(*columns))
    mixed = Sample(*(image.copy() for image in vars(sample).values()))
    for image, source in zip(vars(mixed).values(), vars(other).values(), strict=True):
        image[window] = source[window]
    return mixed


def flip(sample: Sample) -> Sample:
    """Mirror left and right."""
    return Sample(*(np.ascontiguousarray(image[:, ::-1]) for image in vars(sample).values()))


def photometric_distortion(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brightness +-32, contrast and saturation 0.5 to 1.5, hue +-18 degrees (of 180), each half
    the time.
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
    """Too little light or too much: gain 1/8 to 4 before the picture is cut to 8 bits."""
    gain = 2.0 ** rng.uniform(-3, 2)
    return cv2.LUT(rgb, np.clip(np.arange(256) * gain, 0, 255).astype(np.uint8))


def thermal_contrast(thermal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another gain, offset and gamma, as cameras and their automatic ranges differ."""
    levels = np.linspace(0, 1, 256) ** rng.uniform(0.6, 1.6)
    table = np.clip(255 * levels * rng.uniform(0.6, 1.8) + rng.uniform(-20, 40), 0, 255)
    return cv2.LUT(thermal, table.astype(np.uint8))


def misalign(thermal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shift by up to 3 pixels each way; edges repeat."""
    dx, dy = rng.uniform(-3, 3, 2)
    matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    size = thermal.shape[::-1]
    return cv2.warpAffine(thermal, matrix, size, borderMode=cv2.BORDER_REPLICATE)


def add_noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise of a random deviation up to 12 of 255."""
    noise = rng.standard_normal(image.shape, np.float32) * rng.uniform(2, 12)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def _crop_corner(
    labels: np.ndarray, options: Augmentation, rng: np.random.Generator
) -> tuple[int, int]:
    free = [max(side - crop, 0) for side, crop in zip(labels.shape, options.crop, strict=True)]
    if rng.random() < options.focus:
        rare = np.flatnonzero(np.isin(labels, options.rare_classes))
        if rare.size:
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
