"""A street under construction: its geometry, and the things placed on it so far."""

from dataclasses import dataclass, field

import numpy as np

from difusionseg_core.scenes.geometry.parts import Fixture, Thing
from difusionseg_core.scenes.geometry.street import Street
from difusionseg_core.scenes.geometry.viewpoint import Viewpoint
from difusionseg_core.scenes.rendering.heat import Climate
from difusionseg_core.scenes.rendering.lighting import Lamp, Light


@dataclass
class Site:
    """Functions that place things draw from `rng` and add to the lists."""

    rng: np.random.Generator
    street: Street
    light: Light
    climate: Climate
    viewpoint: Viewpoint
    things: list[Thing] = field(default_factory=list)
    buildings: list[Fixture] = field(default_factory=list)  # behind all things
    lamps: list[Lamp] = field(default_factory=list)
    _taken: list[tuple[float, float, float]] = field(default_factory=list)

    @property
    def dark(self) -> bool:
        """Whether lights are on."""
        return self.light.condition != "day"

    def take(self, lateral: float, along: float, radius: float) -> bool:
        """Take a disc of ground for something; False if another stands there."""
        x = self.street.at(lateral, 0, along)[0]
        if any((x - a) ** 2 + (along - b) ** 2 < (radius + r) ** 2 for a, b, r in self._taken):
            return False
        self._taken.append((x, along, radius))
        return True

    def on_ground(self, lateral: float, along: float) -> np.ndarray:
        """World point (3,) on the road or, beside it, on the pavement."""
        return self.street.at(lateral, self.street.pavement_height(lateral), along)

    def lateral_in_view(self, along: float) -> float:
        """A lateral position that the camera sees at a distance, or just misses."""
        view = self.viewpoint
        reach = 1.08 * along * view.size[1] / 2 / view.focal
        centre = view.lateral + along * np.tan(view.yaw) - self.street.bend * along**2
        return float(self.rng.uniform(centre - reach, centre + reach))
