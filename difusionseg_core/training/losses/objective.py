"""The weighted losses of one batch, by name."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from difusionseg_core.network.denoising import diffusion
from difusionseg_core.network.heads.luma_fusion import denormalized, luminance
from difusionseg_core.network.heads.object_head import ObjectMaps
from difusionseg_core.network.model import DiFusionSeg, Encoded
from difusionseg_core.training.losses.fusion_objective import fusion_losses
from difusionseg_core.training.losses.terms import (
    cross_entropy,
    extent_loss,
    fusion_loss,
    heat_loss,
    lovasz_softmax,
    synergy_loss,
)

AUXILIARY_WEIGHT = 0.4
HEAT_WEIGHT = 0.15
EXTENT_WEIGHT = 0.4
# `lite` is compared with every n-th pixel of a row and column: finer than its logits, at stride 4,
# and than those of its auxiliary classifiers, at stride 16, but far cheaper than all pixels.
_FINE, _COARSE = 2, 4


def paper_losses(
    model: DiFusionSeg,
    image: Tensor,
    labels: Tensor,
    visible: Tensor,
    thermal: Tensor,
    time: Tensor,
    noise: Tensor,
) -> dict[str, Tensor]:
    """Return the paper's objective.

    `image` (B, 4, H, W) normalised, `labels` (B, H, W); `visible` (B, 3, H, W) RGB and `thermal`
    (B, 1, H, W), stretched to 0..1, are the targets of the fused image; `time` (B,) in 0..1
    and `noise` (B, dim, h, w) are the diffusion's.
    """
    encoded = model.encode(image)
    features = _denoised(model, encoded, labels, time, noise)
    logits = model.segment(features, encoded)
    return {
        "cross_entropy": cross_entropy(logits, labels),
        "auxiliary": AUXILIARY_WEIGHT * cross_entropy(model.auxiliary(encoded.features), labels),
        "fusion": fusion_loss(encoded.fused, visible, thermal),
        "synergy": synergy_loss(logits, encoded.fused, visible, thermal),
    }


def lite_losses(
    model: DiFusionSeg,
    image: Tensor,
    labels: Tensor,
    class_weight: Tensor,
    time: Tensor,
    noise: Tensor,
    lovasz: float = 0.0,
    objects: dict[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Return the objective of `lite`: the paper's, with weights of classes (K,).

    The losses of fusion use brightness alone, because its colours are the RGB image's own. They are
    those of `fusion_objective` instead of the paper's. The coarse classifier, whose classes the
    sampler feeds back, is trained beside the final one. `lovasz` is the weight of the
    Lovasz-Softmax loss of the final classifier, which is left out at 0. `objects` holds the
    batch's `ObjectTargets` by name, for a model with an object head.
    """
    encoded = model.encode(image)
    features = _denoised(model, encoded, labels, time, noise)

    def classes(logits: Tensor, every: int) -> Tensor:
        return cross_entropy(logits, labels[:, ::every, ::every], class_weight)

    logits = model.segment(features, encoded)
    losses = {
        "cross_entropy": classes(logits, _FINE),
        "coarse": AUXILIARY_WEIGHT * classes(model.classifier(features), _COARSE),
        "auxiliary": AUXILIARY_WEIGHT * classes(model.auxiliary(encoded.features), _COARSE),
        **_fusion_losses(encoded.fused, image),
    }
    if lovasz:
        losses["lovasz"] = lovasz * lovasz_softmax(logits, labels[:, ::_COARSE, ::_COARSE])
    maps = model.find_objects(encoded)
    if maps is not None and objects is not None:
        losses |= _object_losses(maps, objects)
    return losses


def _fusion_losses(fused: Tensor, image: Tensor) -> dict[str, Tensor]:
    # Half of the images, and their middles, are enough for these losses.
    half = slice(0, None, 2)
    fused, visible, thermal = (_middle(part[half]) for part in (fused, *denormalized(image)))
    return fusion_losses(luminance(fused), luminance(visible), thermal)


def _object_losses(maps: ObjectMaps, objects: dict[str, Tensor]) -> dict[str, Tensor]:
    heat = heat_loss(maps.heat, objects["heat"], objects["heat_weight"])
    extent = extent_loss(maps.extent, objects["extent"], objects["extent_weight"])
    return {"heat": HEAT_WEIGHT * heat, "extent": EXTENT_WEIGHT * extent}


def _middle(images: Tensor) -> Tensor:
    """Return the middle quarter of (B, C, H, W) images."""
    height, width = images.shape[-2:]
    return images[..., height // 4 : -(height // 4), width // 4 : -(width // 4)]


def _denoised(
    model: DiFusionSeg, encoded: Encoded, labels: Tensor, time: Tensor, noise: Tensor
) -> Tensor:
    size = encoded.guide.shape[-2:]
    small = F.interpolate(labels[:, None].float(), size=size)[:, 0].long()
    level = diffusion.log_snr(time)
    state = diffusion.add_noise(model.encode_classes(small), noise, level)
    return model.decode(encoded, state, level)


def draw_diffusion(
    model: DiFusionSeg, image: Tensor, feedback: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Return a random time (B,) below 0.999 and noise (B, dim, h, w) for a training batch.

    With the probability 1 - `feedback` the time of an image is 1 instead: noise alone.
    """
    time = torch.rand(len(image), device=image.device) * 0.999
    noise = torch.randn(model.noise_shape(image), device=image.device)
    if feedback < 1:
        time[torch.rand_like(time) >= feedback] = 1
    return time, noise
