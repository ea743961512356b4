"""Training losses. Images are (B, 3 or 1, H, W) in 0..1, logits (B, K, h, w), labels (B, H, W)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from difusionseg_core.classes import IGNORE
from difusionseg_core.network.layers import resize


def cross_entropy(
    logits: Tensor,
    labels: Tensor,
    class_weight: Tensor | None = None,
    pixel_weight: Tensor | None = None,
) -> Tensor:
    """Cross-entropy of logits resized to the labels, summed and divided by the number of pixels.

    Ignored pixels (255) add nothing but count in the divisor, as in the paper's code. Weights are
    (K,) and (B, H, W).
    """
    logits = resize(logits, labels.shape[-2:])
    each = F.cross_entropy(
        logits, labels, weight=class_weight, ignore_index=IGNORE, reduction="none"
    )
    if pixel_weight is not None:
        each = each * pixel_weight
    return each.sum() / labels.numel()


def lovasz_softmax(logits: Tensor, labels: Tensor) -> Tensor:
    """1 - mean IoU of the classes that occur, 0 to 1, in a form that has gradients.

    Lovasz-Softmax (Berman et al., CVPR 2018): where every probability is 0 or 1 it is exactly that.
    `logits` (B, K, h, w) are resized to `labels` (B, H, W); pixels with 255 are left out, and
    without any other it is 0.
    """
    logits = resize(logits, labels.shape[-2:]).float()
    known = labels != IGNORE
    probabilities = logits.movedim(1, -1)[known].softmax(1)  # (N, K)
    labels = labels[known]
    losses = []
    for label in labels.unique():
        is_class = (labels == label).float()
        errors, order = (is_class - probabilities[:, label]).abs().sort(descending=True)
        is_class = is_class[order]
        # IoU if the first n pixels of that order were wrong, for each n.
        total = is_class.sum()
        intersection = total - is_class.cumsum(0)
        union = total + (1 - is_class).cumsum(0)
        jaccard = 1 - intersection / union
        losses.append(errors @ jaccard.diff(prepend=jaccard.new_zeros(1)))
    return torch.stack(losses).mean() if losses else probabilities.sum()


def fusion_loss(fused: Tensor, visible: Tensor, thermal: Tensor) -> Tensor:
    """Distance of the fused image to the brighter of both, and of its edges to the stronger of
    both.
    """
    brightness = F.l1_loss(fused, torch.maximum(visible, thermal))
    edges = F.l1_loss(sobel(fused), torch.maximum(sobel(visible), sobel(thermal)))
    return brightness + edges


def synergy_loss(logits: Tensor, fused: Tensor, visible: Tensor, thermal: Tensor) -> Tensor:
    """Objects in the fused image should look as in the thermal one, the rest as in the visible.

    Objects are whatever the logits call another class than 0. Trains decoder and fusion alike.
    """
    background = resize(logits, fused.shape[-2:]).softmax(1)[:, :1]
    objects = 1 - background
    return F.mse_loss(fused * objects, (thermal * objects).expand_as(fused)) + F.mse_loss(
        fused * background, visible * background
    )


def difference_correlation(fused: Tensor, visible: Tensor, thermal: Tensor) -> Tensor:
    """Sum of correlations of differences (Aslantas & Bendes, AEU 2015), mean over the batch: -2..2.

    How well what the fused image adds to one source correlates with the other source. All images
    have one channel. A flat image correlates with nothing: 0.
    """

    def correlation(x: Tensor, y: Tensor) -> Tensor:
        x, y = (value.flatten(1).float() for value in (x, y))
        x, y = x - x.mean(1, keepdim=True), y - y.mean(1, keepdim=True)
        return (x * y).sum(1) / (x.norm(dim=1) * y.norm(dim=1)).clamp_min(1e-3)

    return (correlation(fused - thermal, visible) + correlation(fused - visible, thermal)).mean()


def sobel(image: Tensor) -> Tensor:
    """|horizontal| + |vertical| Sobel response of every channel, zeros outside the image."""
    channels = image.shape[1]
    kernel = image.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]).expand(channels, 1, 3, 3)
    with torch.autocast(image.device.type, enabled=False):  # edges are too fine for half precision
        gx, gy = (
            F.conv2d(image.float(), weight.float(), padding=1, groups=channels)
            for weight in (kernel, kernel.transpose(-1, -2))
        )
    return gx.abs() + gy.abs()
