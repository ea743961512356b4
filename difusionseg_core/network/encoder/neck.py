"""Neck: a feature pyramid (Lin et al., CVPR 2017) whose levels are merged into one map."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from difusionseg_core.network.layers import conv_norm, resize, separable_conv


class MergedPyramid(nn.Module):
    """Four feature maps -> (merged, finest).

    `merged` is (B, dim, h, w) at the size of level `merge_level` (0: stride 4, 1: stride 8),
    `finest` the pyramid's own level at stride 4. `groups` is the number of group-norm groups;
    None takes batch norms, which a compiler folds away, and separable output convolutions.
    """

    def __init__(
        self, widths: tuple[int, ...], dim: int, groups: int | None = 32, merge_level: int = 0
    ) -> None:
        super().__init__()
        self.merge_level = merge_level
        self.stride = 4 * 2**merge_level
        self.laterals = nn.ModuleList(conv_norm(width, dim, 1, groups) for width in widths)
        self.outputs = nn.ModuleList(
            conv_norm(dim, dim, 3, groups) if groups else separable_conv(dim, dim) for _ in widths
        )
        self.merge = conv_norm(len(widths) * dim, dim, 1, groups)

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Merge feature maps, finest first, into two; see the class."""
        levels = [lateral(x) for lateral, x in zip(self.laterals, features, strict=True)]
        for index in range(len(levels) - 1, 0, -1):
            finer = levels[index - 1]
            levels[index - 1] = finer + F.interpolate(levels[index], size=finer.shape[-2:])
        levels = [output(x) for output, x in zip(self.outputs, levels, strict=True)]
        return self._merge(levels), levels[0]

    def _merge(self, levels: list[Tensor]) -> Tensor:
        # A 1x1 convolution of resized, concatenated maps equals the sum of the resized results of
        # its slices: the same values, computed at each level's own, smaller size.
        conv, norm = self.merge[0], self.merge[1]
        assert isinstance(conv, nn.Conv2d)
        slices = conv.weight.chunk(len(levels), dim=1)
        size = levels[self.merge_level].shape[-2:]
        mixed = [
            F.conv2d(resize(x, size), weight)
            if x.shape[-1] > size[-1]
            else resize(F.conv2d(x, weight), size)
            for x, weight in zip(levels, slices, strict=True)
        ]
        merged = sum(mixed)
        return norm(merged if conv.bias is None else merged + conv.bias.view(-1, 1, 1))
