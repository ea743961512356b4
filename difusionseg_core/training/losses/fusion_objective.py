"""Losses of the fused image of `lite`: edges, local contrast, and what each camera adds.

Images have one channel, (B, 1, H, W) in 0..1. All results are means over the batch. The formulas
are those of `metrics`, in a differentiable form.
"""

from __future__ import annotations

import math

import cv2
import torch
import torch.nn.functional as F
from torch import Tensor

from difusionseg_core.metrics.fusion.edges import ORIENTATION, STRENGTH
from difusionseg_core.metrics.fusion.fidelity import NOISE, WINDOWS
from difusionseg_core.training.losses.terms import difference_correlation, sobel_parts

EDGE_WEIGHT = 1.5
FIDELITY_WEIGHT = 0.2
CORRELATION_WEIGHT = 0.2
BRIGHTNESS_WEIGHT = 1.0
_ENOUGH = 1.6  # sum of correlations of differences; more would weaken edges
_BAND = 0.02, 0.03  # brighter and darker than the RGB image: no loss within
_NIGHT = 0.25  # mean brightness up to which a dark RGB image may be brightened
_LEAST_INFORMATION = 0.5  # bits for each place of the coarsest scale
_MISSING = 0.01  # mean brightness of an image from no camera


def fusion_losses(fused: Tensor, visible: Tensor, thermal: Tensor) -> dict[str, Tensor]:
    """Return the terms by name, with their weights already in."""
    correlation = difference_correlation(fused, visible, thermal)
    return {
        "edges": EDGE_WEIGHT * (1 - edge_preservation(fused, visible, thermal)),
        "fidelity": FIDELITY_WEIGHT * (2 - information_fidelity(fused, visible, thermal)),
        "correlation": CORRELATION_WEIGHT * (_ENOUGH - correlation).clamp_min(0).mean(),
        "brightness": BRIGHTNESS_WEIGHT * brightness_error(fused, visible),
    }


def brightness_error(fused: Tensor, visible: Tensor) -> Tensor:
    """Return the distance of the mean brightness from a narrow band around the RGB image's.

    A bright thermal image would turn the fused one white. At night, when the RGB image shows
    little, it may become as bright as a dim day; without an RGB image there is no band.
    """
    brighter, darker = _BAND
    mean, wanted = fused.mean((1, 2, 3)), visible.mean((1, 2, 3))
    above = mean - (wanted + brighter).clamp_min(_NIGHT)
    error = above.clamp_min(0) + (wanted - darker - mean).clamp_min(0)
    return (error * (wanted > _MISSING)).mean()


def edge_preservation(fused: Tensor, visible: Tensor, thermal: Tensor) -> Tensor:
    """Return Qabf (Xydeas and Petrovic, 2000) as `metrics.fusion.edges` defines it: 0 to 0.975."""
    fused_strength, fused_angle = _edges(fused)
    kept = weight = fused_strength.new_zeros(len(fused))
    for source in (visible, thermal):
        strength, angle = _edges(source)
        ratio = torch.minimum(strength, fused_strength) / torch.maximum(strength, fused_strength)
        agreement = 1 - (angle - fused_angle).abs() / (math.pi / 2)
        quality = _sigmoid(ratio, *STRENGTH) * _sigmoid(agreement, *ORIENTATION)
        kept = kept + (quality * strength).sum((1, 2, 3))
        weight = weight + strength.sum((1, 2, 3))
    return (kept / weight).mean()


def information_fidelity(fused: Tensor, visible: Tensor, thermal: Tensor) -> Tensor:
    """Return VIF (Sheikh and Bovik, 2006), summed over both sources: 0 to about 2.

    As `metrics.fusion.fidelity` defines it, but without the finest of its scales, which costs as
    much as all others.
    """
    images = torch.cat([fused, visible, thermal], dim=1).float() * 255
    kept = total = images.new_zeros(len(images), 2)
    for size in WINDOWS[1:]:
        if min(images.shape[-2:]) < 3 * size:
            break  # no window fits after halving
        images = _gaussian(images, size, stride=2)
        first, sources = images[:, :1], images[:, 1:]
        products = torch.cat([images, images * images, first * sources], dim=1)
        means, squares, crossed = _gaussian(products, size).split([3, 3, 2], dim=1)
        variances = squares - means * means
        variance_fused = variances[:, :1].clamp_min(0)
        variance = variances[:, 1:].clamp_min(1e-3)
        covariance = crossed - means[:, :1] * means[:, 1:]
        gain = (covariance / variance).clamp_min(0)
        added = (variance_fused - gain * covariance).clamp_min(0)
        kept = kept + torch.log2(1 + gain * gain * variance / (added + NOISE)).sum((2, 3))
        total = total + torch.log2(1 + variance / NOISE).sum((2, 3))
    # A source without contrast, such as a missing camera, has no information; its share is noise.
    informative = total > _LEAST_INFORMATION * images.shape[-2] * images.shape[-1]
    return torch.where(informative, kept / total.clamp_min(1e-6), 0).sum(1).mean()


def _edges(image: Tensor) -> tuple[Tensor, Tensor]:
    """Return strength and orientation of edges; a tiny minimum keeps gradients finite."""
    gx, gy = sobel_parts(255 * image)
    strength = (gx * gx + gy * gy + 1e-2).sqrt()
    return strength, torch.atan(gy / torch.where(gx.abs() < 1e-3, torch.full_like(gx, 1e-3), gx))


def _sigmoid(value: Tensor, gain: float, slope: float, centre: float) -> Tensor:
    return gain * (-slope * (value - centre)).sigmoid()


def _gaussian(images: Tensor, size: int, stride: int = 1) -> Tensor:
    """Return Gaussian means of (B, C, H, W) at every `stride`-th place.

    Only for windows of `size` pixels that lie inside the image.
    """
    kernel = torch.from_numpy(cv2.getGaussianKernel(size, size / 5)).to(images)
    channels = images.shape[1]
    for shape, step in (((1, 1, size, 1), (stride, 1)), ((1, 1, 1, size), (1, stride))):
        weight = kernel.view(shape).expand(channels, *shape[1:])
        images = F.conv2d(images, weight, stride=step, groups=channels)
    return images
