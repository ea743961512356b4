"""Estimate the transform from thermal to RGB pixels, from images of both cameras.

A search over scale, rotation and shift on small images gives the start; then patches are matched,
each over all frames at once, and a transform is fitted that leaves out patches that match nothing.
Which transform, from none at all to a homography, is chosen by cross-validation over patches and
frames, and its uncertainty estimated by a bootstrap over both. One transform for the whole image is
right as long as the scene is far away compared with the distance between the two cameras.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from difusionseg_core.imaging.registration.parallax import Parallax, find_parallax
from difusionseg_core.imaging.registration.patch_matching import (
    PatchScores,
    coarse_match,
    edge_directions,
    match_patches,
    shrink,
)
from difusionseg_core.imaging.registration.transform_models import (
    MODELS,
    choose_model,
    distances,
    fit,
)

_WORK_WIDTH = 640  # pixels of the RGB image when patches are matched
_PASSES = ((24, 8.0), (12, 5.0), (12, 3.0))
"""Pixels, at the working size, that a patch may be off, and by which it may then miss the fit."""
_LEAST_PATCHES = 12
_RESAMPLES = 60  # of the bootstrap
_DISAGREEING = 0.3  # share of the matched patches that disagree with the transform
PLACES = ("centre", "top left", "top right", "bottom right", "bottom left")


class RegistrationError(ValueError):
    """The images cannot be registered; the message names the reason and what to do."""


@dataclass(frozen=True)
class Registration:
    """A transform and how certain it is; lengths are in RGB pixels.

    `matrix` (3, 3) float64 maps thermal pixels (x, y, 1) to RGB pixels, last entry 1; `model` is
    one of `transform_models.MODELS`, "identity" if the images are aligned already. `residual` is
    the root mean square distance of the agreeing patches from where the matrix puts them, `before`
    that without it, with the thermal image only resized. `agreeing` of `patches` patches, searched
    in a wide range, agree with the matrix; `parallax` says whether the others agree with each
    other. `uncertainty` (5,) is the standard deviation of the mapped centre and four corners
    (`PLACES`), from resampled patches and frames.
    """

    matrix: np.ndarray
    model: str
    residual: float
    before: float
    agreeing: int
    patches: int
    uncertainty: np.ndarray
    parallax: Parallax

    @property
    def summary(self) -> str:
        """The result, in one line."""
        if self.model == "identity":
            found = f"already aligned within {self.uncertainty.max():.1f} px"
        else:
            found = (
                f"{self.model}; uncertainty (standard deviation) {self.uncertainty[0]:.1f} px at "
                f"the centre, up to {self.uncertainty[1:].max():.1f} px at the corners"
            )
        return (
            f"{found}; {self.agreeing} of {self.patches} patches agree, {self.residual:.1f} px "
            f"from it (root mean square), {self.before:.1f} px before"
        )

    @property
    def warning(self) -> str:
        """A warning, in one line; empty if there is none."""
        if self.parallax.found:
            return (
                f"parallax: {self.parallax.share:.0%} of the patches that neighbours confirm lie "
                f"elsewhere, by {self.parallax.pixels:.0f} px: the scene is near compared with the "
                "distance between the cameras, and no single transform is right everywhere. Use "
                "frames of scenes as distant as those that matter"
            )
        if self.agreeing < (1 - _DISAGREEING) * self.patches:
            return (
                f"{self.patches - self.agreeing} of {self.patches} patches disagree: few edges are "
                "common, or the scene is near compared with the distance between the cameras "
                "(parallax). Use more frames, of distant scenes with edges that both cameras see"
            )
        return ""


def register(pairs: Sequence[tuple[np.ndarray, np.ndarray]], seed: int = 0) -> Registration:
    """Estimate the transform that all pairs share.

    `pairs` are (rgb, thermal): (H, W, 3) uint8 RGB and (h, w) uint8, each camera of one size.
    Several frames of different views are better than one. `seed` is that of the bootstrap. Raises
    RegistrationError if there are no pairs, sizes change, or too few patches agree.
    """
    if not pairs:
        raise RegistrationError("there are no pairs of images to register")
    if len({(rgb.shape, thermal.shape) for rgb, thermal in pairs}) > 1:
        raise RegistrationError("the images change their size; register frames of one size")
    height, width = pairs[0][0].shape[:2]
    thermal_size = pairs[0][1].shape[1::-1]
    factor = _WORK_WIDTH / width
    size = (_WORK_WIDTH, max(1, round(height * factor)))
    visible = [shrink(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), size) for rgb, _ in pairs]
    thermal = [image for _, image in pairs]

    cv2.setRNGSeed(seed)  # of RANSAC
    resized = np.diag([size[0] / thermal_size[0], size[1] / thermal_size[1], 1.0])
    matrix = coarse_match(visible, thermal, resized)
    structures = [edge_directions(image) for image in visible]
    for radius, tolerance in _PASSES:
        matched = match_patches(structures, thermal, matrix, radius)
        shifts, good = matched.shifts()
        if good.sum() < _LEAST_PATCHES:
            raise RegistrationError(
                f"only {good.sum()} patches of the images match, {_LEAST_PATCHES} are needed; "
                "use frames with more edges that both cameras see, and more of them"
            )
        places = matched.places[good]
        sources, targets = _unmapped(matrix, places), places + shifts[good]
        model = choose_model(sources, targets, resized, tolerance, _halves(matched, good, places))
        if tolerance > _PASSES[-1][1]:
            model = _at_least_affine(model)  # so that patches in the corners stay within reach
        fitted = fit(model, sources, targets, resized, tolerance)
        if fitted is None or (distances(fitted, sources, targets) <= tolerance).sum() < (
            _LEAST_PATCHES
        ):
            raise RegistrationError(
                f"fewer than {_LEAST_PATCHES} of {good.sum()} patches agree on a transform; is the "
                "scene far away compared with the distance between the cameras?"
            )
        previous, matrix = matrix, fitted
    agreeing = distances(matrix, sources, targets) <= tolerance
    # Patches of objects at other distances are outside the range of the last passes.
    wide = match_patches(structures, thermal, matrix, _PASSES[0][0])
    shifts, good = wide.shifts()
    near = np.linalg.norm(shifts[good], axis=1) <= 2 * tolerance
    parallax = find_parallax(wide, tolerance)
    to_full = np.diag([width / size[0], height / size[1], 1.0])
    full = to_full @ matrix
    spread = _bootstrap(matched, previous, model, resized, tolerance, matrix, thermal_size, seed)
    return Registration(
        matrix=full / full[2, 2],
        model=model,
        residual=_rms(distances(matrix, sources, targets)[agreeing]) / factor,
        before=_rms(distances(resized, sources, targets)[agreeing]) / factor,
        agreeing=int(near.sum()),
        patches=len(near),
        uncertainty=spread / factor,
        parallax=replace(parallax, pixels=parallax.pixels / factor),
    )


def checkerboard(first: np.ndarray, second: np.ndarray, cells: int = 8) -> np.ndarray:
    """Alternate two (H, W, 3) images on a board; if they fit, edges continue across cells."""
    height, width = first.shape[:2]
    side = max(1, width // cells)
    rows, columns = np.arange(height) // side, np.arange(width) // side
    odd = (rows[:, None] + columns[None]) % 2 == 1
    return np.where(odd[..., None], second, first)


def _halves(matched: PatchScores, good: np.ndarray, places: np.ndarray) -> list[np.ndarray] | None:
    """Return patch positions from each half of the frames; None for fewer than four frames."""
    frames = matched.scores.shape[1]
    if frames < 4:
        return None
    odd = np.arange(frames) % 2
    return [places + matched.shifts(weights.astype(float))[0][good] for weights in (odd, 1 - odd)]


def _bootstrap(
    matched: PatchScores,
    previous: np.ndarray,
    model: str,
    start: np.ndarray,
    tolerance: float,
    matrix: np.ndarray,
    thermal_size: tuple[int, int],
    seed: int,
) -> np.ndarray:
    """Return (5,) standard deviations of where centre and corners lie, at the working size.

    Every resample draws frames and patches with replacement and fits again; those that cannot be
    fitted are left out. A model simpler than "affine" would hide deviations that it cannot express,
    so that "affine" is fitted in its place.
    """
    model = _at_least_affine(model)
    width, height = thermal_size
    corners = [(0, 0), (width, 0), (width, height), (0, height)]
    ends = np.array([(width / 2, height / 2), *corners], np.float64)
    rng = np.random.default_rng(seed)
    frames = matched.scores.shape[1]
    expected = cv2.perspectiveTransform(ends[:, None], matrix)[:, 0]
    squares = []
    for _ in range(_RESAMPLES):
        weights = np.bincount(rng.integers(frames, size=frames), minlength=frames).astype(float)
        shifts, good = matched.shifts(weights)
        drawn = rng.choice(np.flatnonzero(good), good.sum()) if good.any() else np.empty(0, int)
        sources = _unmapped(previous, matched.places[drawn])
        found = fit(model, sources, matched.places[drawn] + shifts[drawn], start, tolerance)
        if found is not None:
            moved = cv2.perspectiveTransform(ends[:, None], found)[:, 0] - expected
            squares.append((moved**2).sum(axis=1))
    return np.sqrt(np.mean(squares, axis=0)) if squares else np.full(len(ends), np.inf)


def _at_least_affine(model: str) -> str:
    return max(model, "affine", key=MODELS.index)


def _unmapped(matrix: np.ndarray, places: np.ndarray) -> np.ndarray:
    if not len(places):
        return places
    return cv2.perspectiveTransform(places[:, None], np.linalg.inv(matrix))[:, 0]


def _rms(off: np.ndarray) -> float:
    return float(np.sqrt((off**2).mean()))
