"""A random street scene: street, light, climate, cameras and all objects."""

from dataclasses import dataclass, replace

import numpy as np

from difusionseg_core.scenes.geometry.parts import Fixture, Group, Thing
from difusionseg_core.scenes.geometry.street import Street, random_street
from difusionseg_core.scenes.geometry.viewpoint import Camera, Viewpoint
from difusionseg_core.scenes.objects.buildings import skyline
from difusionseg_core.scenes.objects.ground import bump, ground
from difusionseg_core.scenes.placement.roadside import furnish_street
from difusionseg_core.scenes.placement.scene_builder import SceneBuilder
from difusionseg_core.scenes.placement.street_sides import line_street
from difusionseg_core.scenes.placement.traffic import fill_street
from difusionseg_core.scenes.rendering.colour_camera import ColourCamera, random_colour_camera
from difusionseg_core.scenes.rendering.lighting import CONDITIONS, Lamp, Light, random_light
from difusionseg_core.scenes.rendering.thermal_camera import Climate, random_climate


@dataclass(frozen=True)
class StreetScene:
    """Content of a street scene. Objects know their place and shape at any time."""

    street: Street
    light: Light
    climate: Climate
    colour_camera: ColourCamera
    viewpoint: Viewpoint
    backdrop: Group
    ground: Group
    buildings: list[Fixture]
    things: list[Thing]

    def camera(self, time: float) -> Camera:
        """Return the camera at `time` [s]; it moves along the street."""
        view = self.viewpoint
        along = view.speed * time
        position = self.street.at(view.lateral, view.height, along)
        sway = 0.004 * view.speed * np.array([np.sin(2.1 * time), np.sin(3.3 * time + 1)])
        return Camera(
            width=view.size[1],
            height=view.size[0],
            focal=view.focal,
            horizon=view.horizon + sway[1] * view.focal * 0.15,
            position=position,
            yaw=view.yaw + self.street.heading(along) + 0.15 * sway[0],
        )


def random_street_scene(seed: int, size: tuple[int, int], condition: str | None) -> StreetScene:
    """Return a random street scene; the same arguments give the same scene."""
    rng = np.random.default_rng(seed)
    drawn = str(rng.choice(CONDITIONS, p=[0.45, 0.15, 0.4]))
    condition = condition or drawn
    rain = bool(rng.random() < 0.15)
    street = random_street(rng)
    builder = SceneBuilder(
        rng=rng,
        street=street,
        light=random_light(rng, condition, rain),
        climate=random_climate(rng, condition, rain),
        viewpoint=_draw_viewpoint(rng, street, size),
    )
    view, climate = builder.viewpoint, builder.climate
    builder.take(view.lateral, 0, 3.2)
    line_street(builder)
    furnish_street(builder)
    level = ground(rng, street, climate, rain)
    if rng.random() < 0.4:
        level += bump(rng, street, rng.uniform(5, 28), climate.ground)
    fill_street(builder)
    if condition == "night" and rng.random() < 0.4:  # the headlights of the robot itself
        beam = np.array([np.sin(view.yaw), -0.03, np.cos(view.yaw)])
        power = rng.uniform(6, 24) * np.array([1.0, 0.97, 0.9])
        builder.lamps.append(Lamp(street.at(view.lateral, 0.7, 0.0), power, beam))
    return StreetScene(
        street=street,
        light=replace(builder.light, lamps=builder.lamps),
        climate=climate,
        colour_camera=random_colour_camera(rng, condition),
        viewpoint=view,
        backdrop=skyline(rng, street, climate, builder.dark),
        ground=level,
        buildings=builder.buildings,
        things=builder.things,
    )


def _draw_viewpoint(rng: np.random.Generator, street: Street, size: tuple[int, int]) -> Viewpoint:
    return Viewpoint(
        size=size,
        focal=float(np.exp(rng.uniform(np.log(450), np.log(1100)))) * size[1] / 640,
        horizon=size[0] * rng.uniform(0.38, 0.6),
        lateral=float(rng.uniform(-0.9, 0.9) * street.half_width),
        height=float(rng.uniform(0.7, 2.0)),
        yaw=float(rng.normal(0, 0.09)),
        speed=float(rng.choice([0.0, rng.uniform(0.5, 2.5)])),
    )
