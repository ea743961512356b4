"""Drawn street scenes: RGB image, thermal image, exact class mask and boxes from one seeded world.

    from difusionseg_core.scenes import draw, sequence
    rgb, thermal, labels, boxes = draw(seed=7)
    for frame in sequence(seed=7, frames=50, rate=10.0):
        ...

The class ids are those of `difusionseg_core.classes.MSRS`; all eight classes occur.
"""

from collections.abc import Iterator

import numpy as np

from difusionseg_core.imaging.temperature import TemperatureScale
from difusionseg_core.scenes.placement.layout import draw_layout
from difusionseg_core.scenes.render import RenderedFrame, render, temperatures
from difusionseg_core.scenes.rendering.lighting import CONDITIONS

__all__ = ["CONDITIONS", "RenderedFrame", "Scene", "draw", "sequence"]


class Scene:
    """A street that can be looked at at any time.

    Args:
        seed: the same seed gives the same scene, byte for byte.
        size: (height, width) of the images in pixels.
        condition: one of CONDITIONS ("day", "dusk", "night"), or None to let the seed choose.
    """

    def __init__(self, seed: int, size: tuple[int, int] = (480, 640), condition: str | None = None):
        if seed < 0:
            raise ValueError(f"seed must be 0 or more, not {seed}")
        if min(size) < 32:
            raise ValueError(f"size must be at least 32x32 pixels, not {size[0]}x{size[1]}")
        if condition is not None and condition not in CONDITIONS:
            raise ValueError(f"condition must be one of {', '.join(CONDITIONS)}, not {condition!r}")
        self._seed = seed
        self._layout = draw_layout(seed, size, condition)

    @property
    def condition(self) -> str:
        """Its light: one of CONDITIONS."""
        return self._layout.light.condition

    def frame(self, time: float = 0.0) -> RenderedFrame:
        """What the cameras see `time` seconds (0 or more) after the beginning."""
        return render(self._layout, time, self._seed)

    def temperatures(self, time: float = 0.0) -> np.ndarray:
        """Degrees Celsius (H, W) float32 of all that the thermal camera sees at `time` seconds."""
        return temperatures(self._layout, time)

    @property
    def thermal_scale(self) -> TemperatureScale:
        """What the grey levels of its thermal images mean, but for the brightest and darkest."""
        climate = self._layout.climate
        return TemperatureScale("linear", 1 / climate.per_degree, climate.coldest)


def draw(
    seed: int, size: tuple[int, int] = (480, 640), condition: str | None = None
) -> RenderedFrame:
    """One frame of the scene with this seed; see `Scene`."""
    return Scene(seed, size, condition).frame()


def sequence(
    seed: int,
    frames: int,
    rate: float,
    size: tuple[int, int] = (480, 640),
    condition: str | None = None,
) -> Iterator[RenderedFrame]:
    """`frames` successive frames at `rate` Hz, in which things and camera move."""
    scene = Scene(seed, size, condition)
    for number in range(frames):
        yield scene.frame(number / rate)
