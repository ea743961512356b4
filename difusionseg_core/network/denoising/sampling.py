"""Weighted bilinear sampling around every pixel: the inner loop of deformable attention."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def sample(values: Tensor, offsets: Tensor, scores: Tensor) -> Tensor:
    """Return the weighted mean of samples at offsets from each pixel, separately for each head.

    `values` (B, dim, h, w), `offsets` (B, h, w, heads, points, 2) in pixels, x first, `scores`
    (B, h, w, heads, points), whose softmax over the points is the weights -> (B, dim, h, w). Each
    head samples its own dim / heads channels; outside the map are zeros.
    """
    offsets = offsets.float()  # half precision is too coarse for pixels far from the origin
    if values.is_cuda or torch.jit.is_tracing():
        return _sample_by_grid(values, offsets, scores)
    return _sample_by_lookup(values, offsets, scores.softmax(-1))


def _sample_by_lookup(values: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
    # A bilinear sample is a weighted sum of four pixels, so all samples of a head are one sum over
    # 4 * points rows of a table. An embedding bag computes that without intermediate arrays.
    batch, dim, height, width = values.shape
    heads, points = weights.shape[3:]
    # Zeros around the map stand for what lies outside; places are clamped to them.
    table = F.pad(values.permute(0, 2, 3, 1), (0, 0, 1, 2, 1, 2))
    x = torch.arange(1, width + 1, device=values.device).view(1, -1, 1, 1) + offsets[..., 0]
    y = torch.arange(1, height + 1, device=values.device).view(-1, 1, 1, 1) + offsets[..., 1]
    x, y = x.clamp_(0, width + 1), y.clamp_(0, height + 1)
    left, top = x.floor(), y.floor()
    first = _row_of_table(left.int(), top.int(), height + 3, width + 3)
    steps = torch.tensor([0, 1, width + 3, width + 4], device=values.device, dtype=torch.int32)
    rows = first[..., None] + steps * heads

    right_share, bottom_share = x.sub_(left), y.sub_(top)
    bottom = weights * bottom_share
    upper = weights - bottom
    bottom_right, top_right = bottom * right_share, upper * right_share
    shares = torch.stack(
        [upper - top_right, top_right, bottom - bottom_right, bottom_right], dim=-1
    )
    summed = F.embedding_bag(
        rows.reshape(-1, 4 * points),
        table.reshape(-1, dim // heads),
        per_sample_weights=shares.reshape(-1, 4 * points).to(values.dtype),
        mode="sum",
    )
    return summed.view(batch, height, width, dim).permute(0, 3, 1, 2)


def _row_of_table(column: Tensor, row: Tensor, height: int, width: int) -> Tensor:
    # The table lists images, rows, columns and heads, the last one fastest.
    batch, heads = column.shape[0], column.shape[3]
    head = torch.arange(heads, device=column.device, dtype=torch.int32).view(-1, 1)
    image = torch.arange(batch, device=column.device, dtype=torch.int32).view(-1, 1, 1, 1, 1)
    return row * (width * heads) + column * heads + (head + image * (height * width * heads))


def _sample_by_grid(values: Tensor, offsets: Tensor, scores: Tensor) -> Tensor:
    # Points before pixels, so that the sum over points adds whole maps.
    batch, dim, height, width = values.shape
    heads, points = scores.shape[3:]
    columns = torch.arange(width, device=values.device, dtype=offsets.dtype)
    rows = torch.arange(height, device=values.device, dtype=offsets.dtype)
    x, y = columns.expand(height, -1), rows[:, None].expand(-1, width)
    pixels = torch.stack([x, y], dim=-1)[:, :, None, None]
    # grid_sample counts from -1, left edge of the first cell, to 1, right edge of the last
    two = offsets.new_full((1,), 2)
    grid = (pixels + offsets + 0.5) * torch.cat([two / width, two / height]) - 1
    grid = grid.permute(0, 3, 4, 1, 2, 5).reshape(batch * heads, points, height * width, 2)
    maps = values.reshape(batch * heads, dim // heads, height, width)
    samples = F.grid_sample(maps, grid, align_corners=False)
    scores = scores.permute(0, 3, 4, 1, 2).reshape(batch * heads, 1, points, height * width)
    return (samples * scores.softmax(2)).sum(2).view(batch, dim, height, width)
