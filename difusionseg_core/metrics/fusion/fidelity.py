"""Visual information of the sources that a fused image keeps."""

from __future__ import annotations

import numpy as np

from difusionseg_core.metrics.fusion.windows import gaussian_filter, local_moments

WINDOWS = (17, 9, 5, 3)
"""Side in pixels of the Gaussian window at each scale, finest first; its sigma is a fifth."""
NOISE = 2.0
"""Variance, in squared grey levels of 0..255, of the noise in the model of the eye."""
FLAT = 1e-6
"""Variance below which a window is flat: far below one grey level, far above rounding."""


def visual_information_fidelity(
    visible: np.ndarray, thermal: np.ndarray, fused: np.ndarray
) -> float:
    """VIF: the share of a source's visual information in the fused image, summed over both.

    The information that a noisy observer gets from local contrast, modelled as Gaussian in each
    window of four scales; the fused image is the source with a local gain plus noise.

    Unit and range: none, 0 to about 2 (fused equals both sources), more if the fused image
    has more contrast than its sources; higher is better. A source without any contrast adds 0.
    Source: Sheikh, Bovik, "Image information and visual quality", IEEE Trans. Image Processing
    15(2), 2006, in the authors' pixel-domain form (VIFp).
    Convention: VIFp of each source as reference, summed, as fusion papers print it; VIFF (Han et
    al., Information Fusion 14(2), 2013) is another metric. In images below 41 pixels a side, only
    those scales count at which a window fits.
    """
    fused = fused.astype(np.float64)
    return sum(_share_kept(source.astype(np.float64), fused) for source in (visible, thermal))


def _share_kept(source: np.ndarray, fused: np.ndarray) -> float:
    kept = total = 0.0
    for scale, size in enumerate(WINDOWS):
        if scale > 0:
            source = gaussian_filter(source, size, size / 5)[::2, ::2]
            fused = gaussian_filter(fused, size, size / 5)[::2, ::2]
        if min(source.shape) < size:
            break
        _, _, variance, variance_fused, covariance = local_moments(source, fused, size, size / 5)
        variance[variance < FLAT] = 0
        gain = np.divide(covariance, variance, out=np.zeros_like(variance), where=variance > 0)
        gain = np.maximum(gain, 0)  # an inverted source counts as lost
        added = np.maximum(variance_fused - gain * covariance, 0)
        kept += float(np.sum(np.log2(1 + gain**2 * variance / (added + NOISE))))
        total += float(np.sum(np.log2(1 + variance / NOISE)))
    return kept / total if total else 0.0
