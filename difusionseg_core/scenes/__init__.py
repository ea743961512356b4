"""Synthetic street scenes: images of both cameras, mask, boxes and temperatures, from a seed.

    from difusionseg_core.scenes import draw, sequence
    rgb, thermal, labels, boxes, degrees = draw(seed=7)
    for frame in sequence(seed=7, frames=50, rate=10.0):
        ...

The class ids are those of `difusionseg_core.classes.MSRS`; all eight classes occur. May import
`classes`, `data`, `imaging` and `recordings`, and no PyTorch.
"""

from collections.abc import Iterator

import numpy as np

from difusionseg_core.imaging.thermal.temperature import TemperatureScale
from difusionseg_core.scenes.placement.street_scene import random_street_scene
from difusionseg_core.scenes.rendering.lighting import CONDITIONS
from difusionseg_core.scenes.scene_images import RenderedFrame, render, temperatures

__all__ = ["CONDITIONS", "RenderedFrame", "Scene", "draw", "sequence"]


class Scene:
    """A street scene that can be rendered at any time.

    Args:
        seed: the same seed gives the same scene, byte for byte.
        size: (height, width) of the images in pixels.
        condition: one of CONDITIONS ("day", "dusk", "night"); None: chosen by the seed.
    """

    def __init__(self, seed: int, size: tuple[int, int] = (480, 640), condition: str | None = None):
        if seed < 0:
            raise ValueError(f"seed must be 0 or more, not {seed}")
        if min(size) < 32:
            raise ValueError(f"size must be at least 32x32 pixels, not {size[0]}x{size[1]}")
        if condition is not None and condition not in CONDITIONS:
            raise ValueError(f"condition must be one of {', '.join(CONDITIONS)}, not {condition!r}")
        self._seed = seed
        self._street_scene = random_street_scene(seed, size, condition)

    @property
    def condition(self) -> str:
        """The light of the scene: one of CONDITIONS."""
        return self._street_scene.light.condition

    def frame(self, time: float = 0.0) -> RenderedFrame:
        """Render both cameras' images and the mask at `time` [s] (0 or more) after the start."""
        return render(self._street_scene, time, self._seed)

    def temperatures(self, time: float = 0.0) -> np.ndarray:
        """Return what the thermal camera measures at `time` [s]: (H, W) float32, degrees C."""
        return temperatures(self._street_scene, time)

    @property
    def thermal_scale(self) -> TemperatureScale:
        """Temperature of the grey levels of the thermal images.

        It does not hold for the brightest and darkest levels, which the camera compresses.
        """
        climate = self._street_scene.climate
        return TemperatureScale("linear", 1 / climate.per_degree, climate.coldest)


def draw(
    seed: int, size: tuple[int, int] = (480, 640), condition: str | None = None
) -> RenderedFrame:
    """Render the first frame of the scene with this seed; see `Scene`."""
    return Scene(seed, size, condition).frame()


def sequence(
    seed: int,
    frames: int,
    rate: float,
    size: tuple[int, int] = (480, 640),
    condition: str | None = None,
) -> Iterator[RenderedFrame]:
    """Yield `frames` successive frames at `rate` Hz, in which objects and camera move."""
    scene = Scene(seed, size, condition)
    for number in range(frames):
        yield scene.frame(number / rate)
