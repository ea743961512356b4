"""ConvNeXt backbone (Liu et al., CVPR 2022) with four input channels, as DiFusionSeg uses it."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from difusionseg_core.network.layers import ChannelLayerNorm

TINY_DEPTHS = (3, 3, 9, 3)
TINY_WIDTHS = (96, 192, 384, 768)


class DropPath(nn.Module):
    """Drops the whole residual branch of a sample with probability `rate` while training."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Return `x`, or zeros for the samples of a batch (B, C, H, W) that are dropped."""
        if not self.training or self.rate == 0.0:
            return x
        keep = 1.0 - self.rate
        mask = x.new_empty((x.shape[0], 1, 1, 1)).bernoulli_(keep)
        return x * (mask / keep)


class ConvNeXtBlock(nn.Module):
    """Depthwise 7x7, norm, two pointwise layers with a GELU between, layer scale, residual."""

    def __init__(self, width: int, drop_path: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = ChannelLayerNorm(width, eps=1e-6)
        self.expand = nn.Conv2d(width, 4 * width, 1)
        self.project = nn.Conv2d(4 * width, width, 1)
        self.gamma = nn.Parameter(torch.ones(width))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        y = self.norm(self.depthwise(x))
        y = self.project(F.gelu(self.expand(y)))
        return x + self.drop_path(y * self.gamma.view(-1, 1, 1))


class ConvNeXt(nn.Module):
    """(B, 4, H, W) -> four normalised feature maps at strides 4, 8, 16 and 32.

    As in the published model, the norms before the strided convolutions have PyTorch's eps of
    1e-5, and all others 1e-6.
    """

    def __init__(
        self,
        depths: tuple[int, ...] = TINY_DEPTHS,
        widths: tuple[int, ...] = TINY_WIDTHS,
        in_channels: int = 4,
        drop_path: float = 0.4,
    ) -> None:
        super().__init__()
        self.widths = widths
        stem = nn.Sequential(
            nn.Conv2d(in_channels, widths[0], 4, stride=4), ChannelLayerNorm(widths[0], eps=1e-6)
        )
        self.downsample = nn.ModuleList([stem])
        for narrow, wide in pairwise(widths):
            self.downsample.append(
                nn.Sequential(
                    ChannelLayerNorm(narrow, eps=1e-5), nn.Conv2d(narrow, wide, 2, stride=2)
                )
            )
        rates = iter(torch.linspace(0, drop_path, sum(depths)).tolist())
        self.stages = nn.ModuleList(
            nn.Sequential(*(ConvNeXtBlock(width, next(rates)) for _ in range(depth)))
            for depth, width in zip(depths, widths, strict=True)
        )
        self.norms = nn.ModuleList(ChannelLayerNorm(width, eps=1e-6) for width in widths)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map an image (B, 4, H, W) to four feature maps at strides 4, 8, 16 and 32."""
        features = []
        x = image
        for downsample, stage, norm in zip(self.downsample, self.stages, self.norms, strict=True):
            x = stage(downsample(x))
            features.append(norm(x))
        return features
