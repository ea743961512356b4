"""ImageNet weights of ConvNeXt-T under the names of three publishers, with random values."""

from __future__ import annotations

import re

import pytest
import torch
from safetensors.torch import save_file

from difusionseg_core.checkpoints.imagenet import load_convnext_weights
from difusionseg_core.network.encoder.convnext import TINY_DEPTHS, ConvNeXt

HEAD = ("weight", "bias")


def authors(stage: int, block: int | None, part: str) -> str:
    if block is None:
        return f"downsample_layers.{stage}.{part}"
    names = {"depthwise": "dwconv", "expand": "pwconv1", "project": "pwconv2"}
    return f"stages.{stage}.{block}.{names.get(part, part)}"


def timm(stage: int, block: int | None, part: str) -> str:
    if block is None:
        return f"stages.{stage}.downsample.{part}" if stage else f"stem.{part}"
    names = {"depthwise": "conv_dw", "expand": "mlp.fc1", "project": "mlp.fc2"}
    return f"stages.{stage}.blocks.{block}.{names.get(part, part)}"


def torchvision(stage: int, block: int | None, part: str) -> str:
    if block is None:
        return f"features.{2 * stage}.{part}"
    if part == "gamma":
        return f"features.{2 * stage + 1}.{block}.layer_scale"
    names = {"depthwise": "block.0", "norm": "block.2", "expand": "block.3", "project": "block.5"}
    return f"features.{2 * stage + 1}.{block}.{names[part]}"


def published(name, width: int = 96) -> dict[str, torch.Tensor]:
    """A checkpoint of three input channels with random values, and a head that is not used."""
    generator = torch.Generator().manual_seed(0)
    weights = {}

    def add(key: str, *shape: int) -> None:
        weights[key] = torch.randn(shape, generator=generator)

    for stage, depth in enumerate(TINY_DEPTHS):
        dim, norm, conv = width * 2**stage, ("1", "0")[stage > 0], ("0", "1")[stage > 0]
        add(f"{name(stage, None, conv)}.weight", dim, *((dim // 2, 2, 2) if stage else (3, 4, 4)))
        add(f"{name(stage, None, conv)}.bias", dim)
        for kind in HEAD:
            add(f"{name(stage, None, norm)}.{kind}", dim // 2 if stage else dim)
        for block in range(depth):
            add(name(stage, block, "gamma"), dim, *((1, 1) if name is torchvision else ()))
            add(f"{name(stage, block, 'depthwise')}.weight", dim, 1, 7, 7)
            add(f"{name(stage, block, 'expand')}.weight", 4 * dim, dim)
            add(f"{name(stage, block, 'project')}.weight", dim, 4 * dim)
            add(f"{name(stage, block, 'expand')}.bias", 4 * dim)
            for part in ("depthwise", "project"):
                add(f"{name(stage, block, part)}.bias", dim)
            for kind in HEAD:
                add(f"{name(stage, block, 'norm')}.{kind}", dim)
    add("head.fc.weight", 10, 8 * width)
    return weights


@pytest.mark.parametrize("name", [authors, timm, torchvision])
def test_all_weights_are_loaded(tmp_path, name) -> None:
    weights = published(name)
    torch.save({"model": weights} if name is authors else weights, tmp_path / "tiny.pth")
    save_file(weights, tmp_path / "tiny.safetensors")
    backbone, other = ConvNeXt(), ConvNeXt()
    norms = {key: value.clone() for key, value in backbone.norms.state_dict().items()}
    load_convnext_weights(backbone, tmp_path / "tiny.pth")
    load_convnext_weights(other, tmp_path / "tiny.safetensors")
    loaded = backbone.state_dict()
    assert all(torch.equal(loaded[f"norms.{key}"], value) for key, value in norms.items())
    assert all(torch.equal(value, other.state_dict()[key]) for key, value in loaded.items())
    stem = weights[f"{name(0, None, '0')}.weight"]
    assert torch.equal(loaded["downsample.0.0.weight"][:, :3], stem)
    assert torch.allclose(loaded["downsample.0.0.weight"][:, 3], stem.mean(1))
    assert torch.equal(loaded["downsample.2.1.bias"], weights[f"{name(2, None, '1')}.bias"])
    assert torch.equal(
        loaded["stages.2.8.project.weight"].flatten(1), weights[f"{name(2, 8, 'project')}.weight"]
    )
    assert torch.equal(loaded["stages.3.1.gamma"], weights[name(3, 1, "gamma")].flatten())
    assert torch.equal(loaded["stages.0.2.norm.bias"], weights[f"{name(0, 2, 'norm')}.bias"])


def test_mismatching_weights_are_refused_in_one_line(tmp_path) -> None:
    file = tmp_path / "weights.pth"
    complaints = {
        "another size of ConvNeXt": published(timm, width=32),
        "1 of 178 are missing, stages.1.1.gamma first": {
            key: value for key, value in published(authors).items() if key != "stages.1.1.gamma"
        },
        "expected a dictionary of tensors": {"model": {"x": 1}},
        "re._compile, whose code is not run": {"model": {"x": torch.ones(1), "y": re.compile("")}},
    }
    for complaint, content in complaints.items():
        torch.save(content, file)
        with pytest.raises(ValueError, match=complaint) as caught:
            load_convnext_weights(ConvNeXt(), file)
        assert str(file) in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError, match="nowhere.pth"):
        load_convnext_weights(ConvNeXt(), tmp_path / "nowhere.pth")
