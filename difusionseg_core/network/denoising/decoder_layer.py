"""A layer of the decoder: deformable self-attention (Zhu et al., ICLR 2021) and feed-forward.

Tokens of a transformer are here the pixels of a (B, dim, h, w) map, and linear layers are 1x1
convolutions: the same arithmetic in channels-last memory, and faster on a CPU.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from difusionseg_core.network.denoising.sampling import sample
from difusionseg_core.network.layers import ChannelLayerNorm


class DeformableAttention(nn.Module):
    """Each pixel samples `points` places per head, at learned offsets (x, y) in pixels of the map.

    Places outside the map count as zero.
    """

    def __init__(self, dim: int, heads: int, points: int) -> None:
        super().__init__()
        self.heads, self.points = heads, points
        self.offsets = nn.Conv2d(dim, heads * points * 2, 1)
        self.weights = nn.Conv2d(dim, heads * points, 1)
        self.value = nn.Conv2d(dim, dim, 1)
        self.output = nn.Conv2d(dim, dim, 1)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start with a different direction for each head, and growing distances of its points."""
        for parameter in self.parameters():
            nn.init.zeros_(parameter)
        for layer in (self.value, self.output):
            nn.init.xavier_uniform_(layer.weight)
        angle = torch.arange(self.heads) * (2 * math.pi / self.heads)
        direction = torch.stack([angle.cos(), angle.sin()], dim=-1)
        direction = direction / direction.abs().amax(dim=-1, keepdim=True)
        distance = torch.arange(1, self.points + 1)
        assert self.offsets.bias is not None
        with torch.no_grad():
            self.offsets.bias.copy_((direction[:, None] * distance[:, None]).flatten())

    def forward(self, x: Tensor, position: tuple[Tensor, Tensor]) -> Tensor:
        """Attend; `position`, see `decoder.position_code`, enters the queries, not the values."""
        batch, _, height, width = x.shape
        shape = (batch, height, width, self.heads, self.points)
        values, offsets, scores = self._project(x, position)
        offsets = offsets.permute(0, 2, 3, 1).reshape(*shape, 2)
        scores = scores.permute(0, 2, 3, 1).reshape(shape)
        return self.output(sample(values, offsets, scores))

    def _project(self, x: Tensor, position: tuple[Tensor, Tensor]) -> list[Tensor]:
        """Compute values, offsets and scores, each (B, channels, h, w)."""
        layers = (self.value, self.offsets, self.weights)
        # The position is added to the last two; its shares depend on the row or the column alone,
        # and are cheap.
        places = []
        for layer in layers[1:]:
            by_row, by_column = layer.weight.chunk(2, dim=1)
            places.append(F.conv2d(position[0], by_row) + F.conv2d(position[1], by_column))
        if torch.jit.is_tracing():  # a compiler would copy the parts of one wide map
            values, *queries = (layer(x) for layer in layers)
        else:
            weight = torch.cat([layer.weight for layer in layers])
            bias = torch.cat([layer.bias for layer in layers if layer.bias is not None])
            values, *queries = F.conv2d(x, weight, bias).split(
                [layer.out_channels for layer in layers], dim=1
            )
        return [values, *(query + place for query, place in zip(queries, places, strict=True))]


class DecoderLayer(nn.Module):
    """Attention and feed-forward, a norm after each, then scale and shift by time (FiLM)."""

    def __init__(self, dim: int, heads: int, points: int, hidden: int, time_dim: int) -> None:
        super().__init__()
        self.attention = DeformableAttention(dim, heads, points)
        self.norm1 = ChannelLayerNorm(dim)
        self.expand = nn.Conv2d(dim, hidden, 1)
        self.project = nn.Conv2d(hidden, dim, 1)
        self.norm2 = ChannelLayerNorm(dim)
        self.film = nn.Linear(time_dim, 2 * dim)
        for layer in (self.expand, self.project, self.film):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, x: Tensor, position: tuple[Tensor, Tensor], time: Tensor) -> Tensor:
        """Map (B, dim, h, w) to the same shape; `time` is (1 or B, 4 * dim)."""
        x = self.norm1(self.attention(x, position) + x)
        x = x + self.project(F.gelu(self.expand(x)))
        scale, shift = self.film(F.silu(time)).chunk(2, dim=1)
        if len(time) > 1:
            x = self.norm2(x)
            return torch.addcmul(shift[:, :, None, None], x, 1 + scale[:, :, None, None])
        # One time for all images: merge it into the norm's own scale and shift.
        gain = 1 + scale[0]
        return self.norm2.scaled(x, self.norm2.weight * gain, self.norm2.bias * gain + shift[0])
