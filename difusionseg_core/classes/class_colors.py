"""Colours for viewing masks, for any number of classes.

The colours that data sets publish with their classes are often dark: in MSRS a person is almost
black on a night image. These are bright and saturated enough to be seen on dark and on bright
images, and as different from each other as possible, also for people with colour-blindness
(simulated after Machado et al., IEEE TVCG 2009).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

Color = tuple[int, int, int]
"""(red, green, blue), each 0..255."""

BACKGROUND: Color = (0, 0, 0)
"""Colour of the background class."""

# Found by a search for eight colours whose smallest difference (CIEDE2000, for normal vision,
# protanopia and deuteranopia) is large.
_FIRST: tuple[Color, ...] = (
    (51, 102, 238),  # blue
    (221, 34, 119),  # magenta
    (221, 238, 34),  # yellow
    (204, 170, 255),  # lavender
    (153, 102, 0),  # brown
    (0, 255, 221),  # turquoise
    (221, 153, 119),  # salmon
    (0, 153, 153),  # teal
)
_PREFERRED = {"car": 0, "person": 1, "bike": 2, "bicycle": 2}
"""Classes of several data sets that have the same colour in all of them: index in `_FIRST`."""

_CHANNEL_LEVELS = np.arange(0, 256, 17)  # of the candidates that further colours come from
_LIGHTNESS = 0.55, 0.94  # of the candidates, OKLab: visible on black and on white
_LEAST_CHROMA = 0.09  # of the candidates, OKLab: no grey, because images are full of it

# Linear RGB to linear RGB as seen with normal vision, protanopia, deuteranopia and tritanopia.
_VISIONS = np.array(
    [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ],
    ]
)
# Linear RGB to cone responses, and their cube roots to lightness and two colour axes (OKLab,
# B. Ottosson 2020).
_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def display_palette(class_names: Sequence[str], background: int | None = 0) -> tuple[Color, ...]:
    """Return one colour a class, all different; the class `background`, if any, is black.

    Cars, persons and bicycles have the same colour in every label set. The other classes take the
    remaining colours in the order of their ids, so that the first ones differ most.
    """
    colors = _distinct_colors(max(len(class_names), len(_FIRST)))
    wanted = {i: _PREFERRED.get(name) for i, name in enumerate(class_names) if i != background}
    chosen: dict[int, int] = {}
    for label, index in wanted.items():
        if index is not None and index not in chosen.values():
            chosen[label] = index
    free = iter([index for index in range(len(colors)) if index not in chosen.values()])
    others = {label: next(free) for label in wanted if label not in chosen}
    chosen.update(others)
    return tuple(
        BACKGROUND if label == background else colors[chosen[label]]
        for label in range(len(class_names))
    )


@cache
def _distinct_colors(count: int) -> tuple[Color, ...]:
    """Return the first colours, then repeatedly the candidate farthest from all chosen ones."""
    candidates = _candidates()
    seen = _as_seen(candidates)
    colors = list(_FIRST)
    nearest = np.full(len(candidates), np.inf)
    for color in colors:
        nearest = np.minimum(nearest, _distances(color, seen))
    while len(colors) < count:
        farthest = int(nearest.argmax())
        colors.append(tuple(candidates[farthest].tolist()))
        nearest = np.minimum(nearest, _distances(colors[-1], seen))
    return tuple(colors[:count])


def _candidates() -> np.ndarray:
    """Return (N, 3) colours of suitable lightness and saturation, 0..255."""
    grid = np.stack(np.meshgrid(*[_CHANNEL_LEVELS] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    lightness, green_red, blue_yellow = _as_seen(grid)[0].T
    clear = (lightness >= _LIGHTNESS[0]) & (lightness <= _LIGHTNESS[1])
    return grid[clear & (np.hypot(green_red, blue_yellow) >= _LEAST_CHROMA)]


def _distances(color: Color, seen: np.ndarray) -> np.ndarray:
    """Return (N,) smallest difference over all visions between a colour and each of `seen`."""
    return np.linalg.norm(seen - _as_seen(np.array([color])), axis=2).min(axis=0)


def _as_seen(colors: np.ndarray) -> np.ndarray:
    """Return (N, 3) sRGB, 0..255, to (4, N, 3) OKLab, one for each vision."""
    part = colors / 255.0
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ _VISIONS.transpose(0, 2, 1), 0.0, 1.0)
    return np.cbrt(seen @ _TO_CONES.T) @ _TO_OKLAB.T
