"""The decoder computes the same a few rows at a time as at once."""

from __future__ import annotations

import pytest
import torch

from difusionseg_core.network.denoising.decoder import Decoder


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    torch.manual_seed(0)
    decoder = Decoder(32, layers=2, heads=4, points=3, hidden=48)
    for layer in decoder.layers:
        # Samples of all distances, many of them outside the map.
        torch.nn.init.normal_(layer.attention.offsets.weight, std=0.1)
        torch.nn.init.normal_(layer.attention.offsets.bias, std=5)
        torch.nn.init.normal_(layer.attention.weights.weight)
    return decoder.eval()


@pytest.mark.parametrize(
    ("size", "tolerance"),
    # Places are rounded more coarsely far from the origin.
    [((1, 1), 1e-5), ((5, 7), 1e-5), ((30, 100), 1e-4), ((2, 1300), 3e-3)],
)
@pytest.mark.parametrize("times", [1, 2])
def test_equals_the_layers_one_after_another(decoder, size, tolerance, times) -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, 32, *size, generator=generator)
    time = torch.randn(times, 128, generator=generator)
    at_once = decoder(x, time)  # as it learns
    before = x.clone()
    with torch.inference_mode():
        in_blocks = decoder(x, time)
    torch.testing.assert_close(in_blocks, at_once, rtol=0, atol=tolerance)
    assert torch.equal(x, before)


def test_half_precision_keeps_the_residuals(decoder) -> None:
    generator = torch.Generator().manual_seed(2)
    x, time = torch.randn(1, 32, 6, 9, generator=generator), torch.zeros(1, 128)
    with torch.inference_mode():
        exact = decoder(x, time)
        with torch.autocast("cpu", torch.bfloat16):
            half = decoder(x, time)
    assert half.dtype == torch.float32
    assert not torch.equal(half, exact)
    assert (half - exact).square().mean().sqrt() < 0.1
