"""Fusion modules: features and normalised images -> one image, (B, 3, H, W) RGB in 0..1.

`FusionModule` is the paper's: convolutions at full resolution compute all three channels.
`LumaFusion` is the small one: it fuses brightness only, and takes colour from the RGB image.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from difusionseg_core.network.layers import conv_bn_relu, in_pieces, resize, winograd_pays
from difusionseg_core.network.preprocessing import IMAGE_MEAN, IMAGE_STD
from difusionseg_core.network.upsampled_conv import SCALE, convolve_upsampled
from difusionseg_core.network.winograd import convolve_rows, transform_kernel

_LEAST_GAIN = -0.4  # of the RGB image in `LumaFusion`: nothing bright in it turns dark
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as OpenCV's grey

_STRIPE_ROWS = (
    96  # of the image, computed at once; more take more memory, fewer recompute more rows
)


Cross = Callable[[Tensor, Tensor, int], Tensor]
"""(low, high, first row) -> both branches joined: `FusionModule.cross` in one of two ways."""


class FusionModule(nn.Module):
    """The paper's fusion module: a semantic branch at stride 4 and a detail branch at full size.

    `features` (B, dim, H/4, W/4), `image` (B, 4, H, W) normalised -> (B, 3, H, W) in (0, 1).
    """

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

    def forward(self, features: Tensor, image: Tensor) -> Tensor:
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
        return fused * self.color_gain(fused)

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


class LumaFusion(nn.Module):
    """A light fusion module: fused brightness from both cameras, colour from the RGB one.

    Each pixel takes the brighter of both images, each with a gain of its own, plus a share of the
    darker one. A small network at stride 4 computes the two gains and the share. These maps are
    smooth, so that the edges of the cameras' images stay as they are; they start as the pixel-wise
    maximum. Inputs are the features, the pixels, the brightness of both images around a pixel and
    the thermal image's mean. Colour differences are the RGB image's own, reduced only if they would
    leave the range, so nothing is clipped.

    `features` (B, dim, h, w), `image` (B, 4, H, W) normalised, H and W multiples of 4 ->
    (B, 3, H, W).
    """

    def __init__(self, dim: int, hidden: int = 16) -> None:
        super().__init__()
        self.low = nn.Conv2d(dim, hidden, 1)
        self.high = nn.Sequential(*conv_bn_relu(2 * 4 * 4, hidden))
        self.join = nn.Sequential(*conv_bn_relu(hidden, hidden))
        self.maps = nn.Conv2d(hidden, 3, 3, padding=1)
        for parameter in self.maps.parameters():
            nn.init.zeros_(parameter)  # start as the pixel-wise maximum
        self.light = nn.Conv2d(3, hidden, 1, bias=False)

    def forward(self, features: Tensor, image: Tensor) -> Tensor:
        """Fuse an image (B, 4, H, W) with its features to RGB (B, 3, H, W) in 0..1."""
        rgb, thermal = denormalized(image)
        luma = luminance(rgb)
        both = torch.cat([luma, thermal], dim=1)
        # Blocks of 2x2 pixels are channels (B, 4, H/2, W/2), and share one value of the maps.
        half = F.pixel_unshuffle(both, 2)
        visible, warm = half.split(4, dim=1)
        detail = self.high(F.pixel_unshuffle(half, 2))
        low = self.low(features) + self.light(_brightness(both, features.shape[-2:]))
        detail = self.join(detail + resize(low, detail.shape[-2:]))
        gain, thermal_gain, share = _resize_maps(self.maps(detail), half.shape[-2:]).unbind(1)
        gain = gain.clamp_min(_LEAST_GAIN)
        brighter = torch.maximum(visible + gain * visible, warm + thermal_gain * warm)
        fused = (brighter + share * torch.minimum(visible, warm)).clamp(0, 1)
        fused_luma = F.pixel_shuffle(fused, 2)
        return fused_luma + (rgb - luma) * _chroma_gain(rgb - luma, fused_luma)


def _resize_maps(maps: Tensor, size: torch.Size) -> Tensor:
    """(B, C, h, w) -> (B, C, 1, H, W).

    Each map is resized as an image of its own: OpenVINO would pad them to 16 channels.
    """
    batch, channels, *small = maps.shape
    resized = resize(maps.reshape(batch * channels, 1, *small), size)
    return resized.view(batch, channels, 1, *size)


def _brightness(both: Tensor, size: torch.Size) -> Tensor:
    """Map luma and thermal (B, 2, H, W) to (B, 3, h, w), -1..3: both reduced, thermal mean."""
    # The middle pixels of each 4x4; before a pooling OpenVINO would reorder the whole image.
    small = F.interpolate(both, scale_factor=0.25, mode="bilinear")
    mean = small[:, 1:].mean((2, 3), keepdim=True)
    small = resize(small, size)
    return 4 * torch.cat([small, mean.expand_as(small[:, 1:])], dim=1) - 1


def denormalized(image: Tensor) -> tuple[Tensor, Tensor]:
    """Undo the normalisation of (B, 4, H, W): RGB (B, 3, H, W), thermal (B, 1, H, W), in 0..1."""
    mean, std = (image.new_tensor(values).view(4, 1, 1) / 255 for values in (IMAGE_MEAN, IMAGE_STD))
    restored = (image * std + mean).clamp(0, 1)
    return restored[:, :3], restored[:, 3:]


def luminance(rgb: Tensor) -> Tensor:
    """Return brightness (B, 1, H, W) of (B, 3, H, W)."""
    red, green, blue = rgb.split(1, dim=1)  # sums over so few channels are slow
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def _chroma_gain(chroma: Tensor, luma: Tensor) -> Tensor:
    """Return the largest factor up to 1 that keeps `luma + factor * chroma` within 0..1."""
    tiny = 1e-4
    red, green, blue = chroma.split(1, dim=1)
    highest = torch.maximum(torch.maximum(red, green), blue).clamp_min(tiny)
    lowest = torch.minimum(torch.minimum(red, green), blue).clamp_max(-tiny)
    return torch.minimum((1 - luma) / highest, -luma / lowest).clamp_max(1)
