"""The decoder in eager inference on a CPU: a few rows of the map at a time, to stay in the cache.

The arithmetic is that of `decoder_layer.DecoderLayer`. A block of rows passes through all of a
layer, and through the next layer's projection, before the next block is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from difusionseg_core.network.denoising.block_sampling import SampledMap
from difusionseg_core.network.denoising.decoder_layer import DecoderLayer

_PIXELS_AT_A_TIME = 1280


def decode_in_blocks(
    layers: Sequence[DecoderLayer], x: Tensor, position: tuple[Tensor, Tensor], time: Tensor
) -> Tensor:
    """Apply `layers` to a float32 map (B, dim, h, w); see `DecoderLayer` for the rest.

    Matrix products are in autocast's type, all else is in float32. No gradients.
    """
    half = torch.is_autocast_enabled("cpu")
    dtype = torch.get_autocast_dtype("cpu") if half else torch.float32
    images = x.permute(0, 2, 3, 1).clone(memory_format=torch.contiguous_format)
    with torch.autocast("cpu", enabled=False):
        times = time.float().expand(len(images), -1)
        rows_of_layers = [_RowsOfLayer(layer, position, times, dtype) for layer in layers]
        attention = layers[0].attention
        now, following = (
            SampledMap(images[0].shape, attention.heads, attention.points) for _ in range(2)
        )
        for index, image in enumerate(images):
            for first, rows in _blocks(image):
                rows_of_layers[0].project(rows, now, first)
            for layer, next_layer in zip(rows_of_layers, [*rows_of_layers[1:], None], strict=True):
                for first, rows in _blocks(image):
                    layer.apply(rows, now, first, index)
                    if next_layer is not None:
                        next_layer.project(rows, following, first)
                now, following = following, now
    return images.permute(0, 3, 1, 2)


def _blocks(image: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Yield blocks of rows of (h, w, dim), each with the number of its first row."""
    count = max(1, _PIXELS_AT_A_TIME // image.shape[1])
    for first in range(0, len(image), count):
        yield first, image[first : first + count]


class _RowsOfLayer:
    """A decoder layer for rows (r, w, dim) float32, with its weights in `dtype`.

    `times` (B, 4 * dim) are the time embeddings of the images.
    """

    def __init__(
        self,
        layer: DecoderLayer,
        position: tuple[Tensor, Tensor],
        times: Tensor,
        dtype: torch.dtype,
    ) -> None:
        self.dtype = dtype
        self.norm1, self.norm2 = layer.norm1, layer.norm2
        attention = layer.attention
        self.output, self.expand, self.contract = (
            _matrix(conv, dtype) for conv in (attention.output, layer.expand, layer.project)
        )
        value, value_bias = _matrix(attention.value, dtype)
        offsets, offset_bias = _matrix(attention.offsets, dtype)
        scores, score_bias = _matrix(attention.weights, dtype)
        query = torch.cat([offsets[0::2], offsets[1::2], scores])  # x of all samples, y, scores
        bias = torch.cat([value_bias, offset_bias[0::2], offset_bias[1::2], score_bias])
        self.projection = torch.cat([value, query]), bias
        # The position's share in the queries depends on the row or on the column alone.
        self.by_row, self.by_column = (
            code[0].flatten(1).T @ weight.T.float()
            for code, weight in zip(position, query.chunk(2, dim=1), strict=True)
        )
        # Offsets count from the pixel, and places from 1.
        samples = len(scores)
        self.by_column[:, :samples] += torch.arange(1, len(self.by_column) + 1)[:, None]
        self.by_row[:, samples : 2 * samples] += torch.arange(1, len(self.by_row) + 1)[:, None]
        scale, shift = layer.film(F.silu(times)).chunk(2, dim=1)
        self.gain = self.norm2.weight * (1 + scale)
        self.shift = self.norm2.bias * (1 + scale) + shift

    def project(self, rows: Tensor, sampled: SampledMap, first: int) -> None:
        """Write the values and places of rows, the first of which has the number `first`."""
        last, dim = first + len(rows), rows.shape[2]
        projected = F.linear(rows.to(self.dtype), *self.projection)
        sampled.values[first:last] = projected[..., :dim]
        places = torch.add(projected[..., dim:], self.by_column, out=sampled.places[first:last])
        places += self.by_row[first:last, None]

    def apply(self, rows: Tensor, sampled: SampledMap, first: int, image: int) -> None:
        """Apply the layer to rows of the image number `image`, in place."""
        size = rows.shape[2:]
        means = sampled.sample(first, first + len(rows)).view_as(rows)
        rows += F.linear(means.to(self.dtype), *self.output)
        x = F.layer_norm(rows, size, self.norm1.weight, self.norm1.bias, self.norm1.eps)
        x += F.linear(F.gelu(F.linear(x.to(self.dtype), *self.expand)), *self.contract)
        rows[:] = F.layer_norm(x, size, self.gain[image], self.shift[image], self.norm2.eps)


def _matrix(conv: nn.Conv2d, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return the weight (out, in) and the bias (out,) of a 1x1 convolution."""
    assert conv.bias is not None
    return conv.weight.flatten(1).to(dtype), conv.bias.to(dtype)
