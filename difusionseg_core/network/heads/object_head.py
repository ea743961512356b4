"""An anchor-free object head for `lite`: centres of objects, and distances to their sides.

After CenterNet (Zhou et al., 2019) and TTFNet (Liu et al., AAAI 2020).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from difusionseg_core.network.encoder.two_path import DETAIL_WIDTH, separable
from difusionseg_core.network.layers import resize
from difusionseg_core.objects import OBJECT_CLASSES

_HIDDEN = 48
_FIRST_SCORE = 0.02  # before training, so that the many empty cells do not outweigh the few objects
_FIRST_EXTENT = 16.0  # pixels
_MOST = 4.0  # of the logarithm: 0.3 to 870 pixels


@dataclass(frozen=True)
class ObjectMaps:
    """Outputs of the object head.

    `heat` (B, 3, H/4, W/4), logits that a cell is the centre of an object of each of
    `OBJECT_CLASSES`; `extent` (B, 4, H/4, W/4), distances in pixels from the cell's middle to the
    left, top, right and bottom side of that object's box.
    """

    heat: Tensor
    extent: Tensor

    def peaks(self) -> Tensor:
        """Return (B, 3, H/4, W/4) scores, 0 to 1, of local maxima in 3x3 cells, 0 elsewhere."""
        scores = self.heat.float().sigmoid()
        return scores * (scores == F.max_pool2d(scores, 3, stride=1, padding=1))


class ObjectHead(nn.Module):
    """The neck's `features` (B, dim, h, w) and `detail` (B, DETAIL_WIDTH, H/4, W/4) -> maps."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(dim, DETAIL_WIDTH, 1)
        hidden = (*separable(DETAIL_WIDTH, _HIDDEN), *separable(_HIDDEN, _HIDDEN))
        last = nn.Conv2d(_HIDDEN, len(OBJECT_CLASSES) + 4, 1)
        self.layers = nn.Sequential(*hidden, last)
        assert last.bias is not None
        nn.init.normal_(last.weight, std=0.01)
        nn.init.zeros_(last.bias)
        nn.init.constant_(last.bias.data[: len(OBJECT_CLASSES)], -math.log(1 / _FIRST_SCORE - 1))

    def forward(self, features: Tensor, detail: Tensor) -> ObjectMaps:
        """Find objects in the features of decoder and detail."""
        x = self.layers(detail + resize(self.project(features), detail.shape[-2:])).float()
        heat, extent = x.split([len(OBJECT_CLASSES), 4], dim=1)
        # Sizes range from a few pixels to the whole image, so the logarithm is learned.
        return ObjectMaps(heat, _FIRST_EXTENT * extent.clamp(-_MOST, _MOST).exp())
