"""Thermal images in pseudo-colours: find the palette, and map colours back to its ramp.

Luma is not temperature: in JET the hottest pixels are darker than warm ones. A palette is a list of
256 colours from cold to hot, so each pixel becomes the index of the nearest colour.

    grey = thermal_grey(rgb)                 # palette found from the colours
    grey = thermal_grey(rgb, "inferno")
"""

from __future__ import annotations

from functools import cache, lru_cache

import cv2
import numpy as np

AUTO, GREY, UNKNOWN = "auto", "grey", ""

# OpenCV's, the usual ones of cameras first: of palettes that fit alike the first one is taken.
_OPENCV = (
    *("jet", "inferno", "turbo", "hot", "rainbow", "hsv", "magma", "plasma", "viridis", "bone"),
    *("cividis", "parula", "deepgreen", "ocean", "pink", "cool", "winter", "summer", "spring"),
    *("autumn", "twilight", "twilight_shifted"),
)
# Position 0..255 and colour. Vendors' irons differ a little, and so these match with more room.
_DRAWN = {
    "iron": (
        (0, (0, 0, 10)),
        (24, (19, 0, 92)),
        (64, (102, 0, 156)),
        (96, (158, 0, 152)),
        (128, (204, 38, 104)),
        (160, (232, 82, 27)),
        (192, (247, 132, 0)),
        (224, (254, 194, 32)),
        (240, (255, 221, 92)),
        (255, (255, 255, 246)),
    ),
    "tyrian": (
        (0, (12, 10, 22)),
        (64, (74, 29, 110)),
        (128, (157, 47, 110)),
        (176, (226, 92, 60)),
        (224, (250, 180, 70)),
        (255, (255, 250, 210)),
    ),
}
PALETTES = (*_OPENCV[:4], *_DRAWN, *_OPENCV[4:])

_SAMPLES = 1000
_NEUTRAL = 3.0  # largest mean difference of the channels of an image without colour
# Distances in RGB, of up to 442. JPEG with subsampled chroma moves colours at edges by more.
_FAR = 60.0  # limit of the distance, for text, crosshairs and logos in the image
_EXACT_FIT, _DRAWN_FIT = 14.0, 25.0  # largest mean distance of the sampled pixels from the palette
_ALIKE = 1.03  # ratio of two mean distances that decides nothing
_TABLE_BITS = 5  # of each channel, where a colour is not exactly one of the palette


@cache
def palette_colours(name: str) -> np.ndarray:
    """Return (256, 3) uint8 RGB, cold to hot. Raises ValueError for a name not in PALETTES."""
    if name in _DRAWN:
        places, colours = zip(*_DRAWN[name], strict=True)
        levels = np.arange(256)
        channels = [np.interp(levels, places, channel) for channel in zip(*colours, strict=True)]
        return np.rint(np.stack(channels, axis=1)).astype(np.uint8)
    if name not in _OPENCV:
        raise ValueError(f"palette '{name}' is unknown; use one of {', '.join(PALETTES)}")
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    return cv2.applyColorMap(ramp, getattr(cv2, f"COLORMAP_{name.upper()}"))[:, 0, ::-1].copy()


def thermal_grey(image: np.ndarray, palette: str = AUTO) -> np.ndarray:
    """Map (H, W, 3) uint8 RGB to (H, W) uint8, 0 cold to 255 hot by the palette.

    `palette` is "auto" (find it in this image), "grey" (luma) or one of PALETTES. With "auto",
    colours of no known palette become luma. Grey images in three channels keep their grey values.
    """
    name = find_palette(image) if palette == AUTO else palette
    if name in (GREY, UNKNOWN):
        return _luma(image)
    red, green, blue = (image[..., channel].astype(np.int32) for channel in range(3))
    return _table(name)[(red << 16) | (green << 8) | blue]


def find_palette(image: np.ndarray) -> str:
    """Return the palette of an (H, W, 3) uint8 RGB image: one of PALETTES, GREY or UNKNOWN.

    Examines about 1,000 pixels. It cannot distinguish a palette from its reverse.
    """
    samples = _samples(image)
    if is_grey(samples):
        return GREY
    fits = {name: palette_fit(samples, name) for name in PALETTES}
    best = min(fits.values())
    name = next(name for name in PALETTES if fits[name] <= _ALIKE * best)
    return name if fits[name] <= _limit(name) else UNKNOWN


def matches(image: np.ndarray, name: str) -> bool:
    """Return whether the colours of an (H, W, 3) uint8 RGB image fit a palette, or are grey."""
    samples = _samples(image)
    if name in (GREY, UNKNOWN):
        return is_grey(samples) == (name == GREY)
    return palette_fit(samples, name) <= _limit(name)


def is_grey(colours: np.ndarray) -> bool:
    """Return whether (..., 3) uint8 colours are grey, but for a few."""
    colours = colours.reshape(-1, 3).astype(np.int16)
    return float(np.ptp(colours, axis=1).clip(max=_FAR).mean()) <= _NEUTRAL


def palette_fit(colours: np.ndarray, name: str) -> float:
    """Return the mean distance in RGB of (N, 3) uint8 colours from the nearest one of a palette."""
    distances = np.sqrt(_squares(colours, palette_colours(name)).min(axis=1))
    return float(distances.clip(max=_FAR).mean())


def _limit(name: str) -> float:
    return _DRAWN_FIT if name in _DRAWN else _EXACT_FIT


def _luma(image: np.ndarray) -> np.ndarray:
    if np.array_equal(image[..., 0], image[..., 1]) and np.array_equal(
        image[..., 0], image[..., 2]
    ):
        return np.ascontiguousarray(image[..., 0])
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def _samples(image: np.ndarray) -> np.ndarray:
    """Return (N, 3): pixels all over the image."""
    pixels = image.reshape(-1, 3)
    # An odd step that shares no factor with usual widths: all columns take part.
    step = max(1, len(pixels) // _SAMPLES) | 1
    return pixels[::step]


def _squares(colours: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Map (N, 3) and (256, 3) to (N, 256): squared distances."""
    one, other = colours.astype(np.float32), palette.astype(np.float32)
    square = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)
    return np.maximum(square - 2.0 * (one @ other.T), 0.0)


@lru_cache(maxsize=2)
def _table(name: str) -> np.ndarray:
    """Return (2^24,) uint8: palette index by colour, red in the upper bits. 16 MB, made once."""
    palette = palette_colours(name)
    levels = 1 << _TABLE_BITS
    width = 256 // levels
    centres = np.arange(levels) * width + width // 2
    coarse = np.empty((levels, levels, levels), np.uint8)
    green_blue = np.stack(np.meshgrid(centres, centres, indexing="ij"), axis=-1).reshape(-1, 2)
    for index, red in enumerate(centres):
        colours = np.concatenate([np.full((len(green_blue), 1), red), green_blue], axis=1)
        nearest = _squares(colours, palette).argmin(axis=1)
        coarse[index] = nearest.reshape(levels, levels)
    table = coarse.repeat(width, 0).repeat(width, 1).repeat(width, 2).ravel()
    codes = palette.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    for code in np.unique(codes):  # exact ones; of equal colours in a row, the middle
        table[code] = np.flatnonzero(codes == code).mean().round()
    return table
