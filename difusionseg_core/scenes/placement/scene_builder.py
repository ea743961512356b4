"""A street scene while it is being built: the street and the objects placed so far."""

from dataclasses import dataclass, field

import numpy as np

from difusionseg_core.scenes.geometry.parts import Fixture, Thing
from difusionseg_core.scenes.geometry.street import Street
from difusionseg_core.scenes.geometry.viewpoint import Viewpoint
from difusionseg_core.scenes.rendering.lighting import Lamp, Light
from difusionseg_core.scenes.rendering.thermal_camera import Climate


@dataclass
class SceneBuilder:
    """Collects the objects of a scene. Functions that place objects take `rng` from here."""

    rng: np.random.Generator
    street: Street
    light: Light
    climate: Climate
    viewpoint: Viewpoint
    things: list[Thing] = field(default_factory=list)
    buildings: list[Fixture] = field(default_factory=list)  # painted before all `things`
    lamps: list[Lamp] = field(default_factory=list)
    _taken: list[tuple[float, float, float]] = field(default_factory=list)

    @property
    def dark(self) -> bool:
        """Whether lights are on (dusk and night)."""
        return self.light.condition != "day"

    def take(self, lateral: float, along: float, radius: float) -> bool:
        """Reserve a disc of ground [m] for an object; False if it is occupied."""
        x = self.street.at(lateral, 0, along)[0]
        if any((x - a) ** 2 + (along - b) ** 2 < (radius + r) ** 2 for a, b, r in self._taken):
            return False
        self._taken.append((x, along, radius))
        return True

    def on_ground(self, lateral: float, along: float) -> np.ndarray:
        """Return the world point (3,) on the road or the pavement."""
        return self.street.at(lateral, self.street.pavement_height(lateral), along)

    def lateral_in_view(self, along: float) -> float:
        """Return a random lateral position at a distance, in view or slightly outside it."""
        view = self.viewpoint
        reach = 1.08 * along * view.size[1] / 2 / view.focal
        centre = view.lateral + along * np.tan(view.yaw) - self.street.bend * along**2
        return float(self.rng.uniform(centre - reach, centre + reach))
