"""Scores of a fused image against its two source images."""

from __future__ import annotations

import cv2
import numpy as np

from difusionseg_core.metrics.fusion.contrast import (
    average_gradient,
    spatial_frequency,
    standard_deviation,
)
from difusionseg_core.metrics.fusion.correlation import (
    correlation_coefficient,
    sum_of_correlations_of_differences,
)
from difusionseg_core.metrics.fusion.edges import edge_preservation
from difusionseg_core.metrics.fusion.error import mean_squared_error, peak_signal_to_noise_ratio
from difusionseg_core.metrics.fusion.fidelity import visual_information_fidelity
from difusionseg_core.metrics.fusion.information import entropy, mutual_information
from difusionseg_core.metrics.fusion.structure import (
    multi_scale_structural_similarity,
    structural_similarity,
)

SMALLEST_SIDE = 17
"""Pixels: the window of VIF's finest scale."""


def fusion_metrics(visible: np.ndarray, thermal: np.ndarray, fused: np.ndarray) -> dict[str, float]:
    """Return all fusion metrics of one image by their names in papers.

    `visible` and `fused` are (H, W, 3) uint8 RGB or (H, W) uint8 grey, `thermal` is (H, W) uint8.
    Colour is converted to grey first, Y of ITU-R BT.601 rounded to whole levels (OpenCV's
    RGB2GRAY): the metrics see brightness only.

    EN, SD, SF and AG use the fused image alone; CC, SSIM, MS_SSIM and MSE are means over the
    two sources, PSNR that of the mean MSE; MI, SCD and VIF are sums over them; Qabf weighs them by
    their edges. All but MSE are better when higher. Every value is finite except PSNR, which is
    infinite if all three images are equal.

    Raises ValueError if an image is of another type or shape, the sizes differ, or a side is
    below 17 pixels.
    """
    _require_images(visible, thermal, fused)
    visible, fused = _grey(visible), _grey(fused)
    sources = visible, thermal
    return {
        "EN": entropy(fused),
        "SD": standard_deviation(fused),
        "SF": spatial_frequency(fused),
        "AG": average_gradient(fused),
        "MI": mutual_information(*sources, fused),
        "SCD": sum_of_correlations_of_differences(*sources, fused),
        "CC": correlation_coefficient(*sources, fused),
        "VIF": visual_information_fidelity(*sources, fused),
        "Qabf": edge_preservation(*sources, fused),
        "SSIM": structural_similarity(*sources, fused),
        "MS_SSIM": multi_scale_structural_similarity(*sources, fused),
        "PSNR": peak_signal_to_noise_ratio(*sources, fused),
        "MSE": mean_squared_error(*sources, fused),
    }


def _require_images(visible: np.ndarray, thermal: np.ndarray, fused: np.ndarray) -> None:
    """Raise ValueError unless the images are valid for `fusion_metrics`."""
    images = {"visible": visible, "thermal": thermal, "fused": fused}
    for name, image in images.items():
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
            kind = getattr(image, "dtype", type(image).__name__)
            raise ValueError(f"the {name} image must be a uint8 array, not {kind}")
        if image.ndim != 2 and (name == "thermal" or image.ndim != 3 or image.shape[2] != 3):
            shapes = "(H, W)" if name == "thermal" else "(H, W) or (H, W, 3)"
            raise ValueError(f"the {name} image must be {shapes}, not {image.shape}")
    if len({image.shape[:2] for image in images.values()}) > 1:
        sizes = ", ".join(f"{name} {image.shape[:2]}" for name, image in images.items())
        raise ValueError(f"the images must be of one size (H, W), not {sizes}")
    if min(fused.shape[:2]) < SMALLEST_SIDE:
        raise ValueError(
            f"images of {fused.shape[:2]} are too small for fusion metrics, which need at least "
            f"{SMALLEST_SIDE} pixels a side"
        )


def _grey(image: np.ndarray) -> np.ndarray:
    """Return `image` as (H, W) uint8."""
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
