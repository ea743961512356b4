"""Embedding of the noise level for the decoder."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class TimeEmbedding(nn.Module):
    """Log signal-to-noise ratio (B,) -> (B, 4*dim), through learned Fourier features."""

    def __init__(self, dim: int, frequencies: int = 8) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(torch.randn(frequencies))
        self.mlp = nn.Sequential(
            nn.Linear(2 * frequencies + 1, 4 * dim), nn.GELU(), nn.Linear(4 * dim, 4 * dim)
        )

    def forward(self, log_snr: Tensor) -> Tensor:
        """Map log signal-to-noise ratios (B,) to (B, 4 * dim)."""
        level = log_snr[:, None]
        angle = level * self.frequencies * 2 * math.pi
        return self.mlp(torch.cat([level, angle.sin(), angle.cos()], dim=-1))
