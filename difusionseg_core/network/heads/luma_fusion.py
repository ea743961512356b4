"""The fusion module of `lite`: fused brightness from both cameras, colour from the RGB one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from difusionseg_core.network.layers import conv_bn_relu, double_in_phases, halve, resize
from difusionseg_core.network.preprocessing import IMAGE_MEAN, IMAGE_STD

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as OpenCV's grey
_LEAST_GAIN = -0.4  # of the RGB image: nothing bright in it turns dark
_BLOCK = 4  # pixels of a block in a row; blocks are channels, so that all maps are at stride 4


class LumaFusion(nn.Module):
    """A light fusion module.

    Each pixel takes the brighter of both images, each with a gain of its own, plus a share of the
    darker one. A small network at stride 4 computes the two gains and the share. These maps are
    smooth, so that the edges of the cameras' images stay as they are; they start as the pixel-wise
    maximum. Inputs are the features, the pixels, the brightness of both images around a pixel and
    the thermal image's mean. Colour differences are the RGB image's own, reduced only if they would
    leave the range, so nothing is clipped.

    `features` (B, dim, h, w), `image` (B, 4, H, W) normalised, H and W multiples of 4 -> the fused
    image (B, 3, H, W), and the same at a quarter of the size, which the decoder sees.
    """

    reduction = _BLOCK
    """Pixels of the fused image, in a row, for one of the image that the decoder sees."""

    def __init__(self, dim: int, hidden: int = 16) -> None:
        super().__init__()
        self.low = nn.Conv2d(dim, hidden, 1)
        self.high = nn.Sequential(*conv_bn_relu(2 * _BLOCK**2, hidden))
        self.join = nn.Sequential(*conv_bn_relu(hidden, hidden))
        self.maps = nn.Conv2d(hidden, 3, 3, padding=1)
        for parameter in self.maps.parameters():
            nn.init.zeros_(parameter)  # start as the pixel-wise maximum
        self.light = nn.Conv2d(3, hidden, 1, bias=False)

    def forward(self, features: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse an image (B, 4, H, W) with its features to RGB (B, 3, H, W) in 0..1."""
        *colors, thermal = _planes(image)
        luma = _luma(colors)
        *small_colors, small_thermal = _planes(halve(halve(image)))
        small_luma = _luma(small_colors)

        blocks = _to_blocks(torch.cat([luma, thermal], dim=1))
        brightness = _brightness(small_luma, small_thermal, features.shape[-2:])
        low = self.low(features) + self.light(brightness)
        detail = self.high(blocks)
        maps = self.maps(self.join(detail + resize(low, detail.shape[-2:])))

        visible, warm = blocks.reshape(-1, 2, 4, 4, *blocks.shape[-2:]).unbind(1)
        fused_luma = _from_blocks(_fuse(visible, warm, double_in_phases(maps)[:, :, None]))
        small_fused_luma = _fuse(small_luma, small_thermal, maps[:, :, None])
        return (
            _colored(fused_luma, colors, luma),
            _colored(small_fused_luma, small_colors, small_luma),
        )


def _fuse(visible: Tensor, warm: Tensor, maps: Tensor) -> Tensor:
    """Fuse brightness (B, ..., h, w) of two images, given their maps (B, 3, ..., h, w)."""
    gain, thermal_gain, share = maps.unbind(1)
    gain = gain.clamp_min(_LEAST_GAIN)
    brighter = torch.maximum(visible + gain * visible, warm + thermal_gain * warm)
    return (brighter + share * torch.minimum(visible, warm)).clamp(0, 1)


def _to_blocks(images: Tensor) -> Tensor:
    """Map (B, C, H, W) to (B, C * 16, H/4, W/4): `pixel_unshuffle` by 2, twice, in one step.

    Channels are C x rows, columns of a pixel in its quarter x rows, columns of the quarter in its
    block.
    """
    batch, channels, height, width = images.shape
    parts = images.reshape(batch, channels, height // 4, 2, 2, width // 4, 2, 2)
    return parts.permute(0, 1, 4, 7, 3, 6, 2, 5).reshape(batch, -1, height // 4, width // 4)


def _from_blocks(blocks: Tensor) -> Tensor:
    """Undo `_to_blocks` for one image: (B, 4, 4, h, w) -> (B, 1, 4 h, 4 w)."""
    batch, *_, height, width = blocks.shape
    parts = blocks.reshape(batch, 2, 2, 2, 2, height, width)
    return parts.permute(0, 5, 3, 1, 6, 4, 2).reshape(batch, 1, 4 * height, 4 * width)


def _brightness(luma: Tensor, thermal: Tensor, size: torch.Size) -> Tensor:
    """Map two images to (B, 3, h, w), -1..3: both reduced, and the thermal image's mean."""
    mean = thermal.mean((2, 3), keepdim=True)
    small = resize(torch.cat([luma, thermal], dim=1), size)
    return 4 * torch.cat([small, mean.expand_as(small[:, 1:])], dim=1) - 1


def denormalized(image: Tensor) -> tuple[Tensor, Tensor]:
    """Undo the normalisation of (B, 4, H, W): RGB (B, 3, H, W), thermal (B, 1, H, W), in 0..1."""
    *colors, thermal = _planes(image)
    return torch.cat(colors, dim=1), thermal


def luminance(rgb: Tensor) -> Tensor:
    """Return brightness (B, 1, H, W) of (B, 3, H, W)."""
    return _luma(rgb.split(1, dim=1))


def _planes(image: Tensor) -> list[Tensor]:
    """Return red, green, blue and thermal image (B, 1, H, W) in 0..1 of a normalised image."""
    # One by one: OpenVINO then computes all that follows for a pixel at once.
    return [
        plane * (std / 255) + mean / 255
        for plane, mean, std in zip(image.split(1, dim=1), IMAGE_MEAN, IMAGE_STD, strict=True)
    ]


def _luma(colors: Sequence[Tensor]) -> Tensor:
    red, green, blue = colors
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def _colored(fused_luma: Tensor, colors: Sequence[Tensor], luma: Tensor) -> Tensor:
    """Give a fused brightness (B, 1, H, W) the colours of an image: (B, 3, H, W)."""
    chroma = [color - luma for color in colors]
    gain = _chroma_gain(chroma, fused_luma)
    return torch.cat([fused_luma + gain * part for part in chroma], dim=1).clamp(0, 1)


def _chroma_gain(chroma: Sequence[Tensor], luma: Tensor) -> Tensor:
    """Return the largest factor up to 1 that keeps `luma + factor * chroma` within 0..1."""
    tiny = 1e-4
    red, green, blue = chroma
    highest = torch.maximum(torch.maximum(red, green), blue).clamp_min(tiny)
    lowest = torch.minimum(torch.minimum(red, green), blue).clamp_max(-tiny)
    return torch.minimum((1 - luma) / highest, -luma / lowest).clamp_max(1)
