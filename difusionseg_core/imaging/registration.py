"""Where the thermal camera's pixels lie in the RGB image, found from pictures of both.

A homography maps one view to the other as long as the scene is far away beside the distance of the
two cameras. Pictures of warmth and of light share their edges, not their brightness, so edges are
compared by direction: a bright one matches a dark one. A search over scale, rotation and shift on
small pictures gives the start; then patches are matched, each over all frames at once, and a
robust fit (RANSAC) leaves out those that match nothing or lie at another distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np

_SEARCH_WIDTH = 160  # pixels of the RGB picture in the first search
_SCALES = np.geomspace(0.5, 2.0, 25)  # of the thermal picture, once it is as wide as the RGB one
_ROTATIONS = (-8.0, -4.0, 0.0, 4.0, 8.0)  # degrees
_LEAST_OVERLAP = 0.15  # of the RGB picture's area

_WORK_WIDTH = 640  # pixels of the RGB picture when patches are matched
_PATCH, _STRIDE = 72, 36  # pixels at the working size
_PASSES = ((24, 8.0), (12, 5.0), (8, 3.0), (6, 2.5), (6, 2.5))
"""Pixels, at the working size, that a patch may be off, and by which it may then miss the fit."""
_LEAST_LIKENESS = 0.1  # normalised correlation of a patch with its best match
_LEAST_PATCHES = 12


class RegistrationError(ValueError):
    """The pictures cannot be brought together; the message says why and what to do."""


@dataclass(frozen=True)
class Registration:
    """A homography and how well it holds.

    `matrix` (3, 3) float64 maps thermal pixels (x, y, 1) to RGB pixels, last entry 1. `residual`
    is the root mean square distance of the agreeing patches from where the matrix puts them,
    `before` that from where they lie without it, with the thermal image merely resized; both in
    RGB pixels. `agreeing` of `patches` patches agree.
    """

    matrix: np.ndarray
    residual: float
    before: float
    agreeing: int
    patches: int


def register(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> Registration:
    """The homography that all pairs share.

    `pairs` are (rgb, thermal): (H, W, 3) uint8 RGB and (h, w) uint8, each camera of one size.
    Several frames in which other things are to be seen tell more than one. Raises
    RegistrationError where there are no pairs, sizes change, or too few patches agree.
    """
    if not pairs:
        raise RegistrationError("there are no pairs of pictures to register")
    if len({(rgb.shape, thermal.shape) for rgb, thermal in pairs}) > 1:
        raise RegistrationError("the pictures change their size; register frames of one size")
    height, width = pairs[0][0].shape[:2]
    thermal_size = pairs[0][1].shape[1::-1]
    shrink = _WORK_WIDTH / width
    size = (_WORK_WIDTH, max(1, round(height * shrink)))
    visible = [_shrunk(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), size) for rgb, _ in pairs]
    thermal = [image for _, image in pairs]

    resized = np.diag([size[0] / thermal_size[0], size[1] / thermal_size[1], 1.0])
    matrix = _coarse(visible, thermal, resized)
    structures = [edge_directions(image) for image in visible]
    for radius, tolerance in _PASSES:
        places, shifts = _match_patches(structures, thermal, matrix, radius)
        if len(places) < _LEAST_PATCHES:
            raise RegistrationError(
                f"only {len(places)} patches of the pictures match, {_LEAST_PATCHES} are needed; "
                "take frames with more edges that both cameras see, and more of them"
            )
        sources = cv2.perspectiveTransform(places[:, None], np.linalg.inv(matrix))
        matrix, agreeing = cv2.findHomography(
            sources, places + shifts, cv2.RANSAC, tolerance, maxIters=5000
        )
        agreeing = agreeing.ravel().astype(bool)
        if agreeing.sum() < _LEAST_PATCHES:
            raise RegistrationError(
                f"only {agreeing.sum()} of {len(places)} patches agree on a homography, "
                f"{_LEAST_PATCHES} are needed; is the scene far away beside the cameras' distance?"
            )
    targets, sources = (places + shifts)[agreeing], sources[agreeing]
    to_full = np.diag([width / size[0], height / size[1], 1.0])
    full = to_full @ matrix
    return Registration(
        matrix=full / full[2, 2],
        residual=_rms(cv2.perspectiveTransform(sources, matrix)[:, 0] - targets) / shrink,
        before=_rms(cv2.perspectiveTransform(sources, resized)[:, 0] - targets) / shrink,
        agreeing=int(agreeing.sum()),
        patches=len(places),
    )


def edge_directions(image: np.ndarray) -> np.ndarray:
    """(H, W) grey -> (H, W, 2) float32: edges by the double of their angle, length 0..1.

    The double angle is the same for an edge from dark to bright and from bright to dark.
    """
    smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1.5)
    gx, gy = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    square = gx * gx + gy * gy
    # An edge counts by how much it stands out where it is, so that no single strong one decides.
    around = cv2.blur(square, (31, 31)) + float(square.mean()) * 0.1 + 1e-6
    weight = 1 / (square + around)
    return np.dstack([(gx * gx - gy * gy) * weight, 2 * gx * gy * weight])


def checkerboard(first: np.ndarray, second: np.ndarray, cells: int = 8) -> np.ndarray:
    """Two (H, W, 3) pictures in turn on a board: where they fit, edges go on across cells."""
    height, width = first.shape[:2]
    side = max(1, width // cells)
    rows, columns = np.arange(height) // side, np.arange(width) // side
    odd = (rows[:, None] + columns[None]) % 2 == 1
    return np.where(odd[..., None], second, first)


def _coarse(
    visible: Sequence[np.ndarray], thermal: Sequence[np.ndarray], resized: np.ndarray
) -> np.ndarray:
    """The best similarity transform, at the working size, by correlation over all shifts."""
    height, width = visible[0].shape
    factor = _SEARCH_WIDTH / width
    size = (_SEARCH_WIDTH, max(1, round(height * factor)))
    # Twice the size, so that shifts do not wrap around.
    canvas = (2 * size[1], 2 * size[0])
    # As complex numbers, whose product with the conjugate is largest for equal directions.
    structures = [_complex(edge_directions(_shrunk(image, size))) for image in visible]
    spectra = [np.fft.fft2(structure, canvas) for structure in structures]
    energy = np.fft.rfft2(sum(abs(structure) ** 2 for structure in structures), canvas)
    area = np.fft.rfft2(np.ones(size[::-1]), canvas)
    shrink = np.diag([factor, factor, 1.0])

    best, best_matrix = -np.inf, resized
    for scale, rotation in product(_SCALES, _ROTATIONS):
        turned = np.vstack(
            [cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), rotation, scale), [0, 0, 1]]
        )
        matrix = turned @ shrink @ resized
        inside = cv2.warpPerspective(np.ones_like(thermal[0], np.float32), matrix, size)
        within = cv2.erode(inside, np.ones((5, 5))) > 0.99  # no edge where the image ends
        common, own = np.zeros(canvas, spectra[0].dtype), 0.0
        for image, spectrum in zip(thermal, spectra, strict=True):
            structure = _complex(edge_directions(_warped(image, matrix, size))) * within
            own += float((abs(structure) ** 2).sum())
            common = common + spectrum * np.fft.fft2(structure, canvas).conj()
        mask = np.fft.rfft2(within.astype(np.float64), canvas).conj()
        score = np.fft.ifft2(common).real
        under = np.fft.irfft2(energy * mask, canvas).clip(1e-6)
        overlap = np.fft.irfft2(area * mask, canvas) / (size[0] * size[1])
        # Normalised correlation, times a penalty for fitting only a small part well.
        score = score / np.sqrt(under * max(own, 1e-6)) * np.sqrt(overlap.clip(0))
        score[overlap < _LEAST_OVERLAP] = -np.inf
        place = np.unravel_index(np.argmax(score), score.shape)
        if score[place] > best:
            dy, dx = (
                at - length if at >= length // 2 else at
                for at, length in zip(place, canvas, strict=True)
            )
            best = score[place]
            shift = np.array([[1, 0, dx], [0, 1, dy], [0, 0, 1]], np.float64)
            best_matrix = np.linalg.inv(shrink) @ shift @ matrix
    return best_matrix


def _match_patches(
    structures: Sequence[np.ndarray],
    thermal: Sequence[np.ndarray],
    matrix: np.ndarray,
    radius: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Centres (N, 2) of patches, where `matrix` puts them, and how far off they are (N, 2)."""
    height, width = structures[0].shape[:2]
    inside = cv2.warpPerspective(np.ones_like(thermal[0], np.float32), matrix, (width, height))
    within = cv2.erode(inside, np.ones((9, 9))) > 0.99
    warped = [
        edge_directions(_warped(image, matrix, (width, height))) * within[..., None]
        for image in thermal
    ]
    places, shifts = [], []
    for top in range(radius, height - _PATCH - radius + 1, _STRIDE):
        for left in range(radius, width - _PATCH - radius + 1, _STRIDE):
            if within[top : top + _PATCH, left : left + _PATCH].mean() < 0.8:
                continue
            shift = _best_shift(structures, warped, top, left, radius)
            if shift is not None:
                places.append((left + _PATCH / 2, top + _PATCH / 2))
                shifts.append(shift)
    return np.array(places, np.float64).reshape(-1, 2), np.array(shifts).reshape(-1, 2)


