"""The denoising decoder: deformable self-attention (Zhu et al., ICLR 2021), told the noise level.

Tokens are (B, h*w, dim), row by row.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DeformableAttention(nn.Module):
    """Each token looks at `points` places a head, at learned offsets from its own position.

    Places outside the map count as zero. Offsets are in tokens, (x, y).
    """

    def __init__(self, dim: int, heads: int, points: int) -> None:
        super().__init__()
        self.heads, self.points = heads, points
        self.offsets = nn.Linear(dim, heads * points * 2)
        self.weights = nn.Linear(dim, heads * points)
        self.value = nn.Linear(dim, dim)
        self.output = nn.Linear(dim, dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Heads start by looking in different directions, points at growing distances."""
        for layer in (self.offsets, self.weights):
            nn.init.zeros_(layer.weight)
        for layer in (self.weights, self.value, self.output):
            nn.init.zeros_(layer.bias)
        for layer in (self.value, self.output):
            nn.init.xavier_uniform_(layer.weight)
        angle = torch.arange(self.heads) * (2 * math.pi / self.heads)
        direction = torch.stack([angle.cos(), angle.sin()], dim=-1)
        direction = direction / direction.abs().amax(dim=-1, keepdim=True)
        distance = torch.arange(1, self.points + 1)
        with torch.no_grad():
            self.offsets.bias.copy_((direction[:, None] * distance[:, None]).flatten())

    def forward(self, tokens: Tensor, position: Tensor, size: tuple[int, int]) -> Tensor:
        """`position` (1, h*w, dim) tells the query where it is; the values do without it."""
        batch, count, _ = tokens.shape
        query = tokens + position
        offsets = self.offsets(query).view(batch, count, self.heads, self.points, 2)
        weights = self.weights(query).view(batch, count, self.heads, self.points).softmax(-1)
        sampled = sample(self.value(tokens), offsets, weights, size)
        return self.output(sampled)


def sample(values: Tensor, offsets: Tensor, weights: Tensor, size: tuple[int, int]) -> Tensor:
    """Weighted sum of bilinear samples around each token.

    `values` (B, h*w, dim), `offsets` (B, h*w, heads, points, 2) in tokens, `weights`
    (B, h*w, heads, points) -> (B, h*w, dim).
    """
    batch, count, dim = values.shape
    heads, points = weights.shape[2:]
    height, width = size
    rows = torch.arange(height, device=values.device, dtype=offsets.dtype)
    columns = torch.arange(width, device=values.device, dtype=offsets.dtype)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    centres = torch.stack([x, y], dim=-1).view(1, count, 1, 1, 2)
    # grid_sample counts from -1 at the left edge of the first cell to 1 at the right edge of the
    # last
    cells = torch.tensor([width, height], device=values.device, dtype=offsets.dtype)
    grid = (centres + offsets + 0.5) * (2 / cells) - 1
    grid = grid.permute(0, 2, 1, 3, 4).reshape(batch * heads, count, points, 2)
    maps = values.view(batch, height, width, heads, dim // heads).permute(0, 3, 4, 1, 2)
    maps = maps.reshape(batch * heads, dim // heads, height, width)
    samples = F.grid_sample(maps, grid, align_corners=False)
    weights = weights.permute(0, 2, 1, 3).reshape(batch * heads, 1, count, points)
    summed = (samples * weights).sum(-1)
    return summed.view(batch, dim, count).transpose(1, 2)


class DecoderLayer(nn.Module):
    """Attention and feed-forward, a norm after each, then scale and shift by time (FiLM)."""

    def __init__(self, dim: int, heads: int, points: int, hidden: int, time_dim: int) -> None:
        super().__init__()
        self.attention = DeformableAttention(dim, heads, points)
        self.norm1 = nn.LayerNorm(dim)
        self.expand = nn.Linear(dim, hidden)
        self.project = nn.Linear(hidden, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.film = nn.Linear(time_dim, 2 * dim)
        for layer in (self.expand, self.project, self.film):
            nn.init.xavier_uniform_(layer.weight)

    def forward(
        self, tokens: Tensor, position: Tensor, time: Tensor, size: tuple[int, int]
    ) -> Tensor:
        tokens = self.norm1(tokens + self.attention(tokens, position, size))
        tokens = self.norm2(tokens + self.project(F.gelu(self.expand(tokens))))
        scale, shift = self.film(F.silu(time)).unsqueeze(1).chunk(2, dim=-1)
        return tokens * (1 + scale) + shift


class Decoder(nn.Module):
    """(B, dim, h, w) and a time embedding (B, 4*dim) -> (B, dim, h, w)."""

    def __init__(
        self, dim: int = 256, layers: int = 6, heads: int = 8, points: int = 4, hidden: int = 1024
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            DecoderLayer(dim, heads, points, hidden, time_dim=4 * dim) for _ in range(layers)
        )

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        batch, dim, height, width = x.shape
        position = position_code(height, width, dim, x.device).to(x.dtype)
        tokens = x.flatten(2).transpose(1, 2)
        for layer in self.layers:
            tokens = layer(tokens, position, time, (height, width))
        return tokens.transpose(1, 2).reshape(batch, dim, height, width)


def position_code(height: int, width: int, dim: int, device: torch.device) -> Tensor:
    """Sine position code (Carion et al., ECCV 2020) over 0..2 pi: (1, height*width, dim).

    The first half of the channels codes y, the second x; within a half, sine and cosine alternate.
    """
    half = dim // 2
    channel = torch.arange(half, device=device, dtype=torch.float32)
    divisor = 10000 ** (2 * torch.div(channel, 2, rounding_mode="floor") / half)

    def code(length: int) -> Tensor:
        place = torch.arange(1, length + 1, device=device, dtype=torch.float32) - 0.5
        angle = (place / (length + 1e-6) * 2 * math.pi)[:, None] / divisor
        return torch.stack([angle[:, 0::2].sin(), angle[:, 1::2].cos()], dim=-1).flatten(1)

    rows = code(height)[:, None].expand(-1, width, -1)
    columns = code(width)[None].expand(height, -1, -1)
    return torch.cat([rows, columns], dim=-1).view(1, height * width, dim)
