"""ImageNet weights of ConvNeXt-T from a user's file, in the names of its publisher."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor

from difusionseg_core.checkpoints.checkpoint_file import read_checkpoint
from difusionseg_core.network.encoder.convnext import ConvNeXt

# Names of others, as patterns -> ours. torchvision counts stages and downsampling layers in one
# sequence, so its stage number is twice ours.
_AUTHORS = (
    (r"downsample_layers\.(\d)\.(\d)\.(.+)", r"downsample.\1.\2.\3"),
    (r"stages\.(\d)\.(\d)\.gamma", r"stages.\1.\2.gamma"),
    (r"stages\.(\d)\.(\d)\.(?:dwconv|depthwise_conv)\.(.+)", r"stages.\1.\2.depthwise.\3"),
    (r"stages\.(\d)\.(\d)\.norm\.(.+)", r"stages.\1.\2.norm.\3"),
    (r"stages\.(\d)\.(\d)\.(?:pwconv1|pointwise_conv1)\.(.+)", r"stages.\1.\2.expand.\3"),
    (r"stages\.(\d)\.(\d)\.(?:pwconv2|pointwise_conv2)\.(.+)", r"stages.\1.\2.project.\3"),
)
_TIMM = (
    (r"stem\.(\d)\.(.+)", r"downsample.0.\1.\2"),
    (r"stages\.(\d)\.downsample\.(\d)\.(.+)", r"downsample.\1.\2.\3"),
    (r"stages\.(\d)\.blocks\.(\d)\.gamma", r"stages.\1.\2.gamma"),
    (r"stages\.(\d)\.blocks\.(\d)\.conv_dw\.(.+)", r"stages.\1.\2.depthwise.\3"),
    (r"stages\.(\d)\.blocks\.(\d)\.norm\.(.+)", r"stages.\1.\2.norm.\3"),
    (r"stages\.(\d)\.blocks\.(\d)\.mlp\.fc1\.(.+)", r"stages.\1.\2.expand.\3"),
    (r"stages\.(\d)\.blocks\.(\d)\.mlp\.fc2\.(.+)", r"stages.\1.\2.project.\3"),
)
_TORCHVISION = (
    (r"features\.0\.(\d)\.(.+)", r"downsample.0.\1.\2"),
    (r"features\.([246])\.(\d)\.(weight|bias)", r"downsample.\1/2.\2.\3"),
    (r"features\.([1357])\.(\d)\.layer_scale", r"stages.\1/2.\2.gamma"),
    (r"features\.([1357])\.(\d)\.block\.0\.(.+)", r"stages.\1/2.\2.depthwise.\3"),
    (r"features\.([1357])\.(\d)\.block\.2\.(.+)", r"stages.\1/2.\2.norm.\3"),
    (r"features\.([1357])\.(\d)\.block\.3\.(.+)", r"stages.\1/2.\2.expand.\3"),
    (r"features\.([1357])\.(\d)\.block\.5\.(.+)", r"stages.\1/2.\2.project.\3"),
)


def load_convnext_weights(backbone: ConvNeXt, path: Path | str) -> None:
    """Fill a backbone from a PyTorch or safetensors file; nothing in the file is executed.

    The output norms, which the ImageNet network lacks, keep their values. Raises as
    `read_checkpoint` does, and ValueError for a file without these weights.
    """
    published = read_checkpoint(path).weights
    try:
        weights = convnext_weights(published, backbone)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    backbone.load_state_dict(weights, strict=False)


def convnext_weights(published: dict[str, Tensor], backbone: ConvNeXt) -> dict[str, Tensor]:
    """Return imageNet weights in the names and shapes of `backbone`, except its output norms.

    The checkpoints have three input channels; the thermal channel starts from their mean. Weights
    outside a backbone are ignored. Raises ValueError for missing weights and wrong shapes.
    """
    wanted = {
        name: tensor
        for name, tensor in backbone.state_dict().items()
        if not name.startswith("norms.")
    }
    found = {}
    for name, tensor in published.items():
        ours = _our_name(name.removeprefix("backbone."))
        if ours in wanted:
            found[ours] = tensor
    stem = "downsample.0.0.weight"
    if stem in found and found[stem].ndim == 4 and found[stem].shape[1] == 3:
        found[stem] = torch.cat([found[stem], found[stem].mean(dim=1, keepdim=True)], dim=1)
    missing = [name for name in wanted if name not in found]
    if missing:
        raise ValueError(
            f"expected weights of ConvNeXt-T in the names of torchvision, timm or its authors: "
            f"{len(missing)} of {len(wanted)} are missing, {missing[0]} first"
        )
    for name, tensor in found.items():
        # Linear layers and scales are published without the two image axes.
        if tensor.numel() != wanted[name].numel():
            raise ValueError(
                f"{name} is {tuple(tensor.shape)} instead of {tuple(wanted[name].shape)}: "
                "another size of ConvNeXt?"
            )
        found[name] = tensor.reshape(wanted[name].shape)
    return found


def _our_name(name: str) -> str | None:
    for pattern, ours in (*_AUTHORS, *_TIMM, *_TORCHVISION):
        match = re.fullmatch(pattern, name)
        if match:
            return re.sub(r"(\d)/2", lambda half: str(int(half[1]) // 2), match.expand(ours))
    return None
