"""The denoising decoder: layers of deformable self-attention, given the noise level."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from difusionseg_core.network.denoising.block_decoder import decode_in_blocks
from difusionseg_core.network.denoising.decoder_layer import DecoderLayer
from difusionseg_core.network.layers import in_pieces


class Decoder(nn.Module):
    """(B, dim, h, w) and a time embedding, (B, 4*dim) or (1, 4*dim) for all -> (B, dim, h, w)."""

    def __init__(
        self, dim: int = 256, layers: int = 6, heads: int = 8, points: int = 4, hidden: int = 1024
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            DecoderLayer(dim, heads, points, hidden, time_dim=4 * dim) for _ in range(layers)
        )

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Map (B, dim, h, w) to the same shape; `time` is (1 or B, 4 * dim)."""
        _, dim, height, width = x.shape
        position = position_code(height, width, dim, x.device)
        x = x.float()  # the residual stream keeps its precision under autocast
        if in_pieces() and x.device.type == "cpu":
            return decode_in_blocks(cast("list[DecoderLayer]", [*self.layers]), x, position, time)
        for layer in self.layers:
            x = layer(x, position, time)
        return x


def position_code(height: int, width: int, dim: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the sine position code (Carion et al., ECCV 2020) over 0..2 pi, sine before cosine.

    For the rows (1, dim / 2, height, 1) and for the columns (1, dim / 2, 1, width); the whole code
    of a pixel is its row's followed by its column's.
    """
    half = dim // 2
    channel = torch.arange(half, device=device, dtype=torch.float32)
    divisor = 10000 ** (2 * torch.div(channel, 2, rounding_mode="floor") / half)

    def code(length: int) -> Tensor:
        place = torch.arange(1, length + 1, device=device, dtype=torch.float32) - 0.5
        angle = (place / (length + 1e-6) * 2 * math.pi)[:, None] / divisor
        return torch.stack([angle[:, 0::2].sin(), angle[:, 1::2].cos()], dim=-1).flatten(1)

    return code(height).T[None, :, :, None], code(width).T[None, :, None]
