"""Weighted bilinear sampling around every pixel: the inner loop of deformable attention."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def sample(values: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
    """Sum of samples at an offset from each pixel, a head for itself.

    `values` (B, dim, h, w), `offsets` (B, h, w, heads, points, 2) in pixels, x first, `weights`
    (B, h, w, heads, points) -> (B, dim, h, w). Each head samples its own dim / heads channels;
    outside the map are zeros.
    """
    if values.is_cuda or torch.compiler.is_exporting() or torch.jit.is_tracing():
        return _sample_by_grid(values, offsets, weights)
    return _sample_by_lookup(values, offsets, weights)


def _sample_by_lookup(values: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
    # A sample is a weighted sum of four pixels, so all samples of a head are one of 4 * points
    # rows of a table: what an embedding bag computes, without writing the samples down first.
    batch, dim, height, width = values.shape
    heads, points = weights.shape[3:]
    column = torch.arange(width, device=values.device, dtype=offsets.dtype).view(1, -1, 1, 1)
    row = torch.arange(height, device=values.device, dtype=offsets.dtype).view(-1, 1, 1, 1)
    x, x_share = _neighbours(column + offsets[..., 0], width)
    y, y_share = _neighbours(row + offsets[..., 1], height)
    # Tables lie behind one another: image by image, pixel by pixel, head by head.
    head = torch.arange(heads, device=values.device, dtype=torch.int32).view(-1, 1, 1)
    image = torch.arange(batch, device=values.device, dtype=torch.int32).view(-1, 1, 1, 1, 1, 1)
    y = y * (width * heads) + (head + image * (height * width * heads))
    lines = y[..., :, None] + (x * heads)[..., None, :]
    shares = (y_share * weights[..., None])[..., :, None] * x_share[..., None, :]
    summed = F.embedding_bag(
        lines.view(-1, 4 * points),
        values.permute(0, 2, 3, 1).reshape(-1, dim // heads),
        per_sample_weights=shares.view(-1, 4 * points),
        mode="sum",
    )
    return summed.view(batch, height, width, dim).permute(0, 3, 1, 2)


def _neighbours(place: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """The two cells (..., 2) beside each place and their bilinear shares, 0 outside the map."""
    low = place.floor()
    cells = torch.stack([low, low + 1], dim=-1)
    above = place - low
    shares = torch.stack([1 - above, above], dim=-1)
    inside = cells.clamp(0, length - 1)
    return inside.int(), shares * (inside == cells)


def _sample_by_grid(values: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
    batch, dim, height, width = values.shape
    heads, points = weights.shape[3:]
    rows = torch.arange(height, device=values.device, dtype=offsets.dtype)
    columns = torch.arange(width, device=values.device, dtype=offsets.dtype)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    centres = torch.stack([x, y], dim=-1).view(1, height, width, 1, 1, 2)
    # grid_sample counts from -1, left edge of the first cell, to 1, right edge of the last
    cells = torch.tensor([width, height], device=values.device, dtype=offsets.dtype)
    grid = (centres + offsets + 0.5) * (2 / cells) - 1
    grid = grid.permute(0, 3, 1, 2, 4, 5).reshape(batch * heads, height * width, points, 2)
    maps = values.reshape(batch * heads, dim // heads, height, width)
    samples = F.grid_sample(maps, grid, align_corners=False)
    weights = weights.permute(0, 3, 1, 2, 4).reshape(batch * heads, 1, height * width, points)
    return (samples * weights).sum(-1).view(batch, dim, height, width)
