"""Traffic: cars, bicycles and people, parked, standing and moving."""

import numpy as np

from difusionseg_core.scenes.objects.appearance import random_appearance
from difusionseg_core.scenes.objects.bicycles import random_bicycle
from difusionseg_core.scenes.objects.people import Pedestrian
from difusionseg_core.scenes.objects.vehicles import random_vehicle
from difusionseg_core.scenes.placement.scene_builder import SceneBuilder

_FARTHEST = 110.0  # metres; nothing that moves starts beyond


def fill_street(builder: SceneBuilder) -> None:
    """Place vehicles, bicycles and people."""
    _park_cars(builder)
    _drive_cars(builder)
    _park_bicycles(builder)
    _ride_bicycles(builder)
    _walk_people(builder)


def _park_cars(builder: SceneBuilder) -> None:
    rng, street = builder.rng, builder.street
    density = rng.choice([0, 0.3, 0.8], p=[0.3, 0.4, 0.3])
    for sign in (-1, 1):
        if rng.random() > 0.6:
            continue
        along = rng.uniform(5, 12)
        lateral = sign * (street.half_width - rng.uniform(0.7, 1.3))
        nose_in = rng.random() < 0.15  # a row of cars at right angles to the street
        while along < 100:
            if rng.random() < density and builder.take(lateral, along, 1.3 if nose_in else 2.4):
                turn = np.pi if rng.random() < 0.3 else 0.0
                if nose_in:
                    turn += np.pi / 2
                heading = street.heading(along) + turn + rng.normal(0, 0.02)
                where = street.at(lateral, 0, along)
                builder.things.append(random_vehicle(rng, where, heading, 0.0, builder.dark))
            along += rng.uniform(2.6, 3.4) if nose_in else rng.uniform(5.5, 8)


def _drive_cars(builder: SceneBuilder) -> None:
    rng, street = builder.rng, builder.street
    keeps_left = -1 if rng.random() < 0.5 else 1
    for _ in range(rng.poisson(1.4)):
        along = float(np.exp(rng.uniform(np.log(7), np.log(95))))
        away = bool(rng.random() < 0.55)
        lane = (keeps_left if away else -keeps_left) * street.half_width * rng.uniform(0.3, 0.55)
        if not builder.take(lane, along, 2.8):
            continue
        speed = rng.uniform(2, 9) if away else rng.uniform(1, 7)
        heading = street.heading(along) + (0 if away else np.pi)
        where = street.at(lane, 0, along)
        builder.things.append(random_vehicle(rng, where, heading, speed, builder.dark))
    if rng.random() < 0.15:  # one that crosses or backs out: seen from the side
        along = rng.uniform(9, 45)
        lateral = rng.uniform(-0.6, 0.6) * street.half_width
        if builder.take(lateral, along, 2.6):
            heading = rng.choice([-1, 1]) * np.pi / 2 + rng.normal(0, 0.4)
            where = street.at(lateral, 0, along)
            speed = rng.choice([0, 1.5])
            builder.things.append(random_vehicle(rng, where, heading, speed, builder.dark))


def _park_bicycles(builder: SceneBuilder) -> None:
    rng, street = builder.rng, builder.street
    if rng.random() > 0.45:
        return
    sign = int(rng.choice([-1, 1]))
    lateral = sign * (street.half_width + min(1.0, street.side(sign).pavement * 0.6))
    along = rng.uniform(4, 25)
    turn = rng.uniform(0.2, 1.6) * rng.choice([-1, 1])
    pitch = rng.uniform(0.45, 1.0)
    for _ in range(rng.integers(1, 22)):
        if builder.take(lateral, along, 0.22):
            where = builder.on_ground(lateral + rng.normal(0, 0.06), along)
            heading = turn + rng.normal(0, 0.08)
            builder.things.append(random_bicycle(rng, where, heading, 0.0, None, builder.dark))
        along += pitch * rng.uniform(0.8, 1.3)


def _ride_bicycles(builder: SceneBuilder) -> None:
    rng, street = builder.rng, builder.street
    for _ in range(rng.poisson(1.1)):
        along = float(np.exp(rng.uniform(np.log(4), np.log(60))))
        away = bool(rng.random() < 0.5)
        lateral = rng.uniform(-1, 1) * (street.half_width + 0.8)
        if not builder.take(lateral, along, 0.9):
            continue
        heading = street.heading(along) + (0 if away else np.pi) + rng.normal(0, 0.15)
        if rng.random() < 0.2:
            heading += np.pi / 2
        wear = random_appearance(rng, builder.climate, rain=False)
        where = builder.on_ground(lateral, along)
        speed = rng.uniform(2, 5)
        builder.things.append(random_bicycle(rng, where, heading, speed, wear, builder.dark))


def _walk_people(builder: SceneBuilder) -> None:
    """Place people alone and in groups.

    Distances scale with the focal length, so that small and tall people in the image are equally
    frequent for every camera.
    """
    rng, street, view = builder.rng, builder.street, builder.viewpoint
    scale = view.size[1] / 640
    for _ in range(rng.poisson(rng.choice([1.0, 4.0, 9.0]))):
        pixels = np.exp(rng.triangular(np.log(13), np.log(45), np.log(320))) * scale
        along = float(np.clip(1.7 * view.focal / pixels, 3.0, _FARTHEST))
        lateral = builder.lateral_in_view(along)
        limit = min(abs(street.frontage_at(np.sign(lateral))) - 0.3, 12)
        lateral = float(np.clip(lateral, -limit, limit) + rng.normal(0, 0.2))
        across = rng.random() < 0.2
        standing = rng.random() < 0.2
        turned = rng.choice([0, np.pi]) if not across else rng.choice([-1, 1]) * np.pi / 2
        heading = street.heading(along) + turned + rng.normal(0, 0.25)
        if standing:
            heading = rng.uniform(-np.pi, np.pi)
        speed = 0.0 if standing else rng.uniform(0.8, 1.7)
        for member in range(_group_size(rng)):
            beside = lateral + member * 0.65 * (0 if across else 1)
            behind = along + member * rng.uniform(-0.2, 0.2) + (0.65 * member if across else 0)
            if not builder.take(beside, behind, 0.28):
                continue
            wear = random_appearance(rng, builder.climate, builder.light.rain)
            where, phase = builder.on_ground(beside, behind), float(rng.uniform(0, 2 * np.pi))
            builder.things.append(Pedestrian(wear, where, heading, speed, phase))


def _group_size(rng: np.random.Generator) -> int:
    return int(rng.choice([1, 2, 3, 5], p=[0.62, 0.24, 0.09, 0.05]))
