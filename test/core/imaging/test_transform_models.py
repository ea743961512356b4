"""Choice of the transform: the simplest that predicts held-out points."""

from __future__ import annotations

import numpy as np
import pytest

from difusionseg_core.imaging.registration.transform_models import (
    MODELS,
    choose_model,
    distances,
    fit,
)

TRUE = {
    "identity": np.eye(3),
    "translation": np.array([[1, 0, 9], [0, 1, -6], [0, 0, 1]], float),
    "similarity": np.array([[1.1, -0.05, 9], [0.05, 1.1, -6], [0, 0, 1]], float),
    "affine": np.array([[1.1, 0.06, 9], [0.02, 0.95, -6], [0, 0, 1]], float),
    "homography": np.array([[1.1, 0.06, 9], [0.02, 0.95, -6], [3e-4, -2e-4, 1]], float),
}


def points(model: str, noise: float, outliers: float, seed: int = 0):
    rng = np.random.default_rng(seed)
    sources = rng.uniform((0, 0), (640, 480), (150, 2))
    ends = np.column_stack([sources, np.ones(len(sources))]) @ TRUE[model].T
    targets = ends[:, :2] / ends[:, 2:] + rng.normal(0, noise, sources.shape)
    wrong = rng.random(len(sources)) < outliers
    targets[wrong] += rng.uniform(-20, 20, (wrong.sum(), 2))
    return sources, targets


@pytest.mark.parametrize("model", MODELS)
def test_the_true_model_is_chosen_and_fitted(model) -> None:
    sources, targets = points(model, noise=0.5, outliers=0.2)
    assert choose_model(sources, targets, np.eye(3), 3.0) == model
    matrix = fit(model, sources, targets, np.eye(3), 3.0)
    clean, expected = points(model, noise=0.0, outliers=0.0, seed=1)
    assert distances(matrix, clean, expected).max() < 2.0


def test_noise_does_not_select_a_richer_model() -> None:
    for seed in range(5):
        sources, targets = points("translation", noise=2.0, outliers=0.3, seed=seed)
        assert choose_model(sources, targets, np.eye(3), 5.0) in ("identity", "translation")


@pytest.mark.parametrize("model", ["translation", "similarity", "affine", "homography"])
def test_a_scene_with_depth_is_averaged_instead_of_one_plane_chosen(model) -> None:
    """Half of the patches, in turn, lie 2 px right and half 2 px left of the true place."""
    sources, targets = points(model, noise=0.1, outliers=0.0)
    targets[::2, 0] += 2.0
    targets[1::2, 0] -= 2.0
    matrix = fit(model, sources, targets, np.eye(3), 3.0)
    clean, expected = points(model, noise=0.0, outliers=0.0, seed=1)
    assert distances(matrix, clean, expected).max() < 1.8


def test_too_few_points_fit_nothing() -> None:
    sources = np.array([[1.0, 2.0], [30.0, 40.0]])
    assert fit("homography", sources, sources, np.eye(3), 3.0) is None
    assert fit("identity", sources[:0], sources[:0], np.eye(3), 3.0) is None
