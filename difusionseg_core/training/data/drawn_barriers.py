"""Railings, U-pipes and bollards drawn into real pairs: annotated ones are too few to learn from.

All are posts on the ground; panels of bars connect posts. What has long rows of panels is a
guardrail, what stands alone a car stop.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from difusionseg_core.training.data.sample import Sample

CAR_STOP, GUARDRAIL = 5, 6
_IN_FRONT = (1, 2, 3, 5, 7)  # classes that hide a barrier: car, person, bike, car stop, cone
_LEAST_HEIGHT = 6  # pixels at the near end
_SUBPIXEL = 4  # binary digits of coordinates after the point, for OpenCV


@dataclass(frozen=True)
class _Barrier:
    """Lengths are in heights of the camera above the ground.

    `posts` (N, 2) are their feet, sideways and away from the camera; `height` is that of the posts.
    `panels` (M, 2) are the posts that each panel connects, `bars` their heights relative to the
    posts'. `thickness` is that of posts and of bars, `saturation` 0..1 that of the paint.
    """

    label: int
    posts: np.ndarray
    height: float
    panels: np.ndarray
    bars: np.ndarray
    thickness: tuple[float, float]
    saturation: float


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


def draw_barrier(sample: Sample, rng: np.random.Generator) -> Sample:
    """Draw a barrier on the ground, behind labelled objects; it is lit like its surroundings.

    Panels are labelled from the ground to the top, gaps included, as railings are annotated. A
    barrier outside the image or of a few pixels leaves the sample as it is.
    """
    height, width = sample.labels.shape
    view = _View(
        focal=width * rng.uniform(0.7, 1.4),
        middle=width * rng.uniform(0.4, 0.6),
        horizon=height * rng.uniform(0.32, 0.52),
    )
    barrier = _random_barrier(rng)
    feet, tops = view.place(barrier.posts, 0), view.place(barrier.posts, barrier.height)
    cover = _drawn(barrier, view, (height, width))
    if not cover.any() or (feet - tops)[:, 1].max() < _LEAST_HEIGHT:
        return sample
    visible = ~np.isin(sample.labels, _IN_FRONT)
    region = (cover > 0.5).astype(np.uint8)
    for one, other in barrier.panels:
        outline = np.stack([feet[one], tops[one], tops[other], feet[other]])
        cv2.fillConvexPoly(region, _fixed_point(outline), 1, shift=_SUBPIXEL)
    labels = np.where((region > 0) & visible, np.uint8(barrier.label), sample.labels)
    left, top, across, down = cv2.boundingRect((cover > 0).astype(np.uint8))
    window = (slice(top, top + down), slice(left, left + across))
    cover = (cover * visible)[window]
    paint = _contrast(3, rng) * (1 + barrier.saturation * rng.uniform(-1, 1, 3))
    rgb, thermal = sample.rgb.copy(), sample.thermal.copy()
    rgb[window] = _painted(rgb[window], cover[..., None], paint, rng.uniform(0, 20))
    thermal[window] = _painted(thermal[window], cover, _contrast(2, rng), rng.uniform(-8, 16))
    return replace(sample, rgb=rgb, thermal=thermal, labels=labels)


def _random_barrier(rng: np.random.Generator) -> _Barrier:
    # Mostly along the road, sometimes across, from the near end on.
    angle = rng.normal(0, 0.12) if rng.random() < 0.7 else rng.uniform(-1.4, 1.4)
    start = np.array([rng.uniform(0.4, 4) * rng.choice([-1, 1]), rng.uniform(0.6, 7)])
    kind = rng.random()
    thin, bar = rng.uniform(0.02, 0.1), rng.uniform(0.02, 0.09)
    if kind < 0.5:  # a railing
        length, spacing = rng.uniform(2, 15), rng.uniform(0.25, 1.6)
        along = np.arange(0, length + spacing, spacing)
        bars = np.linspace(1, rng.uniform(0.15, 0.6), int(rng.integers(1, 5)))
        if rng.random() < 0.2:  # a beam, as beside motorways
            bars, bar = np.array([0.7]), rng.uniform(0.15, 0.3)
        label, height, saturation, step = GUARDRAIL, rng.uniform(0.4, 1.1), 0.15, 1
    else:
        count, height = int(rng.integers(1, 6)), rng.uniform(0.3, 0.7)
        label, saturation = CAR_STOP, 0.5
        along = np.arange(count) * rng.uniform(0.8, 2)
        bars = np.array([1.0, *([0.5] if rng.random() < 0.3 else [])])
        if kind < 0.75:  # U-pipes
            along = (along[:, None] + [0, rng.uniform(0.25, 0.6)]).ravel()
            step = 2
        else:  # bollards
            thin, step = rng.uniform(0.05, 0.2), 0
    posts = start + along[:, None] * np.array([np.sin(angle), np.cos(angle)])
    first = np.arange(0, len(posts) - 1, step) if step else np.empty(0, int)
    panels = np.stack([first, first + 1], axis=1)
    return _Barrier(label, posts, height, panels, bars, (thin, bar), saturation)


def _contrast(most: float, rng: np.random.Generator) -> float:
    """Return a brightness relative to the surroundings, darker or brighter up to `most` times."""
    factor = rng.uniform(1.2, most)
    return factor if rng.random() < 0.6 else 1 / factor


def _drawn(barrier: _Barrier, view: _View, size: tuple[int, int]) -> np.ndarray:
    """Return the share (H, W) of each pixel that posts and bars cover."""
    canvas = np.zeros(size, np.uint8)
    posts, (one, other) = barrier.posts, barrier.panels.T
    post, bar = barrier.thickness
    lines = [(view.place(posts, 0), view.place(posts, barrier.height), posts[:, 1], post)]
    for at in barrier.bars:
        points = view.place(posts, at * barrier.height)
        lines.append((points[one], points[other], posts[other, 1], bar))
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
