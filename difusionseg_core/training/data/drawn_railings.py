"""Railings drawn into real pairs, because annotated ones are too few to learn them from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from difusionseg_core.training.data.sample import Sample

GUARDRAIL = 6
_IN_FRONT = (1, 2, 3, 5, 7)  # classes that hide a railing: car, person, bike, car stop, cone
_LEAST_HEIGHT = 6  # pixels at the near end
_SUBPIXEL = 4  # binary digits of coordinates after the point, for OpenCV


@dataclass(frozen=True)
class _Railing:
    """Posts and bars in a camera's view; lengths in heights of the camera above the ground.

    `posts` (N, 2) are their feet: sideways and away from the camera. `bars` are heights of
    horizontal bars relative to the railing's `height`, `thickness` is that of posts and bars.
    """

    posts: np.ndarray
    height: float
    bars: np.ndarray
    thickness: tuple[float, float]


@dataclass(frozen=True)
class _View:
    """A camera that looks along level ground: focal length, middle and horizon in pixels."""

    focal: float
    middle: float
    horizon: float

    def place(self, posts: np.ndarray, height: float) -> np.ndarray:
        """Return (N, 2) pixels of the points at a height above the feet of posts."""
        away = posts[:, 1]
        x = self.middle + self.focal * posts[:, 0] / away
        return np.stack([x, self.horizon + self.focal * (1 - height) / away], axis=1)


def draw_railing(sample: Sample, rng: np.random.Generator) -> Sample:
    """Draw one railing on the ground, behind labelled objects; it is lit like its surroundings.

    Labels are 6 from the ground to the top, gaps included, as railings are annotated. A railing
    outside the image or of a few pixels leaves the sample as it is.
    """
    height, width = sample.labels.shape
    view = _View(
        focal=width * rng.uniform(0.7, 1.4),
        middle=width * rng.uniform(0.4, 0.6),
        horizon=height * rng.uniform(0.32, 0.52),
    )
    railing = _random_railing(rng)
    feet, tops = view.place(railing.posts, 0), view.place(railing.posts, railing.height)
    if (feet - tops)[:, 1].max() < _LEAST_HEIGHT:
        return sample
    visible = ~np.isin(sample.labels, _IN_FRONT)
    region = np.zeros((height, width), np.uint8)
    cv2.fillPoly(region, [_fixed_point(np.concatenate([feet, tops[::-1]]))], 1, shift=_SUBPIXEL)
    labels = np.where((region > 0) & visible, np.uint8(GUARDRAIL), sample.labels)
    cover = _drawn(railing, view, (height, width)) * visible
    tint = rng.uniform(0.85, 1.15, 3)
    rgb = _painted(sample.rgb, cover[..., None], _contrast(3, rng) * tint, rng.uniform(0, 20))
    thermal = _painted(sample.thermal, cover, _contrast(2, rng), rng.uniform(-8, 16))
    return replace(sample, rgb=rgb, thermal=thermal, labels=labels)


def _contrast(most: float, rng: np.random.Generator) -> float:
    """Return a brightness relative to the surroundings, darker or brighter up to `most` times."""
    factor = rng.uniform(1.2, most)
    return factor if rng.random() < 0.6 else 1 / factor


def _random_railing(rng: np.random.Generator) -> _Railing:
    # Mostly along the road, sometimes across; the near end may be beside or behind the camera.
    angle = rng.normal(0, 0.12) if rng.random() < 0.7 else rng.uniform(-1.4, 1.4)
    start = np.array([rng.uniform(0.4, 4) * rng.choice([-1, 1]), rng.uniform(0.6, 7)])
    spacing, count = rng.uniform(0.25, 1.6), int(rng.integers(3, 25))
    along = np.arange(count)[:, None] * spacing * np.array([np.sin(angle), np.cos(angle)])
    posts = start + along
    if rng.random() < 0.2:
        bars, bar = np.array([0.7]), rng.uniform(0.15, 0.3)  # a beam, as beside motorways
    else:
        number = int(rng.integers(1, 5))
        bars, bar = np.linspace(1, rng.uniform(0.15, 0.6), number), rng.uniform(0.02, 0.09)
    return _Railing(
        posts[posts[:, 1] > 0.4], rng.uniform(0.4, 1.1), bars, (rng.uniform(0.02, 0.1), bar)
    )


def _drawn(railing: _Railing, view: _View, size: tuple[int, int]) -> np.ndarray:
    """Return the share (H, W) of each pixel that posts and bars cover."""
    canvas = np.zeros(size, np.uint8)
    post, bar = railing.thickness
    feet = view.place(railing.posts, 0)
    lines = [(feet, view.place(railing.posts, railing.height), railing.posts[:, 1], post)]
    for at in railing.bars:
        points = view.place(railing.posts, at * railing.height)
        lines.append((points[:-1], points[1:], railing.posts[1:, 1], bar))
    for starts, ends, away, thick in lines:
        widths = np.maximum(1, np.round(view.focal * thick / away)).astype(int)
        for start, end, pixels in zip(
            _fixed_point(starts), _fixed_point(ends), widths.tolist(), strict=True
        ):
            cv2.line(canvas, start, end, 255, pixels, cv2.LINE_AA, _SUBPIXEL)
    return canvas.astype(np.float32) / 255


def _fixed_point(points: np.ndarray) -> np.ndarray:
    limit = 10_000  # pixels; OpenCV's integers overflow
    return np.round(points.clip(-limit, limit) * 2**_SUBPIXEL).astype(np.int32)


def _painted(
    image: np.ndarray, cover: np.ndarray, gain: float | np.ndarray, offset: float
) -> np.ndarray:
    """Return the image with its smoothed grey level, changed by gain and offset, where covered."""
    height, width = image.shape[:2]
    grey = image.mean(2) if image.ndim == 3 else image
    tiny = cv2.resize(grey.astype(np.float32), (8, 6), interpolation=cv2.INTER_AREA)
    light = cv2.resize(tiny, (width, height))
    paint = (light[..., None] if image.ndim == 3 else light) * gain + offset
    return np.clip(image * (1 - cover) + paint * cover + 0.5, 0, 255).astype(np.uint8)
