"""3x3 convolution with a quarter of the multiplications (Lavin & Gray, CVPR 2016), F(4x4, 3x3).

A 4x4 tile of the result needs 6x6 values of the input. Seen as polynomials, convolution
is multiplication, which takes one multiplication per value after evaluating both sides at six
points: transform the tiles, multiply channel by channel (36 matrix products), transform back.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

_TILE, _REACH = 4, 6  # pixels of the result and of the input, along one side of a tile
_POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)  # and infinity; as exact in float32 as the direct sum


def conv3x3(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return `F.conv2d(x, weight, bias, padding=1)` for float32 and weights (out, in, 3, 3).

    The result lies in channels-last memory. No gradients.
    """
    batch, _, height, width = x.shape
    shift = 0 if bias is None else bias
    kernel = transform_kernel(weight)
    tile_rows, tiles = -(-height // _TILE), -(-width // _TILE)
    out = x.new_empty(batch, tile_rows, _TILE, tiles, _TILE, len(weight))
    for image, target in zip(x.permute(0, 2, 3, 1), out, strict=True):
        for rows, place in zip(convolve_rows(image, kernel), target, strict=True):
            torch.add(rows, shift, out=place)
    return out.flatten(3, 4).flatten(1, 2)[:, :height, :width].permute(0, 3, 1, 2)


def transform_kernel(weight: Tensor) -> Tensor:
    """Return weights (out, in, 3, 3) at the points: (36, in, out), for `convolve_rows`."""
    kernel = weight.permute(2, 3, 1, 0).reshape(9, -1)
    return (_transforms()[1] @ kernel).view(_REACH**2, weight.shape[1], len(weight))


def convolve_rows(image: Tensor, kernel: Tensor) -> Iterator[Tensor]:
    """Convolve an (H, W, channels) image, four rows of the result at a time, from the top.

    Yields (4, tiles, 4, out): four rows of tiles four pixels wide, the last ones reaching beyond
    the image if its sides are not multiples of 4. The memory is reused for the next rows.
    """
    height, width, channels = image.shape
    tiles, out_channels = -(-width // _TILE), kernel.shape[2]
    to_points, _, back = _transforms()
    # One row of tiles at a time, in buffers that stay in the cache.
    rows = image.new_empty(_REACH, tiles * _TILE + 2, channels)
    stride = rows.stride(0)
    windows = rows.as_strided(
        (_REACH, _REACH, tiles, channels), (stride, channels, _TILE * channels, 1)
    )
    gathered = image.new_empty(_REACH, _REACH, tiles, channels)
    at_points = image.new_empty(_REACH**2, tiles * channels)
    products = image.new_empty(_REACH**2, tiles, out_channels)
    result = image.new_empty(_TILE, _TILE, tiles, out_channels)
    for top in range(0, height, _TILE):
        first, last = max(top - 1, 0), min(top + _TILE + 1, height)
        rows.zero_()
        rows[first - top + 1 : last - top + 1, 1 : width + 1] = image[first:last]
        gathered.copy_(windows)
        torch.mm(to_points, gathered.view(_REACH**2, -1), out=at_points)
        torch.bmm(at_points.view(_REACH**2, tiles, channels), kernel, out=products)
        torch.mm(back, products.view(_REACH**2, -1), out=result.view(_TILE**2, -1))
        yield result.transpose(1, 2)


def _transforms() -> tuple[Tensor, Tensor, Tensor]:
    """Return (36, 36) for tiles of the input, (36, 9) for kernels, (16, 36) for products."""
    evaluate = torch.linalg.inv(_powers(_REACH)).T
    tile, kernel, product = (
        torch.kron(one, one).float() for one in (evaluate, _powers(3), _powers(_TILE).T)
    )
    return tile, kernel, product


def _powers(count: int) -> Tensor:
    """Return powers 0 to `count` - 1 of every point by row; infinity has the highest only."""
    points = torch.tensor(_POINTS, dtype=torch.float64)[:, None] ** torch.arange(count)
    return torch.cat([points, torch.eye(count, dtype=torch.float64)[-1:]])
