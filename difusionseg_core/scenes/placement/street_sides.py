"""Both sides of the street: houses, a wall, a hedge or trees."""

import numpy as np

from difusionseg_core.scenes.geometry.parts import Material
from difusionseg_core.scenes.objects import buildings, greenery
from difusionseg_core.scenes.placement.scene_builder import SceneBuilder


def line_street(builder: SceneBuilder) -> None:
    """Place buildings, walls, hedges or trees along both sides of the street."""
    for sign in (-1, 1):
        kind = builder.street.side(sign).frontage
        foliage = greenery.leaves(builder.rng)
        if kind == "buildings":
            _houses(builder, sign)
        elif kind == "wall":
            _wall(builder, sign)
        elif kind == "hedge":
            _hedge(builder, sign, foliage)
        if kind != "buildings" or builder.rng.random() < 0.4:
            _trees(builder, sign, foliage)


def _houses(builder: SceneBuilder, sign: int) -> None:
    rng, along = builder.rng, builder.rng.uniform(-15, 0)
    while along < 170:
        length = rng.uniform(9, 28)
        line = builder.street.frontage_at(sign) + sign * rng.uniform(0.0, 1.5)
        a, b = builder.street.span(line, builder.street.side(sign).kerb, along, along + length)
        builder.buildings.append(buildings.house(rng, a, b, sign, builder.climate, builder.dark))
        along += length + (rng.uniform(2, 10) if rng.random() < 0.4 else 0)


def _wall(builder: SceneBuilder, sign: int) -> None:
    rng, street = builder.rng, builder.street
    stone = Material(
        tuple(rng.uniform(0.2, 0.5) * rng.uniform(0.9, 1.1, 3)),
        grain=0.15,
        grain_size=5.0,
        block=(0.9, 0.3) if rng.random() < 0.5 else (0, 0),
        heat=builder.climate.walls,
        mottle=0.5,
        emissivity=0.93,
    )
    height, line = rng.uniform(1.0, 3.0), street.frontage_at(sign) + sign * 0.12
    for along in np.arange(0, 110, 7.0):
        a, b = street.span(line, street.side(sign).kerb, along, along + 7.02)
        builder.things.append(buildings.wall(a, b, height, stone))


def _hedge(builder: SceneBuilder, sign: int, foliage: Material) -> None:
    street, height = builder.street, builder.rng.uniform(0.8, 1.8)
    line = street.frontage_at(sign) + sign * 0.4
    for along in np.arange(0, 60, 5.0):
        a, b = street.span(line, street.side(sign).kerb, along, along + 5.02)
        builder.things.append(greenery.hedge(builder.rng, a, b, height, foliage))


def _trees(builder: SceneBuilder, sign: int, foliage: Material) -> None:
    """Place a row of trees at the pavement's edge and, if there are no houses, a wood behind."""
    rng, side = builder.rng, builder.street.side(sign)
    line, gap, tall = builder.street.frontage_at(sign), rng.uniform(5, 13), rng.uniform(5, 15)
    beyond = 1.5 if side.frontage != "buildings" else -min(1.0, side.pavement / 3)
    for along in np.arange(rng.uniform(3, 12), 120, gap):
        lateral = line + sign * (beyond + rng.normal(0, 0.2))
        where = builder.street.at(lateral, side.kerb, along)
        builder.things.append(greenery.tree(rng, where, foliage, tall * rng.uniform(0.8, 1.2)))
    if side.frontage == "trees":
        for _ in range(14):
            where = builder.street.at(line + sign * rng.uniform(5, 30), 0, rng.uniform(15, 140))
            builder.things.append(greenery.tree(rng, where, foliage, tall * rng.uniform(0.7, 1.2)))
