"""Parallax: whether patches that disagree with a transform agree with each other.

A patch that matches nothing gives any shift; two neighbours that show the same near object give the
same one. Patches beside each other without common pixels measure independently, so that their
agreement, beyond what chance brings about, is evidence of depth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from difusionseg_core.imaging.registration.patch_matching import PATCH, PatchScores

_SHARE = 0.1  # of confirmed patches; without parallax it is below 0.06
_CERTAIN = 3.0  # standard deviations of the counts
_QUARTER_TURNS = (np.array([[0.0, 1], [-1, 0]]), np.array([[0.0, -1], [1, 0]]))


@dataclass(frozen=True)
class Parallax:
    """Patches confirmed by a neighbour in the same frame, over all frames.

    `share` (0..1) of them lie elsewhere than the transform puts them, at a median distance of
    `pixels` (working size), beyond those expected by chance; `certainty` is that excess in standard
    deviations.
    """

    share: float
    certainty: float
    pixels: float

    @property
    def found(self) -> bool:
        """Whether no single transform is right for the scene."""
        return self.share >= _SHARE and self.certainty >= _CERTAIN


def find_parallax(matched: PatchScores, tolerance: float) -> Parallax:
    """Look at shifts searched in a wide range around the final transform.

    Up to `tolerance` pixels a patch agrees with the transform, or with a neighbour; beyond twice
    that it lies elsewhere.
    """
    apart = np.abs(matched.places[:, None] - matched.places[None]).max(axis=-1)
    beside = apart == PATCH
    frames = matched.scores.shape[1]
    agreeing, elsewhere, by_chance, off = 0, 0, 0.0, [0.0]
    for weights in np.eye(frames):
        shifts, good = matched.shifts(weights)
        length = np.linalg.norm(shifts, axis=1)
        near, away = good & (length <= tolerance), good & (length > 2 * tolerance)
        agreeing += _confirmed(shifts, shifts, near, beside, tolerance).sum()
        alike = _confirmed(shifts, shifts, away, beside, tolerance)
        elsewhere += alike.sum()
        off += length[alike].tolist()
        # Depth moves patches along one line; by chance a neighbour agrees as often when turned.
        by_chance += np.mean(
            [
                _confirmed(shifts, shifts @ turn, away, beside, tolerance).sum()
                for turn in _QUARTER_TURNS
            ]
        )
    excess = elsewhere - by_chance
    return Parallax(
        share=max(excess, 0.0) / max(agreeing + excess, 1.0),
        certainty=excess / np.sqrt(elsewhere + by_chance + 1),
        pixels=float(np.median(off[1:] or off)),
    )


def _confirmed(
    shifts: np.ndarray, others: np.ndarray, chosen: np.ndarray, beside: np.ndarray, tolerance: float
) -> np.ndarray:
    """(N,) whether a chosen patch has a chosen one beside it whose shift in `others` is equal."""
    equal = np.linalg.norm(shifts[:, None] - others[None], axis=-1) <= tolerance
    return (equal & beside & chosen[:, None] & chosen[None]).any(axis=1)
