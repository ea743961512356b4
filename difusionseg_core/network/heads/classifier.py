"""From decoder features to class logits."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


def pointwise_classifier(dim: int, num_classes: int) -> nn.Module:
    """Return the published head: one 1x1 convolution."""
    conv = nn.Conv2d(dim, num_classes, 1)
    nn.init.xavier_uniform_(conv.weight)
    return conv


def scaled_classifier(dim: int, num_classes: int) -> nn.Module:
    """Return the head that the authors use for the data set MFD: each channel scaled first."""
    scale = nn.Conv2d(dim, dim, 1, groups=dim)
    nn.init.xavier_uniform_(scale.weight)
    layers = OrderedDict(depthwise=scale, pointwise=pointwise_classifier(dim, num_classes))
    return nn.Sequential(layers)
