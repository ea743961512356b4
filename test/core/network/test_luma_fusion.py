"""The fusion module of `lite`: what its maps do to the images."""

from __future__ import annotations

import pytest
import torch

from difusionseg_core.network.heads.luma_fusion import LumaFusion, denormalized, luminance
from difusionseg_core.network.layers import double_in_phases, halve, join_phases, resize
from difusionseg_core.network.preprocessing import IMAGE_MEAN, IMAGE_STD


def _image(height: int = 24, width: int = 32) -> torch.Tensor:
    pixels = torch.randint(
        0, 256, (2, 4, height, width), generator=torch.Generator().manual_seed(0)
    )
    mean, std = (torch.tensor(values).view(4, 1, 1) for values in (IMAGE_MEAN, IMAGE_STD))
    return (pixels - mean) / std


@pytest.fixture
def fusion() -> LumaFusion:
    torch.manual_seed(0)
    module = LumaFusion(dim=8).eval()
    torch.nn.init.normal_(module.maps.weight, std=0.3)
    return module


def test_phases_are_the_resized_image() -> None:
    x = torch.rand(2, 3, 5, 7)
    phases = double_in_phases(x)
    joined = torch.stack([join_phases(phases[:, channel]) for channel in range(3)], dim=1)
    torch.testing.assert_close(joined, resize(x, (10, 14)), rtol=0, atol=1e-6)


def test_it_starts_as_the_pixelwise_maximum() -> None:
    image = _image()
    with torch.no_grad():
        fused, seen = LumaFusion(dim=8).eval()(torch.rand(2, 8, 2, 2), image)
    for result, source in ((fused, image), (seen, halve(halve(image)))):
        rgb, thermal = denormalized(source)
        brighter = torch.maximum(luminance(rgb), thermal)
        torch.testing.assert_close(luminance(result), brighter, rtol=0, atol=1e-5)


def test_maps_are_resized_to_blocks_of_two_pixels(fusion) -> None:
    image, maps = _image(), torch.randn(2, 3, 6, 8) * 0.3
    fusion.maps.register_forward_hook(lambda *_: maps)
    with torch.no_grad():
        fused, _ = fusion(torch.rand(2, 8, 2, 2), image)
    rgb, warm = denormalized(image)
    visible = luminance(rgb)
    blocks = resize(maps, (12, 16)).repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    gain, thermal_gain, share = blocks.split(1, dim=1)
    expected = torch.maximum(visible * (1 + gain.clamp_min(-0.4)), warm * (1 + thermal_gain))
    expected = (expected + share * torch.minimum(visible, warm)).clamp(0, 1)
    torch.testing.assert_close(luminance(fused), expected, rtol=0, atol=1e-5)


def test_colours_are_those_of_the_rgb_image(fusion) -> None:
    image = _image()
    with torch.no_grad():
        fused, _ = fusion(torch.rand(2, 8, 2, 2), image)
    rgb, _ = denormalized(image)
    chroma, expected = fused - luminance(fused), rgb - luminance(rgb)
    ratio = (chroma * expected).sum(1) / (expected * expected).sum(1).clamp_min(1e-6)
    torch.testing.assert_close(chroma, ratio[:, None] * expected, rtol=0, atol=1e-4)
    assert fused.min() >= 0 and fused.max() <= 1
    assert ratio.max() <= 1 + 1e-4
