"""Trees and hedges."""

import numpy as np

from difusionseg_core.scenes.geometry.parts import (
    UP,
    Fixture,
    Foliage,
    Group,
    Hull,
    Material,
    Tube,
    plank,
)

_LEAVES = (
    (0.05, 0.10, 0.02),
    (0.035, 0.075, 0.018),
    (0.09, 0.13, 0.03),
    (0.2, 0.13, 0.02),
    (0.16, 0.06, 0.02),
)


def leaves(rng: np.random.Generator) -> Material:
    """Return a random material of leaves."""
    colour = np.array(_LEAVES[rng.integers(len(_LEAVES))]) * rng.uniform(0.7, 1.4)
    return Material(
        tuple(colour),
        grain=1.0,
        grain_size=2.5,
        heat=rng.uniform(-1, 2),
        mottle=0.8,
        emissivity=0.97,
    )


def hedge(
    rng: np.random.Generator, a: np.ndarray, b: np.ndarray, height: float, foliage: Material
) -> Fixture:
    """Make a hedge from a to b (3,)."""
    count = 3 * max(3, int(np.linalg.norm(b - a) / 0.5))
    share, level = rng.uniform(0, 1, count), np.tile([height - 0.3, height * 0.5, 0.3], count // 3)
    centres = a + (b - a) * share[:, None] + rng.normal(0, 0.08, (count, 3))
    centres[:, 1] += level
    tones = rng.uniform(0.6, 1.3, count) * (0.5 + 0.6 * level / height)
    bushes = Foliage(centres, rng.uniform(0.32, 0.5, count), tones, foliage)
    body = plank(a, b, height, 0.8, foliage.shaded(0.6))
    return Fixture([[*body, bushes]], (a + b) / 2, 0.0)


def tree(rng: np.random.Generator, where: np.ndarray, foliage: Material, tall: float) -> Fixture:
    """Make a tree `tall` metres high, with a crown of leafy balls, far and dark ones first."""
    bark = Material(
        (0.09, 0.07, 0.05),
        grain=0.35,
        grain_size=0.7,
        heat=rng.uniform(0, 2),
        mottle=0.4,
        emissivity=0.95,
    )
    girth = tall * rng.uniform(0.012, 0.03)
    fork = where + UP * tall * rng.uniform(0.25, 0.42)
    lean = np.array([rng.normal(0, 0.03), 0, rng.normal(0, 0.03)]) * tall
    crown = where + UP * tall * 0.66 + lean
    trunk = Hull(np.array([where, fork + lean * 0.3]), np.array([girth, girth * 0.7]), bark)
    spread = tall * rng.uniform(0.2, 0.34)
    branches: Group = []
    for _ in range(5):
        end = crown + rng.normal(0, 0.5, 3) * spread * [1, 0.8, 1]
        branches.append(Tube(np.array([fork + lean * 0.3, end]), girth * 0.5, bark.shaded(0.8)))
    count = int(rng.integers(24, 60))
    spots = rng.normal(0, 1, (count, 3))
    spots *= (rng.uniform(0.3, 1.0, count) / np.linalg.norm(spots, axis=1))[:, None]
    tones = 0.5 + 0.5 * spots[:, 1] - 0.2 * spots[:, 2] + rng.uniform(0, 0.5, count)
    leafy = Foliage(
        crown + spots * spread * [1, 0.85, 1],
        rng.uniform(0.14, 0.3, count) * spread,
        np.maximum(tones, 0.25),
        foliage,
    )
    return Fixture([[trunk, *branches, leafy]], where, girth)
