"""The paper's fusion module: convolutions at full resolution draw the fused image."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from difusionseg_core.network.layers import conv_bn_relu, in_pieces, resize, winograd_pays
from difusionseg_core.network.upsampled_conv import SCALE, convolve_upsampled
from difusionseg_core.network.winograd import convolve_rows, transform_kernel

_STRIPE_ROWS = (
    96  # of the image, computed at once; more take more memory, fewer recompute more rows
)


Cross = Callable[[Tensor, Tensor, int], Tensor]
"""(low, high, first row) -> both branches joined: `FusionModule.cross` in one of two ways."""


class FusionModule(nn.Module):
    """The paper's fusion module: a semantic branch at stride 4 and a detail branch at full size.

    `features` (B, dim, H/4, W/4), `image` (B, 4, H, W) normalised -> (B, 3, H, W) in (0, 1), twice:
    the fused image, and what the decoder sees of it, which is all of it.
    """

    reduction = 1
    """Pixels of the fused image, in a row, for one of the image that the decoder sees."""

    def __init__(self, dim: int = 256) -> None:
        super().__init__()
        half = dim // 2
        # `groups=half` over `dim` inputs: two input channels a filter, so not a depthwise one.
        self.low1 = nn.Sequential(
            nn.Conv2d(dim, half, 3, padding=1, groups=half), *conv_bn_relu(half, half, 1)
        )
        self.dilated = nn.Sequential(*conv_bn_relu(half, half, dilation=2))
        self.low2 = nn.Sequential(*conv_bn_relu(half, half // 2))
        self.grouped = nn.Sequential(*conv_bn_relu(half // 2, half // 2, groups=2))
        self.low_join = nn.Sequential(*conv_bn_relu(half + half // 2, half, 1))
        self.high = nn.Sequential(*conv_bn_relu(4, half // 2), *conv_bn_relu(half // 2, half))
        self.cross = nn.Sequential(*conv_bn_relu(dim, dim), *conv_bn_relu(dim, half, 1))
        self.output = nn.Sequential(
            *conv_bn_relu(half, half // 2), nn.Conv2d(half // 2, 3, 3, padding=1), nn.Sigmoid()
        )
        self.color_gain = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(3, 16, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(16, 3, 1),
            nn.Sigmoid(),
        )

    def forward(self, features: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse an image (B, 4, H, W) with its features to RGB (B, 3, H, W) in 0..1."""
        low = self.low1(features)
        low = torch.cat([self.dilated(low), self.grouped(self.low2(low))], dim=1)
        low = self.low_join(low)
        cross: Cross
        if winograd_pays(low):
            cross = self._cross_small
        else:
            cross, low = self._cross_upsampled, resize(low, image.shape[-2:])
        fused = torch.cat([self._draw(cross, low, image, *rows) for rows in _stripes(image)], dim=2)
        fused = fused * self.color_gain(fused)
        return fused, fused

    def _draw(self, cross: Cross, low: Tensor, image: Tensor, top: int, bottom: int) -> Tensor:
        """Compute rows `top` to `bottom` of the image, from all rows that the convolutions read."""
        height = image.shape[2]
        # `cross` and `output` reach three rows further; four are whole rows of the small map.
        first, last = max(top - 4, 0), min(bottom + 4, height)
        high_first = max(first - 2, 0)
        high = self.high(image[:, :, high_first : last + 2])[:, :, first - high_first :]
        drawn = self.output(cross(low, high[:, :, : last - first], first))
        return drawn[:, :, top - first : bottom - first]

    def _cross_upsampled(self, low: Tensor, high: Tensor, first: int) -> Tensor:
        """Return `cross` of both branches, for the rows of `high`, which start at `first`."""
        return self.cross(torch.cat([low[:, :, first : first + high.shape[2]], high], dim=1))

    def _cross_small(self, low: Tensor, high: Tensor, first: int) -> Tensor:
        """Compute the same from `low` at stride 4, four rows at a time.

        Neither `low` upsampled nor the wide map between the two convolutions of `cross` is ever
        in memory as a whole.
        """
        conv, pointwise = self.cross[0], self.cross[1:]
        assert isinstance(conv, nn.Conv2d) and conv.bias is not None
        channels, height = high.shape[1:3]
        kernel = transform_kernel(conv.weight[:, -channels:])
        kernel_of_low = conv.weight[:, :-channels]
        low_rows = (first // SCALE, (first + height) // SCALE)
        crossed = torch.empty_like(high, memory_format=torch.channels_last)
        maps = (low.permute(0, 2, 3, 1), high.permute(0, 2, 3, 1), crossed.split(1))
        for small, detail, target in zip(*maps, strict=True):
            drawn = convolve_upsampled(small, kernel_of_low, conv.bias, *low_rows)
            tiles = convolve_rows(detail, kernel)
            for rows, more, place in zip(drawn, tiles, target.split(SCALE, dim=2), strict=True):
                rows.view(more.shape).add_(more)
                place.copy_(pointwise(rows.permute(2, 0, 1)[None]))
        return crossed


def _stripes(image: Tensor) -> list[tuple[int, int]]:
    """Return rows (first, last + 1) to draw at once."""
    height = image.shape[2]
    if not in_pieces():
        return [(0, height)]
    return [(top, min(top + _STRIPE_ROWS, height)) for top in range(0, height, _STRIPE_ROWS)]
