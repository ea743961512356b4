"""Objects along the road: lamps, bridges, barriers, and objects without a class."""

import numpy as np

from difusionseg_core.scenes.geometry.parts import UP
from difusionseg_core.scenes.objects import barriers, buildings, street_furniture
from difusionseg_core.scenes.placement.scene_builder import SceneBuilder
from difusionseg_core.scenes.rendering.lighting import Lamp

_RAIL_PAINTS = ((0.55, 0.55, 0.53), (0.55, 0.55, 0.53), (0.3, 0.32, 0.3), (0.3, 0.2, 0.1))


def furnish_street(builder: SceneBuilder) -> None:
    """Place lamps, bridges, guardrails and other street furniture."""
    _street_lamps(builder)
    if builder.rng.random() < 0.12:
        _bridge(builder)
    if builder.rng.random() < 0.45:
        _guardrail(builder)
    if builder.rng.random() < 0.5:
        _car_stops(builder)
    if builder.rng.random() < 0.5:
        _cones(builder)
    _clutter(builder)


def _street_lamps(builder: SceneBuilder) -> None:
    rng, street, condition = builder.rng, builder.street, builder.light.condition
    sign = int(rng.choice([-1, 1]))
    gap, height = rng.uniform(16, 32), rng.uniform(4, 7)
    warm = rng.random() < 0.5
    colour = np.array([1.0, 0.72, 0.4]) if warm else np.array([0.9, 1.0, 0.95])
    lit = condition == "night" or (condition == "dusk" and rng.random() < 0.6)
    colour_power = colour * np.exp(rng.uniform(np.log(1.5), np.log(15.0)))
    beam = -UP * 0.9 - np.array([sign * 0.3, 0, 0]) if rng.random() < 0.5 else None
    for along in np.arange(rng.uniform(4, gap), 120, gap):
        where = builder.on_ground(sign * (street.half_width + 0.5), along)
        builder.things.append(street_furniture.lamp_post(where, -sign, height, lit, colour * 8))
        if lit:
            head = where + np.array([-sign * 1.1, height - 0.2, 0])
            builder.lamps.append(Lamp(head, colour_power, beam))


def _bridge(builder: SceneBuilder) -> None:
    """Place a bridge or passage over the street, with its piers outside the pavements."""
    rng, street, along = builder.rng, builder.street, builder.rng.uniform(12, 60)
    reach = street.half_width + max(street.left.pavement, street.right.pavement) + 1
    middle = street.at(0, 0, along)
    builder.things.append(
        buildings.bridge(rng, middle, street.heading(along), reach, builder.climate)
    )


def _guardrail(builder: SceneBuilder) -> None:
    rng, street = builder.rng, builder.street
    lateral = int(rng.choice([-1, 1])) * (street.half_width + 0.35)
    beam = bool(rng.random() < 0.4)
    paint = _RAIL_PAINTS[rng.integers(len(_RAIL_PAINTS))]
    start, up = rng.uniform(3, 20), street.pavement_height(lateral)
    for along in np.arange(start, start + rng.uniform(8, 45), 2.5):
        first, last = street.span(lateral, up, along, along + 2.5)
        builder.things.append(barriers.guardrail(first, last, beam, paint))


def _car_stops(builder: SceneBuilder) -> None:
    """Place a row of car stops at the road's edge or between the lanes."""
    rng, street = builder.rng, builder.street
    lateral = rng.choice([-1, 1]) * (street.half_width - rng.uniform(0.3, 1.2))
    if rng.random() < 0.3:
        lateral = rng.uniform(-0.4, 0.4) * street.half_width
    length, height = rng.uniform(0.5, 2.0), rng.uniform(0.12, 0.42)
    along, pitch = rng.uniform(4, 20), length + rng.uniform(0.3, 2.5)
    for _ in range(rng.integers(2, 14)):
        if builder.take(lateral, along, length / 2):
            where, heading = street.at(lateral, 0, along), street.heading(along)
            builder.things.append(barriers.car_stop(rng, where, heading, length, height))
        along += pitch


def _cones(builder: SceneBuilder) -> None:
    rng = builder.rng
    lateral, drift = rng.uniform(-1, 1) * builder.street.half_width, rng.uniform(-0.6, 0.6)
    along, pitch = rng.uniform(4, 30), rng.uniform(1.2, 4)
    bars = rng.random() < 0.2
    last = None
    for _ in range(rng.integers(1, 9)):
        if builder.take(lateral, along, 0.3):
            where = builder.on_ground(lateral, along)
            builder.things.append(barriers.cone(rng, where))
            if bars and last is not None:
                builder.things.append(barriers.cone_bar(last, where))
            last = where
        along += pitch
        lateral += drift


def _clutter(builder: SceneBuilder) -> None:
    """Place unlabelled objects, so that not everything upright or warm is a person."""
    rng, street = builder.rng, builder.street
    for _ in range(rng.integers(2, 11)):
        sign = int(rng.choice([-1, 1]))
        inset = rng.uniform(0.4, max(0.5, street.side(sign).pavement - 0.4))
        lateral, along = sign * (street.half_width + inset), rng.uniform(5, 60)
        if not builder.take(lateral, along, 0.5):
            continue
        where, heading = builder.on_ground(lateral, along), street.heading(along)
        kind = rng.random()
        if kind < 0.3:
            builder.things.append(street_furniture.sign(rng, where))
        elif kind < 0.5:
            builder.things.append(street_furniture.bollard(rng, where))
        elif kind < 0.65:
            builder.things.append(street_furniture.traffic_light(rng, where, -sign))
        elif kind < 0.75:
            builder.things.append(street_furniture.bin_or_planter(rng, where, heading))
        else:
            builder.things.append(
                street_furniture.vending_machine(rng, where, heading, builder.dark)
            )
