"""Small layers that several parts share. Images are (B, C, H, W) throughout."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from difusionseg_core.network.winograd import conv3x3

_MANY_CHANNELS = 64  # with fewer, Winograd's transforms cost as much as they save


class ChannelLayerNorm(nn.LayerNorm):
    """Layer norm over the channels of (B, C, H, W). Free of copies on channels-last memory."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, H, W) over C."""
        return self.scaled(x, self.weight, self.bias)

    def scaled(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Normalise with other scales and shifts (C,) than the layer's own."""
        pixels = x.permute(0, 2, 3, 1)
        normed = F.layer_norm(pixels, self.normalized_shape, weight, bias, self.eps)
        return normed.permute(0, 3, 1, 2)


class Conv3x3(nn.Conv2d):
    """Same-size 3x3 convolution with the parameters of `nn.Conv2d`.

    In eager float32 inference on a CPU, and between many channels, by Winograd's algorithm.
    """

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1, bias=bias)
        self.many_channels = min(in_channels, out_channels) >= _MANY_CHANNELS

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, C, H, W) at stride 1 with zero padding."""
        if self.many_channels and winograd_pays(x):
            return conv3x3(x, self.weight, self.bias)
        return super().forward(x)


def conv_norm(
    in_channels: int, out_channels: int, kernel: int, groups: int | None
) -> nn.Sequential:
    """Make a convolution without bias and a norm: group norm with `groups`, None: batch norm."""
    conv: nn.Conv2d
    if kernel == 3:
        conv = Conv3x3(in_channels, out_channels, bias=False)
    else:
        conv = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    norm = nn.GroupNorm(groups, out_channels) if groups else nn.BatchNorm2d(out_channels)
    return nn.Sequential(conv, norm)


def conv_bn_relu(
    in_channels: int,
    out_channels: int,
    kernel: int = 3,
    dilation: int = 1,
    groups: int = 1,
) -> tuple[nn.Conv2d, nn.BatchNorm2d, nn.ReLU]:
    """Make a same-size convolution with bias, batch norm, ReLU: layers of an `nn.Sequential`."""
    conv: nn.Conv2d
    if kernel == 3 and dilation == groups == 1:
        conv = Conv3x3(in_channels, out_channels)
    else:
        conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel,
            padding=dilation * (kernel // 2),
            dilation=dilation,
            groups=groups,
        )
    return conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)


def separable_conv(channels: int, out_channels: int) -> nn.Sequential:
    """Make depthwise 3x3, batch norm, ReLU, pointwise: a ninth of a 3x3 convolution's cost."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, out_channels, 1),
    )


def resize(x: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
    """Resize bilinearly, with pixel centres as in OpenCV (align_corners False)."""
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def halve(image: Tensor) -> Tensor:
    """Return the means of 2x2 pixels of (B, C, H, W), H and W even."""
    # A convolution: OpenVINO takes four times as long to resize few channels, and 16 to pool them.
    channels = int(image.shape[1])  # a constant for a tracer
    kernel = torch.eye(channels, device=image.device).view(channels, channels, 1, 1) / 4
    return F.conv2d(image, kernel.expand(-1, -1, 2, 2), stride=2)


def double_in_phases(x: Tensor) -> Tensor:
    """Map (B, C, h, w) to (B, C, 4, h, w): the four pixels that replace one at twice the size.

    In the order left upper, right upper, left lower, right lower; the values are those of `resize`.
    OpenVINO takes several times as long to resize.
    """
    channels = int(x.shape[1])  # a constant for a tracer
    side = torch.tensor([[0.25, 0.75, 0], [0, 0.75, 0.25]], device=x.device)
    pixels = side[:, None, :, None] * side[:, None]  # (2, 2, 3, 3)
    one = torch.eye(channels, device=x.device).view(channels, 1, 1, channels, 1, 1)
    kernel = one * pixels.view(1, 2, 2, 1, 3, 3)
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    kernel = kernel.view(4 * channels, channels, 3, 3)
    doubled = in_float32(lambda x: F.conv2d(x, kernel), padded)
    return doubled.view(-1, channels, 4, *x.shape[-2:])


def join_phases(phases: Tensor) -> Tensor:
    """Map (B, 4, h, w) of `double_in_phases` to (B, 2 h, 2 w)."""
    batch, _, height, width = phases.shape
    parts = phases.view(batch, 2, 2, height, width).permute(0, 3, 1, 4, 2)
    return parts.reshape(batch, 2 * height, 2 * width)


def in_float32(layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Compute `layer(x)` without autocast, because rounding could change the class."""
    if not torch.is_autocast_enabled(x.device.type):
        return layer(x)
    with torch.autocast(x.device.type, enabled=False):
        return layer(x.float())


def winograd_pays(x: Tensor) -> bool:
    """Return whether Winograd's algorithm is faster for `x`: in eager float32 on a CPU."""
    return in_pieces() and not x.is_cuda and not torch.is_autocast_enabled(x.device.type)


def in_pieces() -> bool:
    """Return whether to process large maps a few rows at a time, to save cache and memory.

    True in eager inference. Training needs the whole map for its gradients, and a compiler, which
    sees the whole graph, splits it better itself.
    """
    recorded = torch.jit.is_tracing() or torch.compiler.is_compiling()
    return not (torch.is_grad_enabled() or recorded)
