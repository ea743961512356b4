"""What is where: a seeded street with everything in it."""

from dataclasses import dataclass, replace

import numpy as np

from difusionseg_core.scenes.geometry.parts import Fixture, Group, Thing
from difusionseg_core.scenes.geometry.street import Street, draw_street
from difusionseg_core.scenes.geometry.viewpoint import Camera, Viewpoint
from difusionseg_core.scenes.objects.buildings import skyline
from difusionseg_core.scenes.objects.ground import bump, ground
from difusionseg_core.scenes.placement.frontage import line_street
from difusionseg_core.scenes.placement.roadside import furnish_street
from difusionseg_core.scenes.placement.site import Site
from difusionseg_core.scenes.placement.traffic import fill_street
from difusionseg_core.scenes.rendering.heat import Climate, draw_climate
from difusionseg_core.scenes.rendering.lighting import CONDITIONS, Lamp, Light, draw_light
from difusionseg_core.scenes.rendering.photography import ColourCamera, draw_colour_camera


@dataclass(frozen=True)
class Layout:
    """A street scene at any time."""

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
        """Return the camera at `time` [s], which moves along the street."""
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


def draw_layout(seed: int, size: tuple[int, int], condition: str | None) -> Layout:
    """Choose a street scene; the same arguments give the same scene."""
    rng = np.random.default_rng(seed)
    drawn = str(rng.choice(CONDITIONS, p=[0.45, 0.15, 0.4]))
    condition = condition or drawn
    rain = bool(rng.random() < 0.15)
    street = draw_street(rng)
    site = Site(
        rng=rng,
        street=street,
        light=draw_light(rng, condition, rain),
        climate=draw_climate(rng, condition, rain),
        viewpoint=_draw_viewpoint(rng, street, size),
    )
    view, climate = site.viewpoint, site.climate
    site.take(view.lateral, 0, 3.2)
    line_street(site)
    furnish_street(site)
    level = ground(rng, street, climate, rain)
    if rng.random() < 0.4:
        level += bump(rng, street, rng.uniform(5, 28), climate.ground)
    fill_street(site)
    if condition == "night" and rng.random() < 0.4:  # the headlights of the robot itself
        beam = np.array([np.sin(view.yaw), -0.03, np.cos(view.yaw)])
        power = rng.uniform(6, 24) * np.array([1.0, 0.97, 0.9])
        site.lamps.append(Lamp(street.at(view.lateral, 0.7, 0.0), power, beam))
    return Layout(
        street=street,
        light=replace(site.light, lamps=site.lamps),
        climate=climate,
        colour_camera=draw_colour_camera(rng, condition),
        viewpoint=view,
        backdrop=skyline(rng, street, climate, site.dark),
        ground=level,
        buildings=site.buildings,
        things=site.things,
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
