"""What lines the street on each side: houses, a wall, a hedge or trees."""

import numpy as np

from difusionseg_core.scenes.geometry.parts import Material
from difusionseg_core.scenes.objects import buildings, greenery
from difusionseg_core.scenes.placement.site import Site


def line_street(site: Site) -> None:
    """Place buildings, walls, hedges or trees along both sides."""
    for sign in (-1, 1):
        kind = site.street.side(sign).frontage
        foliage = greenery.leaves(site.rng)
        if kind == "buildings":
            _houses(site, sign)
        elif kind == "wall":
            _wall(site, sign)
        elif kind == "hedge":
            _hedge(site, sign, foliage)
        if kind != "buildings" or site.rng.random() < 0.4:
            _trees(site, sign, foliage)


def _houses(site: Site, sign: int) -> None:
    rng, along = site.rng, site.rng.uniform(-15, 0)
    while along < 170:
        length = rng.uniform(9, 28)
        line = site.street.frontage_at(sign) + sign * rng.uniform(0.0, 1.5)
        a, b = site.street.span(line, site.street.side(sign).kerb, along, along + length)
        site.buildings.append(buildings.house(rng, a, b, sign, site.climate, site.dark))
        along += length + (rng.uniform(2, 10) if rng.random() < 0.4 else 0)


def _wall(site: Site, sign: int) -> None:
    rng, street = site.rng, site.street
    stone = Material(
        tuple(rng.uniform(0.2, 0.5) * rng.uniform(0.9, 1.1, 3)),
        grain=0.15,
        grain_size=5.0,
        block=(0.9, 0.3) if rng.random() < 0.5 else (0, 0),
        heat=site.climate.walls,
        mottle=0.5,
        emissivity=0.93,
    )
    height, line = rng.uniform(1.0, 3.0), street.frontage_at(sign) + sign * 0.12
    for along in np.arange(0, 110, 7.0):
        a, b = street.span(line, street.side(sign).kerb, along, along + 7.02)
        site.things.append(buildings.wall(a, b, height, stone))


def _hedge(site: Site, sign: int, foliage: Material) -> None:
    street, height = site.street, site.rng.uniform(0.8, 1.8)
    line = street.frontage_at(sign) + sign * 0.4
    for along in np.arange(0, 60, 5.0):
        a, b = street.span(line, street.side(sign).kerb, along, along + 5.02)
        site.things.append(greenery.hedge(site.rng, a, b, height, foliage))


def _trees(site: Site, sign: int, foliage: Material) -> None:
    """A row of trees at the pavement's edge and, on a green side, a wood behind it."""
    rng, side = site.rng, site.street.side(sign)
    line, gap, tall = site.street.frontage_at(sign), rng.uniform(5, 13), rng.uniform(5, 15)
    beyond = 1.5 if side.frontage != "buildings" else -min(1.0, side.pavement / 3)
    for along in np.arange(rng.uniform(3, 12), 120, gap):
        lateral = line + sign * (beyond + rng.normal(0, 0.2))
        where = site.street.at(lateral, side.kerb, along)
        site.things.append(greenery.tree(rng, where, foliage, tall * rng.uniform(0.8, 1.2)))
    if side.frontage == "trees":
        for _ in range(14):
            where = site.street.at(line + sign * rng.uniform(5, 30), 0, rng.uniform(15, 140))
            site.things.append(greenery.tree(rng, where, foliage, tall * rng.uniform(0.7, 1.2)))
