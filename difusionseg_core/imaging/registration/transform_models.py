"""Transforms between two views: robust fits of growing freedom, and the choice among them.

A model with more freedom follows noise: far from the patches it was fitted to, it can be tens of
pixels off. The choice is by cross-validation, and the simplest model wins unless a richer one
predicts patches that it was not fitted to clearly better.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

MODELS = ("identity", "translation", "similarity", "affine", "homography")
"""Names by growing freedom: 0, 2, 4, 6 and 8 numbers."""

_FREE = {
    "translation": np.eye(8)[:, [2, 5]],
    "similarity": np.array(
        [
            [1, 0, 0, 0, 1, 0, 0, 0],
            [0, -1, 0, 1, 0, 0, 0, 0],
            [0, 0, 1, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 1, 0, 0],
        ],
        np.float64,
    ).T,
    "affine": np.eye(8)[:, :6],
    "homography": np.eye(8),
}
"""(8, n): how the first eight entries of the matrix, row by row, change with its n numbers."""
_STEPS = 30
_SMALL = 1e-7  # of half the image's width
_LEAST_POINTS = {"identity": 0, "translation": 1, "similarity": 2, "affine": 3, "homography": 4}
_FOLDS = 5
_CLEARLY = 1.0  # standard errors by which a richer model must be better
_NEGLIGIBLE = 0.1  # pixels by which a richer model must at least be better
_CAPPED = 3.0  # tolerances; an outlier counts as this far off


def fit(
    model: str, sources: np.ndarray, targets: np.ndarray, start: np.ndarray, tolerance: float
) -> np.ndarray | None:
    """Fit a (3, 3) matrix that maps sources (N, 2) to targets (N, 2), in pixels of the target.

    `start` (3, 3) is the mapping without registration, which "identity" keeps and "translation" and
    "similarity" change. Points further off than `tolerance` are outliers of the first fit (RANSAC);
    the final one weighs all points by how near they are. None if the points do not determine the
    model.
    """
    if len(sources) < max(_LEAST_POINTS[model], 1):
        return None
    if model == "identity":
        return start
    moved = _mapped(start, sources)
    if model == "translation":
        first = _shifted(moved, targets, tolerance)
    elif model == "similarity":
        first, _ = cv2.estimateAffinePartial2D(moved, targets, None, cv2.RANSAC, tolerance)
    elif model == "affine":
        first, _ = cv2.estimateAffine2D(moved, targets, None, cv2.RANSAC, tolerance)
    else:
        first, _ = cv2.findHomography(moved, targets, cv2.RANSAC, tolerance, maxIters=2000)
    if first is None:
        return None
    whole = first if len(first) == 3 else np.vstack([first, [0, 0, 1]])
    return _refined(model, whole, moved, targets, tolerance) @ start


def distances(matrix: np.ndarray, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return (N,) distances of targets from where `matrix` maps the sources."""
    return np.linalg.norm(_mapped(matrix, sources) - targets, axis=1)


def choose_model(
    sources: np.ndarray,
    targets: np.ndarray,
    start: np.ndarray,
    tolerance: float,
    held_out: Sequence[np.ndarray] | None = None,
) -> str:
    """Return the simplest of MODELS that predicts held-out patches as well as the best one.

    Patches are held out in groups of neighbours, so that a model must extrapolate. `held_out` are
    other measurements of all targets, one array (N, 2) for each fold (from other frames), against
    which the folds are tested; None tests against `targets`.
    """
    folds = _spatial_folds(_mapped(start, sources))
    errors: dict[str, np.ndarray] = {}
    for model in MODELS:
        off = np.full(len(sources), _CAPPED * tolerance)
        for number in range(_FOLDS):
            test = folds == number
            matrix = fit(model, sources[~test], targets[~test], start, tolerance)
            if matrix is None or not test.any():
                continue
            wanted = targets if held_out is None else held_out[number % len(held_out)]
            off[test] = distances(matrix, sources[test], wanted[test])
        errors[model] = off.clip(max=_CAPPED * tolerance)
    best = min(MODELS, key=lambda name: float(errors[name].mean()))
    for model in MODELS[: MODELS.index(best)]:
        excess = errors[model] - errors[best]
        spread = float(excess.std()) / np.sqrt(max(len(excess), 1))
        if float(excess.mean()) <= max(_CLEARLY * spread, _NEGLIGIBLE):
            return model
    return best


def _refined(
    model: str, first: np.ndarray, sources: np.ndarray, targets: np.ndarray, scale: float
) -> np.ndarray:
    """Minimise a Cauchy loss of `scale` pixels, by Gauss-Newton steps with weights.

    RANSAC's patches agree within its tolerance on one plane of the scene, which chance decides in
    scenes with depth; a loss without a limit averages over all of them.
    """
    middle = targets.mean(axis=0)
    size = max(float(np.abs(targets - middle).max()), 1.0)
    unit = np.array([[1, 0, -middle[0]], [0, 1, -middle[1]], [0, 0, size]]) / size
    points, wanted = _mapped(unit, sources), _mapped(unit, targets)
    lifted = np.column_stack([points, np.ones(len(points))])
    matrix = unit @ first @ np.linalg.inv(unit)
    for _ in range(_STEPS):
        matrix = matrix / matrix[2, 2]
        raised = lifted @ matrix.T
        depth = raised[:, 2:]
        reached = raised[:, :2] / depth
        off = wanted - reached
        weight = 1 / (1 + (off**2).sum(axis=1) * (size / scale) ** 2)
        slopes = np.zeros((len(points), 2, 8))  # of x and y by the first eight entries
        slopes[:, 0, :3] = slopes[:, 1, 3:6] = lifted / depth
        slopes[:, :, 6:] = -reached[:, :, None] * points[:, None] / depth[:, None]
        free = slopes @ _FREE[model]
        root = np.sqrt(weight)[:, None]
        step = np.linalg.lstsq(
            (free * root[..., None]).reshape(-1, free.shape[2]), (off * root).ravel(), rcond=None
        )[0]
        matrix = matrix + np.append(_FREE[model] @ step, 0).reshape(3, 3)
        if np.abs(step).max() < _SMALL:
            break
    found = np.linalg.inv(unit) @ matrix @ unit
    return found / found[2, 2] if np.isfinite(found).all() else first


def _spatial_folds(places: np.ndarray) -> np.ndarray:
    """Return (N,) the fold of each place: cells of a 3 x 3 grid, neighbours in other folds."""
    low, high = places.min(axis=0), places.max(axis=0)
    cell = ((places - low) / np.maximum(high - low, 1e-9) * 3).astype(int).clip(0, 2)
    return (cell[:, 0] + 3 * cell[:, 1]) % _FOLDS


def _shifted(moved: np.ndarray, targets: np.ndarray, tolerance: float) -> np.ndarray:
    shifts = targets - moved
    middle = np.median(shifts, axis=0)
    near = np.linalg.norm(shifts - middle, axis=1) <= tolerance
    dx, dy = shifts[near].mean(axis=0) if near.any() else middle
    return np.array([[1, 0, dx], [0, 1, dy], [0, 0, 1]], np.float64)


def _mapped(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return cv2.perspectiveTransform(points[:, None].astype(np.float64), matrix)[:, 0]
