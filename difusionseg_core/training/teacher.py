"""A trained network as a teacher: what it makes of a pair seen at several sizes, and mirrored."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from difusionseg_core.imaging.thermal import to_uint8
from difusionseg_core.network.layers import resize
from difusionseg_core.network.model import DiFusionSeg
from difusionseg_core.network.preprocessing import SIZE_MULTIPLE, normalize

_SCALES = (0.8, 1.0, 1.25)


@torch.inference_mode()
def class_probabilities(model: DiFusionSeg, rgb: np.ndarray, thermal: np.ndarray) -> np.ndarray:
    """(K, H, W) float32 in 0..1, the mean over all views of (H, W, 3) uint8 RGB and (H, W) uint8
    or uint16 thermal. The model is to be in evaluation mode.
    """
    height, width = thermal.shape
    image = torch.from_numpy(normalize(rgb, to_uint8(thermal)))[None]
    size = image.shape[-2:]
    views = []
    for scale in _SCALES:
        view_size = [max(round(side * scale / SIZE_MULTIPLE), 1) * SIZE_MULTIPLE for side in size]
        view = resize(image, view_size)
        mirrored = _probabilities(model, view.flip(3)).flip(3)
        views += [resize(_probabilities(model, view), size), resize(mirrored, size)]
    return torch.cat(views).mean(0)[:, :height, :width].numpy()


def _probabilities(model: DiFusionSeg, image: Tensor) -> Tensor:
    noise = torch.randn(model.noise_shape(image), generator=torch.Generator().manual_seed(0))
    return model(image, noise).logits.softmax(1)
