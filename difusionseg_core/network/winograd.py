"""3x3 convolution with a quarter of the multiplications (Lavin & Gray, CVPR 2016), F(4x4, 3x3).

A 4x4 tile of the result needs 6x6 values of the input. Seen as polynomials, convolving is
multiplying, and that is one multiplication a value once both sides are evaluated at six points:
transform the tiles, multiply channel by channel (36 matrix products), transform back.
"""

from __future__ import annotations

import torch
from torch import Tensor

_TILE, _REACH = 4, 6  # pixels of the result and of the input, along one side of a tile
_POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)  # and infinity; as exact in float32 as adding up directly


def conv3x3(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`F.conv2d(x, weight, bias, padding=1)` for float32 and weights (out, in, 3, 3).

    The result lies in channels-last memory. No gradients.
    """
    batch, channels, height, width = x.shape
    tile_rows, tiles = -(-height // _TILE), -(-width // _TILE)
    shift = 0 if bias is None else bias
    to_points, kernel_to_points, back = _transforms()
    kernel = weight.permute(2, 3, 1, 0).reshape(9, -1)
    kernel = (kernel_to_points @ kernel).view(_REACH**2, channels, -1)

    # One row of tiles at a time, in buffers that stay in the cache.
    rows = x.new_empty(_REACH, tiles * _TILE + 2, channels)
    stride = rows.stride(0)
    windows = rows.as_strided(
        (_REACH, _REACH, tiles, channels), (stride, channels, _TILE * channels, 1)
    )
    gathered = x.new_empty(_REACH, _REACH, tiles, channels)
    at_points = x.new_empty(_REACH**2, tiles * channels)
    products = x.new_empty(_REACH**2, tiles, len(weight))
    result = x.new_empty(_TILE, _TILE, tiles, len(weight))
    out = x.new_empty(batch, tile_rows * _TILE, tiles, _TILE, len(weight))
    for image, target in zip(x.permute(0, 2, 3, 1), out, strict=True):
        for top in range(0, height, _TILE):
            first, last = max(top - 1, 0), min(top + _TILE + 1, height)
            rows.zero_()
            rows[first - top + 1 : last - top + 1, 1 : width + 1] = image[first:last]
            gathered.copy_(windows)
            torch.mm(to_points, gathered.view(_REACH**2, -1), out=at_points)
            torch.bmm(at_points.view(_REACH**2, tiles, channels), kernel, out=products)
            torch.mm(back, products.view(_REACH**2, -1), out=result.view(_TILE**2, -1))
            torch.add(result.transpose(1, 2), shift, out=target[top : top + _TILE])
    return out.flatten(2, 3)[:, :height, :width].permute(0, 3, 1, 2)


def _transforms() -> tuple[Tensor, Tensor, Tensor]:
    """(36, 36) for tiles of the input, (36, 9) for kernels, (16, 36) for products."""
    evaluate = torch.linalg.inv(_powers(_REACH)).T
    both_axes = (torch.kron(one, one) for one in (evaluate, _powers(3), _powers(_TILE).T))
    return tuple(matrix.float() for matrix in both_axes)


def _powers(count: int) -> Tensor:
    """Powers 0 to `count` - 1 of every point, a row each; infinity has only the highest."""
    points = torch.tensor(_POINTS, dtype=torch.float64)[:, None] ** torch.arange(count)
    return torch.cat([points, torch.eye(count, dtype=torch.float64)[-1:]])
