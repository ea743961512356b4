"""Convert weights between the names and channel order of the authors' release and ours.

The release emits BGR and this package RGB, so the channels of the few weights that touch the fused
image are reversed; its linear layers over pixels are 1x1 convolutions here.
"""

from __future__ import annotations

import re

from torch import Tensor

# Our names and the release's, by leading part; `#` stands for an index. First match counts.
_NAMES = (
    ("backbone.downsample.#.", "backbone.downsample_layers.#."),
    ("backbone.stages.#.#.depthwise.", "backbone.stages.#.#.depthwise_conv."),
    ("backbone.stages.#.#.expand.", "backbone.stages.#.#.pointwise_conv1."),
    ("backbone.stages.#.#.project.", "backbone.stages.#.#.pointwise_conv2."),
    ("backbone.stages.", "backbone.stages."),
    ("backbone.norms.#.", "backbone.norm#."),
    ("neck.laterals.#.0.", "neck.lateral_convs.#.conv."),
    ("neck.laterals.#.1.", "neck.lateral_convs.#.gn."),
    ("neck.outputs.#.0.", "neck.fpn_convs.#.conv."),
    ("neck.outputs.#.1.", "neck.fpn_convs.#.gn."),
    ("neck.merge.0.", "neck.merge.down.conv."),
    ("neck.merge.1.", "neck.merge.down.gn."),
    ("fusion.low1.", "fusion.low_conv1."),
    ("fusion.low2.", "fusion.low_conv2."),
    ("fusion.dilated.", "fusion.dilated_conv."),
    ("fusion.grouped.", "fusion.grouped_conv."),
    ("fusion.low_join.", "fusion.fusion_conv."),
    ("fusion.high.", "fusion.high_conv."),
    ("fusion.cross.", "fusion.cross_fusion."),
    ("fusion.output.", "fusion.output_conv."),
    ("fusion.color_gain.", "fusion.se_block."),
    ("fusion_down.", "fusion_down."),
    ("join.", "transform.conv."),
    ("time_embedding.frequencies", "time_mlp.0.weights"),
    ("time_embedding.mlp.0.", "time_mlp.1."),
    ("time_embedding.mlp.2.", "time_mlp.3."),
    ("class_embedding.", "embedding_table."),
    (
        "decoder.layers.#.attention.offsets.",
        "decode_head.encoder.layers.#.attentions.0.sampling_offsets.",
    ),
    (
        "decoder.layers.#.attention.weights.",
        "decode_head.encoder.layers.#.attentions.0.attention_weights.",
    ),
    ("decoder.layers.#.attention.value.", "decode_head.encoder.layers.#.attentions.0.value_proj."),
    (
        "decoder.layers.#.attention.output.",
        "decode_head.encoder.layers.#.attentions.0.output_proj.",
    ),
    ("decoder.layers.#.expand.", "decode_head.encoder.layers.#.ffns.0.layers.0.0."),
    ("decoder.layers.#.project.", "decode_head.encoder.layers.#.ffns.0.layers.1."),
    ("decoder.layers.#.norm1.", "decode_head.encoder.layers.#.norms.0."),
    ("decoder.layers.#.norm2.", "decode_head.encoder.layers.#.norms.1."),
    ("decoder.layers.#.film.", "decode_head.encoder.layers.#.time_mlp.1."),
    ("classifier.", "decode_head.conv_seg."),
    ("auxiliary.0.", "auxiliary_head.convs.0.conv."),
    ("auxiliary.1.", "auxiliary_head.convs.0.bn."),
    ("auxiliary.4.", "auxiliary_head.conv_seg."),
)

# The axis along which a weight counts the fused image's colours.
_COLOR_AXES = {
    "fusion.output.3.weight": 0,
    "fusion.output.3.bias": 0,
    "fusion.color_gain.1.weight": 1,
    "fusion.color_gain.3.weight": 0,
    "fusion.color_gain.3.bias": 0,
    "fusion_down.0.weight": 1,
}

# Linear layers of the release that are 1x1 convolutions here.
_LINEAR = re.compile(
    r"^(backbone\.stages\..*(expand|project)|"
    r"decoder\.layers\..*(offsets|weights|value|output|expand|project))\.weight$"
)


def published_name(name: str) -> str:
    """Return the release's name of one of our weights: `transform.conv.bias` for `join.bias`.

    Raises ValueError for a weight that only `lite` has.
    """
    for ours, theirs in _NAMES:
        pattern = re.escape(ours).replace(r"\#", "#").replace("#", r"(\d+)")
        match = re.match(pattern, name)
        if match:
            leading = theirs
            for index in match.groups():
                leading = leading.replace("#", index, 1)
            return leading + name[match.end() :]
    raise ValueError(f"'{name}' has no counterpart in the published model, which is 'paper'")


def from_published(state_dict: dict[str, Tensor], names: list[str]) -> dict[str, Tensor]:
    """Rename a release's weights and convert them to RGB; `names` are ours.

    Weights without a counterpart keep their name, so that a strict check can report them.
    """
    ours = {published_name(name): name for name in names}
    renamed = {ours.get(name, name): tensor for name, tensor in state_dict.items()}
    return {name: _as_conv(name, _swap_colors(name, tensor)) for name, tensor in renamed.items()}


def to_published(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the inverse of `from_published`: weights trained here, for the authors' code."""
    return {
        published_name(name): _as_linear(name, _swap_colors(name, tensor))
        for name, tensor in state_dict.items()
    }


def _swap_colors(name: str, tensor: Tensor) -> Tensor:
    axis = _COLOR_AXES.get(name)
    return tensor if axis is None else tensor.flip(axis)


def _as_conv(name: str, tensor: Tensor) -> Tensor:
    return tensor[..., None, None] if _LINEAR.search(name) and tensor.ndim == 2 else tensor


def _as_linear(name: str, tensor: Tensor) -> Tensor:
    return tensor.flatten(1) if _LINEAR.search(name) else tensor
