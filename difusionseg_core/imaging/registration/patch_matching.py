"""Match patches of a thermal image with an RGB image by the directions of their edges.

Thermal and RGB images share edges, not brightness. So edges are compared by direction: an edge from
dark to bright matches one from bright to dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np

_SEARCH_WIDTH = 160  # pixels of the RGB image in the first search
_SCALES = np.geomspace(0.5, 2.0, 25)  # of the thermal image, once it is as wide as the RGB one
_ROTATIONS = (-8.0, -4.0, 0.0, 4.0, 8.0)  # degrees
_LEAST_OVERLAP = 0.15  # of the RGB image's area

PATCH, _STRIDE = 72, 36  # pixels at the working size
_LEAST_LIKENESS = 0.1  # normalised correlation of a patch with its best match


@dataclass(frozen=True)
class PatchScores:
    """How well patches match at every shift, by frame.

    `places` (N, 2) are centres (x, y) in the RGB image at the working size; `scores`
    (N, F, 2r+1, 2r+1) are the correlations in each of F frames for shifts of -r to r pixels, and
    `energy` (N, F) the largest that they could be.
    """

    places: np.ndarray
    scores: np.ndarray
    energy: np.ndarray

    def shifts(self, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return the best shift (N, 2) of each patch, and (N,) whether it stands out.

        `weights` (F,) say how often each frame counts; None counts each once.
        """
        frames = self.scores.shape[1] if self.scores.ndim == 4 else 0
        weight = np.ones(frames) if weights is None else weights
        score = np.einsum("nfyx,f->nyx", self.scores, weight)
        reach = score.shape[1] // 2
        best = score.reshape(len(score), -1).argmax(axis=1)
        y, x = np.divmod(best, score.shape[2])
        rows = np.arange(len(score))
        inside = (
            (x > 0) & (x < 2 * reach) & (y > 0) & (y < 2 * reach)
        )  # else it may lie further out
        likely = score[rows, y, x] >= _LEAST_LIKENESS * (self.energy @ weight)
        x, y = x.clip(1, 2 * reach - 1), y.clip(1, 2 * reach - 1)
        dx = _parabola_peak(score[rows, y, x - 1], score[rows, y, x], score[rows, y, x + 1])
        dy = _parabola_peak(score[rows, y - 1, x], score[rows, y, x], score[rows, y + 1, x])
        return np.column_stack([x + dx - reach, y + dy - reach]), inside & likely


def edge_directions(image: np.ndarray) -> np.ndarray:
    """Map (H, W) grey to (H, W, 2) float32: edges by the double of their angle, length 0..1.

    The double angle is the same for an edge from dark to bright and from bright to dark.
    """
    smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1.5)
    gx, gy = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    square = gx * gx + gy * gy
    # An edge counts by how much it stands out from its surroundings, so that none dominates.
    around = cv2.blur(square, (31, 31)) + float(square.mean()) * 0.1 + 1e-6
    weight = 1 / (square + around)
    return np.dstack([(gx * gx - gy * gy) * weight, 2 * gx * gy * weight])


def coarse_match(
    visible: Sequence[np.ndarray], thermal: Sequence[np.ndarray], resized: np.ndarray
) -> np.ndarray:
    """Return the best similarity transform (3, 3) at the working size, over all shifts.

    `visible` are grey RGB images at the working size, `thermal` grey images, `resized` the matrix
    that only resizes the thermal image.
    """
    height, width = visible[0].shape
    factor = _SEARCH_WIDTH / width
    size = (_SEARCH_WIDTH, max(1, round(height * factor)))
    # Twice the size, so that shifts do not wrap around.
    canvas = (2 * size[1], 2 * size[0])
    # As complex numbers, whose product with the conjugate is largest for equal directions.
    structures = [_complex(edge_directions(shrink(image, size))) for image in visible]
    spectra = [np.fft.fft2(structure, canvas) for structure in structures]
    energy = np.fft.rfft2(sum(abs(structure) ** 2 for structure in structures), canvas)
    area = np.fft.rfft2(np.ones(size[::-1]), canvas)
    to_small = np.diag([factor, factor, 1.0])

    best, best_matrix = -np.inf, resized
    for scale, rotation in product(_SCALES, _ROTATIONS):
        turned = np.vstack(
            [cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), rotation, scale), [0, 0, 1]]
        )
        matrix = turned @ to_small @ resized
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
        # Normalised correlation, times a penalty for a good fit of a small part only.
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
            best_matrix = np.linalg.inv(to_small) @ shift @ matrix
    return best_matrix


def match_patches(
    structures: Sequence[np.ndarray],
    thermal: Sequence[np.ndarray],
    matrix: np.ndarray,
    radius: int,
) -> PatchScores:
    """Compare patches of the thermal images, moved by `matrix`, with their surroundings.

    `structures` are `edge_directions` of the RGB images at the working size; shifts of up to
    `radius` pixels are tried.
    """
    height, width = structures[0].shape[:2]
    inside = cv2.warpPerspective(np.ones_like(thermal[0], np.float32), matrix, (width, height))
    within = cv2.erode(inside, np.ones((9, 9))) > 0.99
    warped = [
        edge_directions(_warped(image, matrix, (width, height))) * within[..., None]
        for image in thermal
    ]
    places, scores, energies = [], [], []
    for top in range(radius, height - PATCH - radius + 1, _STRIDE):
        for left in range(radius, width - PATCH - radius + 1, _STRIDE):
            if within[top : top + PATCH, left : left + PATCH].mean() < 0.8:
                continue
            compared = [
                _scores(visible, moved, top, left, radius)
                for visible, moved in zip(structures, warped, strict=True)
            ]
            places.append((left + PATCH / 2, top + PATCH / 2))
            scores.append([score for score, _ in compared])
            energies.append([energy for _, energy in compared])
    reach = 2 * radius + 1
    return PatchScores(
        np.array(places, np.float64).reshape(-1, 2),
        np.array(scores, np.float32).reshape(len(places), len(thermal), reach, reach),
        np.array(energies, np.float64).reshape(len(places), len(thermal)),
    )


def shrink(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a grey image to (width, height)."""
    shrinks = image.shape[1] > size[0]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def _scores(
    visible: np.ndarray, thermal: np.ndarray, top: int, left: int, radius: int
) -> tuple[np.ndarray, float]:
    patch = thermal[top : top + PATCH, left : left + PATCH]
    around = visible[top - radius : top + PATCH + radius, left - radius : left + PATCH + radius]
    score = cv2.matchTemplate(around, patch, cv2.TM_CCORR)
    own, other = (patch**2).sum(), (around[radius:-radius, radius:-radius] ** 2).sum()
    return score, float(np.sqrt(own * other))


def _complex(directions: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(directions).view(np.complex64)[..., 0]


def _parabola_peak(before: np.ndarray, peak: np.ndarray, after: np.ndarray) -> np.ndarray:
    curvature = before - 2 * peak + after
    flat = curvature == 0
    return np.where(flat, 0.0, 0.5 * (before - after) / np.where(flat, 1.0, curvature))


def _warped(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.warpPerspective(
        image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
