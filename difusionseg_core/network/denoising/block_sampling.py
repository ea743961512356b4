"""The sampling of deformable attention, for a few rows of a map at a time; see `sampling`.

The buffers of a few rows stay in the cache. No gradients.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


class SampledMap:
    """The values of a map, and the places in it that every pixel samples; the caller writes both.

    `values` (h, w, dim); `places` (h, w, 3 * heads * points) float32: x of all samples, y of all
    samples, both counted from 1, then scores, whose softmax over a head's points is the weights. A
    head's points are adjacent.
    """

    def __init__(self, shape: torch.Size, heads: int, points: int) -> None:
        height, width, dim = shape
        self.heads, self.points = heads, points
        # Zeros around the map stand for what lies outside; places are clamped to them.
        table = torch.zeros(height + 3, width + 3, dim)
        self.values = table[1:-2, 1:-2]
        self.places = torch.empty(height, width, 3 * heads * points)
        self._table = table.view(-1, dim // heads)  # rows, columns and heads, the last one fastest
        self._least, self._most = torch.tensor(0.0), torch.tensor([[width + 1.0], [height + 1.0]])
        self._row = (width + 3) * heads
        self._head = torch.arange(heads, dtype=torch.int32).repeat_interleave(points)
        self._corners = torch.tensor([0, heads, self._row, self._row + heads], dtype=torch.int32)

    def sample(self, first: int, last: int) -> Tensor:
        """Return weighted means of the samples (pixels, dim) of rows `first` to before `last`."""
        places = self.places[first:last].view(-1, 3, self.heads * self.points)
        inside = places[:, :2].clamp(self._least, self._most)
        upper_left = inside.floor()
        left, top = upper_left.int().unbind(1)
        row = torch.add(self._head, left, alpha=self.heads).add_(top, alpha=self._row)
        right_share, lower_share = inside.sub_(upper_left).unbind(1)
        shares = self._shares(places[:, 2], right_share, lower_share)
        sums = F.embedding_bag(
            (row[..., None] + self._corners).view(-1, 4 * self.points),
            self._table,
            per_sample_weights=shares.view(-1, 4 * self.points),
            mode="sum",
        )
        return sums.view(len(places), -1)

    def _shares(self, scores: Tensor, right: Tensor, bottom: Tensor) -> Tensor:
        """Map (pixels, samples) to the shares of the four corners, (pixels, samples, 4)."""
        # The points' softmax: a CPU is eight times faster if as few values are not adjacent.
        by_point = scores.unflatten(1, (-1, self.points)).movedim(-1, 0).contiguous()
        weights = by_point.softmax(0).movedim(0, -1).flatten(1)
        lower = weights * bottom
        upper = weights.sub_(lower)
        shares = scores.new_empty(*scores.shape, 4)
        upper_left, upper_right, lower_left, lower_right = shares.unbind(-1)
        torch.sub(upper, torch.mul(upper, right, out=upper_right), out=upper_left)
        torch.sub(lower, torch.mul(lower, right, out=lower_right), out=lower_left)
        return shares
