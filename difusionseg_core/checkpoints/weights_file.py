"""Weights on the disk: safetensors files that say which model they belong to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from difusionseg_core.checkpoints.published_names import (
    from_published,
    read_published,
    to_published,
)
from difusionseg_core.network.model import DiFusionSeg, create_model

FORMAT = "difusionseg"


@dataclass(frozen=True)
class ModelInfo:
    """What a weights file was made for: `model` "paper" or "lite", and its head."""

    model: str
    num_classes: int
    scaled_head: bool = False


def save_weights(model: DiFusionSeg, path: Path | str, info: ModelInfo) -> None:
    """Write a model's weights; the file appears whole or not at all."""
    path = Path(path)
    metadata = {"format": FORMAT, **{key: str(value) for key, value in asdict(info).items()}}
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_bytes(save(weights, metadata))
    os.replace(unfinished, path)


def load_model(path: Path | str) -> DiFusionSeg:
    """Build the model that a weights file was made for and fill it.

    Raises FileNotFoundError where there is no file, ValueError where it is no weights file of this
    package or does not fit the model.
    """
    return load_model_and_info(path)[0]


def import_checkpoint(source: Path, target: Path) -> ModelInfo:
    """Convert a published checkpoint to a weights file; its names tell the kind of model.

    Raises as `read_published` and `load_published_weights` do.
    """
    weights = read_published(source)
    scaled_head = "decode_head.conv_seg.depthwise.weight" in weights
    head = "decode_head.conv_seg.pointwise.weight" if scaled_head else "decode_head.conv_seg.weight"
    if head not in weights:
        raise ValueError(f"{source} is no DiFusionSeg checkpoint: it has no '{head}'")
    info = ModelInfo("paper", len(weights[head]), scaled_head)
    model = create_model(info.model, info.num_classes, info.scaled_head)
    load_published_weights(model, weights)
    save_weights(model, target, info)
    return info


def export_checkpoint(source: Path, target: Path) -> ModelInfo:
    """The inverse of `import_checkpoint`: for the authors' code, under `state_dict` as mmcv has
    it.
    """
    model, info = load_model_and_info(source)
    if info.model != "paper":
        raise ValueError(
            f"{source} holds a '{info.model}' model; the authors' code knows only 'paper'"
        )
    unfinished = target.with_name(target.name + ".part")
    torch.save({"state_dict": to_published(model.state_dict())}, unfinished)
    os.replace(unfinished, target)
    return info


def load_model_and_info(path: Path | str) -> tuple[DiFusionSeg, ModelInfo]:
    """`load_model`, and what the file says of itself."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no weights file {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:  # safetensors raises a class of its own that it does not export
        raise ValueError(f"{path} is no safetensors file, or damaged: {error}") from error
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f"{path} was not written by this package; convert a published checkpoint first: "
            "difusionseg convert CHECKPOINT.pth OUT.safetensors"
        )
    info = ModelInfo(
        metadata["model"], int(metadata["num_classes"]), metadata["scaled_head"] == "True"
    )
    model = create_model(info.model, info.num_classes, info.scaled_head)
    load_strictly(model, weights)
    return model, info


def average_weights(sources: Sequence[Path], target: Path) -> ModelInfo:
    """Write the mean of weights files, tensor by tensor.

    Raises as `load_model` does, and ValueError where they are of different models.
    """
    models, infos = zip(*(load_model_and_info(source) for source in sources), strict=True)
    for source, info in zip(sources, infos, strict=True):
        if info != infos[0]:
            raise ValueError(f"{source} holds {info}, but {sources[0]} {infos[0]}")
    states = [model.state_dict() for model in models]
    with torch.no_grad():
        for name, tensor in states[0].items():  # counts of batches, which are whole, are cut off
            mean = torch.stack([state[name].double() for state in states]).mean(0)
            tensor.copy_(mean)
    save_weights(models[0], target, infos[0])
    return infos[0]


def load_published_weights(model: DiFusionSeg, state_dict: dict[str, Tensor]) -> None:
    """Fill a `paper` model with weights in the names of the authors' release.

    ValueError lists every missing, unexpected and misshapen tensor; those are named as the model
    names them, unexpected ones as they came.
    """
    load_strictly(model, from_published(state_dict, list(model.state_dict())))


def start_from(model: DiFusionSeg, path: Path | str) -> None:
    """Fill a model from a weights file of this package, or from a published checkpoint (.pth).

    Raises as `load_model`, `read_published` and `load_published_weights` do.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        load_strictly(model, load_model(path).state_dict())
    else:
        load_published_weights(model, read_published(path))


def load_strictly(model: DiFusionSeg, weights: dict[str, Tensor]) -> None:
    """Fill a model; ValueError lists every missing, unexpected and misshapen tensor."""
    wanted = model.state_dict()
    problems = [f"missing {name}" for name in wanted if name not in weights]
    problems += [f"unexpected {name}" for name in weights if name not in wanted]
    problems += [
        f"{name} is {tuple(weights[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in weights and weights[name].shape != tensor.shape
    ]
    if problems:
        raise ValueError("the weights do not fit the model: " + "; ".join(problems))
    model.load_state_dict(weights)
