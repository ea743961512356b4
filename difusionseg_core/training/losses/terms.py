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
) -> Tensor:
    """Return the cross-entropy of logits resized to the labels, over the number of pixels.

    Ignored pixels (255) add nothing but count in the divisor, as in the paper's code. Weights of
    classes are (K,).
    """
    logits = resize(logits, labels.shape[-2:])
    each = F.cross_entropy(
        logits, labels, weight=class_weight, ignore_index=IGNORE, reduction="none"
    )
    return each.sum() / labels.numel()


def lovasz_softmax(logits: Tensor, labels: Tensor) -> Tensor:
    """Return 1 - mean IoU of the classes that occur, 0 to 1, in a form that has gradients.

    Lovasz-Softmax (Berman et al., CVPR 2018): exact if every probability is 0 or 1.
    `logits` (B, K, h, w) are resized to `labels` (B, H, W); pixels with 255 are left out; it
    is 0 if there are no others.
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
    """Return the distance of the fused image to the brighter source, and of their edges."""
    brightness = F.l1_loss(fused, torch.maximum(visible, thermal))
    edges = F.l1_loss(sobel(fused), torch.maximum(sobel(visible), sobel(thermal)))
    return brightness + edges


def synergy_loss(logits: Tensor, fused: Tensor, visible: Tensor, thermal: Tensor) -> Tensor:
    """Return the distance of objects to the thermal image, and of the rest to the visible one.

    Objects are all pixels of other classes than 0 in the logits. Trains decoder and fusion.
    """
    background = resize(logits, fused.shape[-2:]).softmax(1)[:, :1]
    objects = 1 - background
    return F.mse_loss(fused * objects, (thermal * objects).expand_as(fused)) + F.mse_loss(
        fused * background, visible * background
    )


def difference_correlation(fused: Tensor, visible: Tensor, thermal: Tensor) -> Tensor:
    """Return the sum of correlations of differences (Aslantas & Bendes, AEU 2015), (B,) in -2..2.

    The correlation of what the fused image adds to one source with the other source. All images
    have one channel. A flat image gives 0.
    """

    def correlation(x: Tensor, y: Tensor) -> Tensor:
        x, y = (value.flatten(1).float() for value in (x, y))
        x, y = x - x.mean(1, keepdim=True), y - y.mean(1, keepdim=True)
        return (x * y).sum(1) / (x.norm(dim=1) * y.norm(dim=1)).clamp_min(1e-3)

    return correlation(fused - thermal, visible) + correlation(fused - visible, thermal)


def sobel(image: Tensor) -> Tensor:
    """Return |horizontal| + |vertical| Sobel response of every channel, zeros outside."""
    gx, gy = sobel_parts(image)
    return gx.abs() + gy.abs()


def sobel_parts(image: Tensor) -> tuple[Tensor, Tensor]:
    """Return horizontal and vertical Sobel responses (B, C, H, W) float32, zeros outside."""
    # Sums of shifted images: for one channel several times faster than a convolution on a CPU.
    x = F.pad(image.float(), (1, 1, 1, 1))
    down = x[..., :-2, :] + 2 * x[..., 1:-1, :] + x[..., 2:, :]
    across = x[..., :-2] + 2 * x[..., 1:-1] + x[..., 2:]
    return down[..., 2:] - down[..., :-2], across[..., 2:, :] - across[..., :-2, :]


def heat_loss(heat: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Return the focal loss of centre heatmaps (Zhou et al., "Objects as points", 2019).

    `heat` logits, `truth` 0..1 with exactly 1 at centres, `weight` of places, all (B, C, h, w).
    """
    heat = heat.float()
    score = heat.sigmoid()
    centre = (truth == 1).float()
    found = centre * (1 - score) ** 2 * F.logsigmoid(heat)
    empty = weight * (1 - truth) ** 4 * score**2 * F.logsigmoid(-heat)
    return -(found * weight + empty * (1 - centre)).sum() / centre.sum().clamp_min(1)


def extent_loss(extent: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Return 1 - generalised IoU (Rezatofighi et al., CVPR 2019), weighted mean over cells.

    Extents (B, 4, h, w) are distances from a cell to left, top, right and bottom; `weight`
    (B, h, w). 0 if no cell has weight.
    """
    batch, row, column = weight.nonzero(as_tuple=True)
    weight = weight[batch, row, column]
    predicted, true = (x[batch, :, row, column].float().unbind(1) for x in (extent, truth))
    shared = [torch.minimum(a, b) for a, b in zip(predicted, true, strict=True)]
    around = [torch.maximum(a, b) for a, b in zip(predicted, true, strict=True)]

    def area(left: Tensor, top: Tensor, right: Tensor, bottom: Tensor) -> Tensor:
        return (left + right) * (top + bottom)

    intersection = area(*shared)
    union = area(*predicted) + area(*true) - intersection
    hull = area(*around)
    giou = intersection / union.clamp_min(1e-6) - (hull - union) / hull.clamp_min(1e-6)
    return (weight * (1 - giou)).sum() / weight.sum().clamp_min(1)
