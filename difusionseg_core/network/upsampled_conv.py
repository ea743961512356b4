"""3x3 convolution of a map that is upsampled four times, at the cost of the small map.

Convolution and upsampling are exchanged: each of the nine taps multiplies the small map,
then the products are upsampled, shifted and added up. Bilinear upsampling by 4 computes a tile of
4x4 pixels and its neighbours from 3x3 pixels of the small map, so along one axis a tile's four
values are a sum over three pixels and three taps.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

SCALE = 4


def convolve_upsampled(
    small: Tensor, weight: Tensor, bias: Tensor, first: int, last: int
) -> Iterator[Tensor]:
    """Yield rows of `F.conv2d(resize(small, by 4), weight, bias, padding=1)`, four at a time.

    `small` (h, w, channels) float32, `weight` (out, channels, 3, 3). Yields (4, 4 * w, out) for
    every row of the small map from `first` to before `last`. The memory is reused for the next
    rows. No gradients.
    """
    height, width, channels = small.shape
    out = len(weight)
    taps = weight.permute(2, 1, 3, 0).reshape(3, channels, 3 * out)  # by row of the kernel
    shift = small.new_zeros(3, 3, out)
    shift[1, 1] = bias  # the middle tap is always inside the image
    across, down = _shares(width), _shares(height)

    products = small.new_zeros(width + 2, 3 * out)  # of one row; a column of zeros on either side
    around = products.as_strided((width, 9, out), (3 * out, out, 1))  # three pixels, three taps
    # The last three rows of the small map, upsampled across: row y at y % 3, by row of the kernel.
    wide = small.new_zeros(3, 3, width, SCALE, out)
    drawn = small.new_empty(SCALE, SCALE * width, out)

    def upsample_across(row: int) -> None:
        for target, tap, added in zip(wide[row % 3], taps, shift.view(3, -1), strict=True):
            if 0 <= row < height:
                torch.addmm(added, small[row], tap, out=products[1:-1])
                torch.bmm(across, around, out=target)
            else:
                target.zero_()

    for row in range(first - 1, first + 1):
        upsample_across(row)
    for row in range(first, last):
        upsample_across(row + 1)
        shares = down[row].view(SCALE, 3, 3).roll(row - 1, dims=1).view(SCALE, 9)
        torch.mm(shares, wide.view(9, -1), out=drawn.view(SCALE, -1))
        yield drawn


def _shares(length: int) -> Tensor:
    """Return (length, 4, 9): shares of 3 neighbours, with 3 taps each, in a tile's values."""
    upsampled = F.interpolate(torch.eye(length)[None], scale_factor=SCALE, mode="linear")[0].T
    # Zeros around the image, and around the small map.
    upsampled = F.pad(upsampled, (1, 1, 1, 1)).contiguous()
    row = length + 2
    # [tile, pixel, neighbour, tap] is at [SCALE * tile + pixel + tap, tile + neighbour]
    strides = (SCALE * row + 1, row, 1, row)
    return upsampled.as_strided((length, SCALE, 3, 3), strides).reshape(length, SCALE, 9)
