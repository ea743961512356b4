"""Edge preservation of a fused image."""

from __future__ import annotations

import cv2
import numpy as np

# Xydeas and Petrovic's sigmoids, gain / (1 + exp(slope * (value - centre))).
STRENGTH = (0.9994, -15.0, 0.5)
"""Gain, slope and centre for the ratio of edge strengths."""
ORIENTATION = (0.9879, -22.0, 0.8)
"""Gain, slope and centre for the agreement of edge orientations."""


def edge_preservation(visible: np.ndarray, thermal: np.ndarray, fused: np.ndarray) -> float:
    """Qabf: how well strength and orientation of the sources' Sobel edges are preserved.

    The mean over pixels and sources, with the source's edge strength as weight.

    Unit and range: none, 0 to 0.975 (the sigmoids' maximum: fused equals both sources); higher is
    better. 0 if no source has an edge (both black).
    Source: Xydeas, Petrovic, "Objective image fusion performance measure", Electronics Letters
    36(4), 2000; its constants.
    Convention: weights are strengths to the power 1. Orientations are
    arctan(gy / gx), which do not wrap around, and pixels beyond the border are 0, so an image's
    frame is an edge to be kept: both as in the tools whose figures papers print.
    """
    fused_strength, fused_angle = _sobel(fused)
    kept = weight = 0.0
    for source in (visible, thermal):
        strength, angle = _sobel(source)
        stronger = np.maximum(strength, fused_strength)
        ratio = np.minimum(strength, fused_strength) / np.where(stronger > 0, stronger, 1)
        agreement = 1 - np.abs(angle - fused_angle) / (np.pi / 2)
        quality = _sigmoid(ratio, *STRENGTH) * _sigmoid(agreement, *ORIENTATION)
        kept += float(np.sum(quality * strength))
        weight += float(np.sum(strength))
    return kept / weight if weight else 0.0


def _sobel(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return edge strength and orientation (-pi/2, pi/2] of `image`, (H, W) float64 each."""
    image = image.astype(np.float64)
    gx = cv2.Sobel(image, cv2.CV_64F, 1, 0, borderType=cv2.BORDER_CONSTANT)
    gy = cv2.Sobel(image, cv2.CV_64F, 0, 1, borderType=cv2.BORDER_CONSTANT)
    upright = gx == 0
    angle = np.where(upright, np.pi / 2, np.arctan(gy / np.where(upright, 1, gx)))
    return np.hypot(gx, gy), angle


def _sigmoid(value: np.ndarray, gain: float, slope: float, centre: float) -> np.ndarray:
    return gain / (1 + np.exp(slope * (value - centre)))
