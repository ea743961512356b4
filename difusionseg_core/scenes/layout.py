"""What is where: a seeded street with everything in it."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from difusionseg_core.scenes import furniture, scenery
from difusionseg_core.scenes.bicycles import draw_bicycle
from difusionseg_core.scenes.camera import Camera
from difusionseg_core.scenes.lighting import CONDITIONS, Lamp, Light, draw_light
from difusionseg_core.scenes.parts import Group, Material
from difusionseg_core.scenes.people import Pedestrian, draw_wardrobe
from difusionseg_core.scenes.photography import ColourCamera, draw_colour_camera
from difusionseg_core.scenes.street import Street, bump, draw_street, ground
from difusionseg_core.scenes.thermal import Climate, draw_climate
from difusionseg_core.scenes.vehicles import draw_vehicle

_FARTHEST = 110.0  # metres; nothing that moves starts beyond
_UP = np.array([0.0, 1.0, 0.0])


class Thing(Protocol):
    """Anything that is painted by its distance."""

    radius: float  # metres of ground that it takes

    def place(self, time: float) -> np.ndarray: ...

    def groups(self, time: float, eye: np.ndarray) -> list[Group]: ...


@dataclass(frozen=True)
class Viewpoint:
    """How the camera is mounted and moves."""

    size: tuple[int, int]  # (height, width) in pixels
    focal: float  # pixels
    horizon: float  # image row
    lateral: float  # metres right of the road's middle
    height: float  # metres
    yaw: float  # radians off the street's direction
    speed: float  # m/s


@dataclass(frozen=True)
class Layout:
    """A street scene at any time."""

    street: Street
    light: Light
    climate: Climate
    colour_camera: ColourCamera
    viewpoint: Viewpoint
    backdrop: Group
    ground: list[Group]
    buildings: list[furniture.Fixture]
    things: list[Thing]

    def camera(self, time: float) -> Camera:
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


class _Plot:
    """Who has taken which ground, so that things do not stand in each other."""

    def __init__(self, street: Street, viewpoint: Viewpoint):
        self._street = street
        self._view = viewpoint
        self._taken: list[tuple[float, float, float]] = []

    def take(self, lateral: float, along: float, radius: float) -> bool:
        x = self._street.at(lateral, 0, along)[0]
        if any((x - a) ** 2 + (along - b) ** 2 < (radius + r) ** 2 for a, b, r in self._taken):
            return False
        self._taken.append((x, along, radius))
        return True

    def keep_clear(self, lateral: float, along: float, radius: float) -> None:
        self._taken.append((self._street.at(lateral, 0, along)[0], along, radius))

    def lateral_in_view(self, rng: np.random.Generator, along: float) -> float:
        """A lateral position that the camera sees at a distance."""
        view = self._view
        reach = along * view.size[1] / 2 / view.focal
        centre = view.lateral + along * np.tan(view.yaw) - self._street.bend * along**2
        return float(rng.uniform(centre - reach, centre + reach))


def draw_layout(seed: int, size: tuple[int, int], condition: str | None) -> Layout:
    """Choose a street scene; the same arguments give the same scene."""
    rng = np.random.default_rng(seed)
    drawn = str(rng.choice(CONDITIONS, p=[0.45, 0.15, 0.4]))
    condition = condition or drawn
    rain = bool(rng.random() < 0.12)
    street = draw_street(rng)
    light = draw_light(rng, condition, rain)
    climate = draw_climate(rng, condition, rain)
    scale = size[1] / 640
    viewpoint = Viewpoint(
        size=size,
        focal=rng.uniform(480, 1100) * scale,
        horizon=size[0] * rng.uniform(0.42, 0.58),
        lateral=float(rng.uniform(-0.8, 0.8) * street.half_width),
        height=float(rng.uniform(0.8, 1.7)),
        yaw=float(rng.normal(0, 0.06)),
        speed=float(rng.choice([0.0, rng.uniform(0.5, 2.5)])),
    )
    night = condition != "day"
    plot = _Plot(street, viewpoint)
    plot.keep_clear(viewpoint.lateral, 0, 3.2)
    things: list[Thing] = []
    lamps: list[Lamp] = []
    buildings: list[furniture.Fixture] = []
    for sign in (-1, 1):
        _frontage(rng, street, sign, climate, night, buildings, things)
    _lamp_posts(rng, street, light, things, lamps)
    level = ground(rng, street, climate)
    if rng.random() < 0.45:
        level.append(bump(rng, street, rng.uniform(4, 25), climate.ground))
    _barriers(rng, street, plot, things)
    _vehicles(rng, street, plot, night, things)
    _bicycles(rng, street, plot, climate, rain, night, things)
    _people(rng, street, plot, viewpoint, climate, rain, things)
    _clutter(rng, street, plot, night, things)
    if condition == "night" and rng.random() < 0.35:
        beam = np.array([np.sin(viewpoint.yaw), -0.03, np.cos(viewpoint.yaw)])
        lamps.append(Lamp(street.at(viewpoint.lateral, 0.7, 0.0), np.full(3, 12.0), beam))
    return Layout(
        street=street,
        light=replace(light, lamps=lamps),
        climate=climate,
        colour_camera=draw_colour_camera(rng, condition),
        viewpoint=viewpoint,
        backdrop=scenery.skyline(rng, street, climate, night),
        ground=level,
        buildings=buildings,
        things=things,
    )


def _frontage(rng, street, sign, climate, night, buildings, things) -> None:
    kind = street.side(sign).frontage
    foliage = scenery.leaves(rng, climate)
    line = street.frontage_at(sign)
    if kind == "buildings":
        along = rng.uniform(-15, 0)
        while along < 170:
            length = rng.uniform(9, 28)
            buildings.append(
                scenery.building(rng, street, sign, along, along + length, climate, night)
            )
            along += length + (rng.uniform(2, 10) if rng.random() < 0.4 else 0)
    elif kind == "wall":
        stone = Material(
            tuple(rng.uniform(0.2, 0.5) * rng.uniform(0.9, 1.1, 3)),
            grain=0.15,
            grain_size=5.0,
            block=(0.9, 0.3) if rng.random() < 0.5 else (0, 0),
            heat=climate.walls,
            emissivity=0.93,
        )
        height = rng.uniform(1.0, 3.0)
        for along in np.arange(0, 110, 7.0):
            things.append(scenery.wall(rng, street, sign, along, along + 7, height, stone))
    elif kind == "hedge":
        height = rng.uniform(0.8, 1.8)
        for along in np.arange(0, 60, 5.0):
            things.append(scenery.hedge(rng, street, sign, along, along + 5, height, foliage))
    if kind != "buildings" or rng.random() < 0.4:
        gap = rng.uniform(6, 14)
        tall = rng.uniform(5, 14)
        beyond = 1.5 if kind != "buildings" else -min(1.0, street.side(sign).pavement / 3)
        for along in np.arange(rng.uniform(3, 12), 120, gap):
            where = street.at(
                line + sign * (beyond + rng.normal(0, 0.2)), street.side(sign).kerb, along
            )
            things.append(scenery.tree(rng, where, foliage, tall * rng.uniform(0.8, 1.2)))
        if kind == "trees":
            for _ in range(14):
                where = street.at(line + sign * rng.uniform(5, 30), 0, rng.uniform(15, 140))
                things.append(scenery.tree(rng, where, foliage, tall * rng.uniform(0.7, 1.2)))


def _lamp_posts(rng, street, light, things, lamps) -> None:
    sign = int(rng.choice([-1, 1]))
    gap, height = rng.uniform(16, 32), rng.uniform(4, 7)
    warm = rng.random() < 0.5
    colour = np.array([1.0, 0.72, 0.4]) if warm else np.array([0.9, 1.0, 0.95])
    lit = light.condition == "night" or (light.condition == "dusk" and rng.random() < 0.6)
    power = np.exp(rng.uniform(np.log(1.5), np.log(15.0)))
    for along in np.arange(rng.uniform(4, gap), 120, gap):
        lateral = sign * (street.half_width + 0.5)
        where = street.at(lateral, street.pavement_height(lateral), along)
        things.append(furniture.lamp_post(where, -sign, height, lit, colour * 8))
        if lit:
            head = where + np.array([-sign * 1.1, height - 0.2, 0])
            lamps.append(
                Lamp(
                    head,
                    colour * power,
                    -_UP * 0.9 + np.array([-sign * 0.3, 0, 0]) if rng.random() < 0.5 else None,
                )
            )


def _barriers(rng, street, plot, things) -> None:
    """Guardrails, car stops and cones."""
    if rng.random() < 0.45:
        sign = int(rng.choice([-1, 1]))
        lateral = sign * (street.half_width + 0.35)
        beam = bool(rng.random() < 0.4)
        paint = ((0.55, 0.55, 0.53), (0.55, 0.55, 0.53), (0.3, 0.32, 0.3), (0.3, 0.2, 0.1))[
            rng.integers(4)
        ]
        start = rng.uniform(3, 20)
        up = street.pavement_height(lateral)
        for along in np.arange(start, start + rng.uniform(8, 45), 2.5):
            things.append(
                furniture.guardrail(
                    street.at(lateral, up, along), street.at(lateral, up, along + 2.5), beam, paint
                )
            )
    if rng.random() < 0.5:
        lateral = rng.choice([-1, 1]) * (street.half_width - rng.uniform(0.3, 1.2))
        if rng.random() < 0.3:
            lateral = rng.uniform(-0.4, 0.4) * street.half_width
        length, height = rng.uniform(0.5, 2.0), rng.uniform(0.12, 0.42)
        along, pitch = rng.uniform(4, 20), length + rng.uniform(0.3, 2.5)
        for _ in range(rng.integers(2, 14)):
            if plot.take(lateral, along, length / 2):
                things.append(
                    furniture.car_stop(
                        rng, street.at(lateral, 0, along), street.heading(along), length, height
                    )
                )
            along += pitch
    if rng.random() < 0.5:
        lateral = rng.uniform(-1, 1) * street.half_width
        drift = rng.uniform(-0.6, 0.6)
        along, pitch = rng.uniform(5, 30), rng.uniform(1.2, 4)
        bars = rng.random() < 0.2
        last = None
        for _ in range(rng.integers(1, 9)):
            if plot.take(lateral, along, 0.3):
                where = street.at(lateral, street.pavement_height(lateral), along)
                things.append(furniture.cone(rng, where))
                if bars and last is not None:
                    things.append(furniture.cone_bar(rng, last, where))
                last = where
            along += pitch
            lateral += drift


def _vehicles(rng, street, plot, night, things) -> None:
    density = rng.choice([0, 0.3, 0.8], p=[0.3, 0.4, 0.3])
    for sign in (-1, 1):
        if rng.random() > 0.6:
            continue
        along = rng.uniform(5, 12)
        lateral = sign * (street.half_width - rng.uniform(0.7, 1.3))
        while along < 100:
            if rng.random() < density and plot.take(lateral, along, 2.4):
                heading = street.heading(along) + (np.pi if rng.random() < 0.3 else 0)
                things.append(
                    draw_vehicle(
                        rng, street.at(lateral, 0, along), heading + rng.normal(0, 0.02), 0.0, night
                    )
                )
            along += rng.uniform(5.5, 8)
    keeps_left = -1 if rng.random() < 0.5 else 1
    for _ in range(rng.poisson(1.4)):
        along = float(np.exp(rng.uniform(np.log(9), np.log(95))))
        away = bool(rng.random() < 0.55)
        lane = (keeps_left if away else -keeps_left) * street.half_width * rng.uniform(0.3, 0.55)
        if not plot.take(lane, along, 2.8):
            continue
        speed = rng.uniform(2, 9) if away else rng.uniform(1, 7)
        heading = street.heading(along) + (0 if away else np.pi)
        things.append(draw_vehicle(rng, street.at(lane, 0, along), heading, speed, night))
    if rng.random() < 0.15:  # one that crosses or backs out: seen from the side
        along = rng.uniform(9, 45)
        lateral = rng.uniform(-0.6, 0.6) * street.half_width
        if plot.take(lateral, along, 2.6):
            heading = rng.choice([-1, 1]) * np.pi / 2 + rng.normal(0, 0.4)
            things.append(
                draw_vehicle(
                    rng, street.at(lateral, 0, along), heading, rng.choice([0, 1.5]), night
                )
            )


def _bicycles(rng, street, plot, climate, rain, night, things) -> None:
    if rng.random() < 0.4:  # a row of parked ones
        sign = int(rng.choice([-1, 1]))
        lateral = sign * (street.half_width + min(1.0, street.side(sign).pavement * 0.6))
        along = rng.uniform(4, 25)
        turn = rng.uniform(0.2, 1.6) * rng.choice([-1, 1])
        pitch = rng.uniform(0.45, 1.0)
        for _ in range(rng.integers(2, 22)):
            if plot.take(lateral, along, 0.22):
                where = street.at(
                    lateral + rng.normal(0, 0.06), street.pavement_height(lateral), along
                )
                things.append(
                    draw_bicycle(rng, where, turn + rng.normal(0, 0.08), 0.0, None, night)
                )
            along += pitch * rng.uniform(0.8, 1.3)
    for _ in range(rng.poisson(1.0)):
        along = float(np.exp(rng.uniform(np.log(5), np.log(70))))
        away = bool(rng.random() < 0.5)
        lateral = rng.uniform(-1, 1) * (street.half_width + 0.8)
        if not plot.take(lateral, along, 0.9):
            continue
        heading = street.heading(along) + (0 if away else np.pi) + rng.normal(0, 0.15)
        if rng.random() < 0.15:
            heading += np.pi / 2
        wear = draw_wardrobe(rng, climate, False)
        where = street.at(lateral, street.pavement_height(lateral), along)
        things.append(draw_bicycle(rng, where, heading, rng.uniform(2, 5), wear, night))


def _people(rng, street, plot, viewpoint, climate, rain, things) -> None:
    scale = viewpoint.size[1] / 640
    for _ in range(rng.poisson(rng.choice([1.0, 4.0, 9.0]))):
        pixels = np.exp(rng.triangular(np.log(13), np.log(45), np.log(300))) * scale
        along = float(np.clip(1.7 * viewpoint.focal / pixels, 3.5, _FARTHEST))
        lateral = plot.lateral_in_view(rng, along)
        limit = min(abs(street.frontage_at(np.sign(lateral))) - 0.3, 12)
        lateral = float(np.clip(lateral, -limit, limit) + rng.normal(0, 0.2))
        across = rng.random() < 0.2
        standing = rng.random() < 0.2
        turned = rng.choice([0, np.pi]) if not across else rng.choice([-1, 1]) * np.pi / 2
        heading = street.heading(along) + turned + rng.normal(0, 0.25)
        if standing:
            heading = rng.uniform(-np.pi, np.pi)
        speed = 0.0 if standing else rng.uniform(0.8, 1.7)
        for member in range(1 + int(rng.random() < 0.35) + int(rng.random() < 0.1)):
            beside = lateral + member * 0.65 * (0 if across else 1)
            behind = along + member * rng.uniform(-0.2, 0.2) + (0.65 * member if across else 0)
            if not plot.take(beside, behind, 0.28):
                continue
            where = street.at(beside, street.pavement_height(beside), behind)
            things.append(
                Pedestrian(
                    draw_wardrobe(rng, climate, rain),
                    where,
                    heading,
                    speed,
                    float(rng.uniform(0, 2 * np.pi)),
                )
            )


def _clutter(rng, street, plot, night, things) -> None:
    """Unlabelled things, so that not everything upright is a person."""
    for _ in range(rng.integers(2, 10)):
        sign = int(rng.choice([-1, 1]))
        inset = rng.uniform(0.4, max(0.5, street.side(sign).pavement - 0.4))
        lateral, along = sign * (street.half_width + inset), rng.uniform(5, 60)
        if not plot.take(lateral, along, 0.5):
            continue
        where = street.at(lateral, street.side(sign).kerb, along)
        kind = rng.random()
        if kind < 0.35:
            things.append(furniture.sign(rng, where))
        elif kind < 0.65:
            things.append(furniture.bollard(rng, where))
        else:
            things.append(furniture.bin_or_machine(rng, where, street.heading(along), night))
