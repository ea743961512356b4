"""Backbone and neck of `lite`: context at half size, detail at full size.

As in BiSeNet (Yu et al., ECCV 2018).

A half-size image is enough to recognise an object, at a quarter of the cost; a few cheap
convolutions over the full image find its outline.
"""

from __future__ import annotations

from torch import Tensor, nn

from difusionseg_core.network.encoder.efficientnet_lite import EfficientNetLite0
from difusionseg_core.network.encoder.neck import MergedPyramid
from difusionseg_core.network.layers import halve, resize

DETAIL_WIDTH = 32
"""Channels of the maps at stride 4."""


class TwoPathBackbone(nn.Module):
    """(B, 4, H, W) -> feature maps at strides 4 (from the full image), 8, 16, 32 and 64."""

    def __init__(self) -> None:
        super().__init__()
        self.context = EfficientNetLite0()
        self.detail = nn.Sequential(
            *_strided(4, 16), *_strided(16, DETAIL_WIDTH), *separable(DETAIL_WIDTH, DETAIL_WIDTH)
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map an image (B, 4, H, W) to feature maps: detail, then context from fine to coarse."""
        return [self.detail(image), *self.context(halve(image))]


class TwoPathNeck(nn.Module):
    """The backbone's maps -> (merged, detail).

    `merged` (B, dim, h, w) at stride 16, of the context's pyramid; `detail` (B, DETAIL_WIDTH, H/4,
    W/4) is the detail path with the pyramid's finest level, at stride 8, added.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.pyramid = MergedPyramid(EfficientNetLite0.widths, dim, groups=None, merge_level=1)
        self.project = nn.Conv2d(dim, DETAIL_WIDTH, 1)
        self.detail = nn.Sequential(*separable(DETAIL_WIDTH, DETAIL_WIDTH))
        self.stride = 16

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Merge the feature maps into those of the decoder and of the detail."""
        detail, *context = features
        merged, finest = self.pyramid(context)
        return merged, self.detail(detail + resize(self.project(finest), detail.shape[-2:]))


class DetailRefinement(nn.Module):
    """Logits at stride 4 from the decoder's features at stride 16 and the neck's detail."""

    def __init__(self, dim: int, num_classes: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(dim, DETAIL_WIDTH, 1)
        self.layers = nn.Sequential(
            *separable(DETAIL_WIDTH, DETAIL_WIDTH), nn.Conv2d(DETAIL_WIDTH, num_classes, 1)
        )

    def forward(self, features: Tensor, detail: Tensor) -> Tensor:
        """Compute the final logits from the decoder's features and the detail."""
        return self.layers(detail + resize(self.project(features), detail.shape[-2:]))


def _strided(in_channels: int, out_channels: int) -> tuple[nn.Module, ...]:
    conv = nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1, bias=False)
    return conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)


def separable(in_channels: int, out_channels: int) -> tuple[nn.Module, ...]:
    """Make a depthwise 3x3 and a pointwise convolution, with a batch norm after each."""
    return (
        nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False),
        nn.BatchNorm2d(in_channels),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )
