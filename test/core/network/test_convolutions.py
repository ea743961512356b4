"""The fast convolutions equal direct summation, at every size."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from difusionseg_core.network.heads.fusion_module import FusionModule
from difusionseg_core.network.layers import Conv3x3, resize
from difusionseg_core.network.upsampled_conv import SCALE, convolve_upsampled
from difusionseg_core.network.winograd import conv3x3


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (3, 5), (17, 30), (33, 12)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_equals_the_direct_convolution(size, layout) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 24, *size, generator=generator).contiguous(memory_format=layout)
    weight = torch.randn(10, 24, 3, 3, generator=generator) / 15
    bias = torch.randn(10, generator=generator)
    exact = F.conv2d(x.double(), weight.double(), bias.double(), padding=1)
    torch.testing.assert_close(conv3x3(x, weight, bias).double(), exact, rtol=0, atol=1e-5)
    without_bias = exact - bias.double().view(-1, 1, 1)
    torch.testing.assert_close(conv3x3(x, weight, None).double(), without_bias, rtol=0, atol=1e-5)


def test_stays_within_the_error_that_parity_allows() -> None:
    """Parity with the release allows 6e-5 in the logits; one layer of 256 channels may take 5e-6.

    The outputs here have a deviation of 0.6; the bound is absolute, since a direct convolution's
    own error depends on the processor.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 256, 24, 32, generator=generator).relu()
    weight = torch.randn(64, 256, 3, 3, generator=generator) / 48
    exact = F.conv2d(x.double(), weight.double(), padding=1)
    error = (conv3x3(x, weight, None) - exact).square().mean().sqrt()
    assert error < 5e-6


def test_images_of_a_batch_do_not_affect_each_other() -> None:
    x = torch.zeros(2, 3, 8, 8)
    x[1] = torch.nan
    assert torch.equal(conv3x3(x, torch.ones(2, 3, 3, 3), None)[0], torch.zeros(2, 8, 8))


def test_the_layer_trains_and_is_traced_as_a_plain_convolution() -> None:
    layer, x = Conv3x3(128, 128), torch.randn(1, 128, 6, 9)
    layer(x).sum().backward()
    assert layer.weight.grad is not None
    with torch.inference_mode():
        fast = layer(x)
        traced = torch.jit.trace(layer, x, check_trace=False)
        assert "_convolution" in str(traced.inlined_graph)
        torch.testing.assert_close(traced(x), fast, rtol=0, atol=1e-5)
        assert not torch.equal(traced(x), fast)  # two ways, then
        with torch.autocast("cpu", torch.bfloat16):
            assert layer(x).dtype == torch.bfloat16


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 7)])
@pytest.mark.parametrize("from_row", [0, 1])
def test_convolves_an_upsampled_map_at_low_resolution(size, from_row) -> None:
    generator = torch.Generator().manual_seed(0)
    small = torch.randn(*size, 24, generator=generator)
    weight = torch.randn(10, 24, 3, 3, generator=generator) / 15
    bias = torch.randn(10, generator=generator)
    upsampled = resize(small.double().permute(2, 0, 1)[None], [SCALE * side for side in size])
    exact = F.conv2d(upsampled, weight.double(), bias.double(), padding=1)[0].permute(1, 2, 0)
    rows = convolve_upsampled(small, weight, bias, from_row, size[0])
    found = torch.cat([small.new_empty(0, SCALE * size[1], 10), *(part.clone() for part in rows)])
    torch.testing.assert_close(found.double(), exact[SCALE * from_row :], rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(8, 4), (100, 132), (204, 16)])
def test_the_fusion_module_computes_the_same_by_rows_and_at_once(size) -> None:
    generator = torch.Generator().manual_seed(0)
    module = FusionModule(256).eval()
    features = torch.randn(2, 256, size[0] // 4, size[1] // 4, generator=generator)
    image = torch.randn(2, 4, *size, generator=generator)
    at_once = module(features, image)  # as it learns
    with torch.inference_mode():
        torch.testing.assert_close(module(features, image), at_once, rtol=0, atol=1e-5)
