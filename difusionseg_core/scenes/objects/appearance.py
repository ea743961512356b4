"""Build and clothes of people, as materials with temperatures."""

from dataclasses import dataclass

import numpy as np

from difusionseg_core.scenes.geometry.parts import Material
from difusionseg_core.scenes.rendering.thermal_camera import Climate

_SKINS = ((0.62, 0.40, 0.30), (0.50, 0.30, 0.20), (0.30, 0.17, 0.11), (0.13, 0.075, 0.05))
_HAIRS = ((0.02, 0.018, 0.016), (0.05, 0.03, 0.02), (0.2, 0.12, 0.06), (0.35, 0.35, 0.35))


@dataclass(frozen=True)
class Appearance:
    """A person's build and clothes."""

    height: float  # metres
    girth: float  # 1 is average
    skin: Material
    hair: Material
    top: Material
    legs: Material
    shoes: Material
    long_coat: bool
    skirt: bool
    long_hair: bool
    hat: Material | None
    backpack: Material | None
    bag: Material | None
    umbrella: Material | None


def _cloth_colour(rng: np.random.Generator) -> tuple[float, float, float]:
    kind = rng.random()
    if kind < 0.45:  # most street clothes are dark
        return tuple(rng.uniform(0.01, 0.08) * rng.uniform(0.8, 1.2, 3))
    if kind < 0.7:
        return tuple(rng.uniform(0.2, 0.7) * rng.uniform(0.93, 1.07, 3))
    colour = rng.uniform(0.02, 0.55, 3)
    return tuple(colour.mean() + (colour - colour.mean()) * rng.uniform(0.2, 1.0))


def random_appearance(rng: np.random.Generator, climate: Climate, rain: bool) -> Appearance:
    """Return a random build and clothes that suit the weather."""
    child = rng.random() < 0.08
    cold = np.clip((18 - climate.air) / 18, 0, 1)
    thick = float(np.clip(cold + rng.normal(0, 0.25), 0, 1))
    cloth = Material((0, 0, 0), grain=0.12, grain_size=0.8, mottle=0.06 * climate.skin())
    skin = Material(_SKINS[rng.integers(len(_SKINS))], grain=0.04, heat=climate.skin(), mottle=0.3)
    top = cloth.painted(_cloth_colour(rng)).warmed(climate.clothes(thick))
    legs = cloth.painted(_cloth_colour(rng)).warmed(climate.clothes(rng.uniform(0, 0.5)))
    pack = cloth.painted(_cloth_colour(rng)).warmed(1.0)
    return Appearance(
        height=rng.uniform(1.05, 1.4) if child else rng.normal(1.68, 0.09),
        girth=float(np.clip(rng.normal(1.0, 0.12), 0.8, 1.4)),
        skin=skin,
        hair=Material(
            _HAIRS[rng.integers(len(_HAIRS))], grain=0.25, grain_size=0.3, heat=0.6 * climate.skin()
        ),
        top=top,
        legs=legs,
        shoes=cloth.painted(_cloth_colour(rng)).warmed(0.25 * climate.skin()),
        long_coat=thick > 0.5 and rng.random() < 0.4,
        skirt=rng.random() < 0.2,
        long_hair=rng.random() < 0.4,
        hat=cloth.painted(_cloth_colour(rng)).warmed(0.4 * climate.skin())
        if rng.random() < 0.15
        else None,
        backpack=pack if rng.random() < 0.25 else None,
        bag=pack.painted(_cloth_colour(rng)) if rng.random() < 0.2 else None,
        umbrella=pack.painted(_cloth_colour(rng)) if rain and rng.random() < 0.5 else None,
    )
