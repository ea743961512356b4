"""Both ways to sample a map give the same values, inside and outside of it."""

from __future__ import annotations

import pytest
import torch

from difusionseg_core.network.denoising import sampling


@pytest.mark.parametrize("reach", [0.0, 0.4, 5.0, 100.0])
def test_lookup_samples_as_the_grid_does(reach) -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(2, 12, 5, 7, generator=generator)
    offsets = reach * torch.randn(2, 5, 7, 3, 4, 2, generator=generator)
    scores = torch.randn(2, 5, 7, 3, 4, generator=generator)
    by_lookup = sampling.sample(values, offsets, scores)
    by_grid = sampling._sample_by_grid(values, offsets, scores)
    torch.testing.assert_close(by_lookup, by_grid, rtol=0, atol=1e-5)


def test_integer_offsets_select_pixels() -> None:
    values = torch.arange(12.0).view(1, 1, 3, 4)
    offsets = torch.tensor([1.0, -1.0]).expand(1, 3, 4, 1, 1, 2)
    picked = sampling.sample(values, offsets, torch.zeros(1, 3, 4, 1, 1))
    expected = torch.tensor([[0, 0, 0, 0], [1, 2, 3, 0], [5, 6, 7, 0]])
    assert picked[0, 0].tolist() == expected.tolist()


def test_half_precision_offsets_reach_far_columns() -> None:
    values = torch.arange(300.0).view(1, 1, 1, 300)
    offsets = torch.full((1, 1, 300, 1, 1, 2), 0.5)
    offsets[..., 1] = 0
    scores = torch.zeros(1, 1, 300, 1, 1)
    exact = sampling.sample(values, offsets, scores)
    half = sampling.sample(values, offsets.bfloat16(), scores)
    assert torch.equal(exact, half)