def _best_shift(
    structures: Sequence[np.ndarray],
    warped: Sequence[np.ndarray],
    top: int,
    left: int,
    radius: int,
) -> tuple[float, float] | None:
    """(x, y) by which a thermal patch fits best over all frames; None where nothing stands out."""
    score = np.zeros((2 * radius + 1, 2 * radius + 1), np.float32)
    energy = [0.0, 0.0]
    for visible, thermal in zip(structures, warped, strict=True):
        patch = thermal[top : top + _PATCH, left : left + _PATCH]
        around = visible[
            top - radius : top + _PATCH + radius, left - radius : left + _PATCH + radius
        ]
        score = score + cv2.matchTemplate(around, patch, cv2.TM_CCORR)
        energy[0] += float((patch**2).sum())
        energy[1] += float((around[radius:-radius, radius:-radius] ** 2).sum())
    y, x = np.unravel_index(np.argmax(score), score.shape)
    if not (0 < y < 2 * radius and 0 < x < 2 * radius):
        return None  # the true place may lie further out
    if score[y, x] < _LEAST_LIKENESS * np.sqrt(energy[0] * energy[1]):
        return None
    dx = _parabola_peak(*score[y, x - 1 : x + 2])
    dy = _parabola_peak(*score[y - 1 : y + 2, x])
    return x + dx - radius, y + dy - radius


def _complex(directions: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(directions).view(np.complex64)[..., 0]


def _parabola_peak(before: float, peak: float, after: float) -> float:
    curvature = before - 2 * peak + after
    return 0.0 if curvature == 0 else 0.5 * (before - after) / curvature


def _shrunk(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    shrinks = image.shape[1] > size[0]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def _warped(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.warpPerspective(
        image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _rms(distances: np.ndarray) -> float:
    return float(np.sqrt((distances**2).sum(axis=1).mean()))
