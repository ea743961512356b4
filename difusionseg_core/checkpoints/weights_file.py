"""Weights files: safetensors files that state which model they belong to."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from difusionseg_core.checkpoints.checkpoint_classes import label_set_of_checkpoint
from difusionseg_core.checkpoints.checkpoint_file import (
    check_finite,
    read_checkpoint,
    read_safetensors,
)
from difusionseg_core.checkpoints.model_files import SAFETENSORS, kind_of
from difusionseg_core.checkpoints.published_names import from_published, to_published
from difusionseg_core.classes import LabelSet, label_set_of, read_classes
from difusionseg_core.files import replaced_file, write_file
from difusionseg_core.network.model import DiFusionSeg, create_model

FORMAT = "difusionseg"

_OLD_FUSION = "fusion.correction.weight"  # only in the fusion module of version 0.1
_SHOWN = 12  # problems in one message
_CONVERT = "convert it first: difusionseg convert CHECKPOINT OUT.safetensors"
# The weight that counts the classes, and whether its name is the authors'.
_HEADS = {
    "decode_head.conv_seg.weight": True,
    "decode_head.conv_seg.pointwise.weight": True,
    "classifier.weight": False,
    "classifier.pointwise.weight": False,
}


@dataclass(frozen=True)
class ModelInfo:
    """The model that a weights file is for: `model` "paper" or "lite", its heads and its classes.

    `objects` says whether it has an object head. Without `label_set` the classes are those of
    `label_set_of`. Raises ValueError if there are not `num_classes` of them.
    """

    model: str
    num_classes: int
    scaled_head: bool = False
    label_set: LabelSet | None = None
    objects: bool = False

    def __post_init__(self) -> None:
        if self.label_set is None:
            object.__setattr__(self, "label_set", label_set_of(self.num_classes))
        if self.classes.num_classes != self.num_classes:
            raise ValueError(
                f"a model of {self.num_classes} classes, but {self.classes.num_classes} names"
            )

    @property
    def classes(self) -> LabelSet:
        """The classes, which are always known."""
        assert self.label_set is not None
        return self.label_set

    def create(self) -> DiFusionSeg:
        """Return the model, without weights."""
        model = create_model(self.model, self.num_classes, self.scaled_head, self.objects)
        model.label_set = self.classes
        return model

    def metadata(self) -> dict[str, str]:
        """Return as a weights file or a training's checkpoint stores it."""
        return {
            "format": FORMAT,
            "model": self.model,
            "num_classes": str(self.num_classes),
            "scaled_head": str(self.scaled_head),
            "objects": str(self.objects),
            "classes": self.classes.to_json(),
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], path: Path) -> ModelInfo:
        """Return the inverse of `metadata`, for the file `path`."""
        num_classes = int(metadata["num_classes"])
        label_set = read_classes(metadata, num_classes, path)
        scaled_head = metadata["scaled_head"] == "True"
        objects = metadata.get("objects") == "True"  # not in files of version 0.1
        return cls(metadata["model"], num_classes, scaled_head, label_set, objects)


def save_weights(model: DiFusionSeg, path: Path | str, info: ModelInfo) -> None:
    """Write a model's weights; the file appears complete or not at all.

    Raises ValueError if a weight is NaN or infinite.
    """
    path = Path(path)
    check_finite(model.state_dict(), "the model")
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    write_file(path, save(weights, info.metadata()))


def load_model(path: Path | str) -> DiFusionSeg:
    """Return the model of a weights file, filled. Raises as `load_model_and_info` does."""
    return load_model_and_info(path)[0]


def load_model_and_info(path: Path | str) -> tuple[DiFusionSeg, ModelInfo]:
    """Return the model of a weights file, filled, and its description.

    Raises FileNotFoundError, and ValueError, in one line, for a file that is damaged, is something
    else, does not fit its model, or holds NaN or infinite values.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no weights file {path}")
    if kind_of(path) != SAFETENSORS:
        raise ValueError(f"{path} is a PyTorch checkpoint; {_CONVERT}")
    weights, metadata = read_safetensors(path)
    if metadata.get("format") != FORMAT:
        raise ValueError(f"{path} was not written by this package; {_CONVERT}")
    info = ModelInfo.from_metadata(metadata, path)
    check_finite(weights, path)
    model = info.create()
    load_strictly(model, _with_new_fusion(weights, model, path), path)
    return model, info


def open_model(path: Path | str) -> tuple[DiFusionSeg, ModelInfo]:
    """The model of a weights file of this package or of a checkpoint, filled, and its description.

    Raises as `load_model_and_info` and `load_checkpoint` do.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no weights file {path}")
    ours = kind_of(path) == SAFETENSORS
    return load_model_and_info(path) if ours else load_checkpoint(path)


def import_checkpoint(source: Path, target: Path, ema: bool = False) -> ModelInfo:
    """Convert a checkpoint of the authors' code or of our training to a weights file.

    With `ema`, the moving averages in it. Raises as `read_checkpoint` does, and ValueError for
    weights that are not DiFusionSeg's.
    """
    model, info = load_checkpoint(source, ema)
    save_weights(model, target, info)
    return info


def load_checkpoint(source: Path, ema: bool = False) -> tuple[DiFusionSeg, ModelInfo]:
    """Return the model in a checkpoint; the names of its weights tell which one it is.

    Its classes are those that the checkpoint names. Raises as `import_checkpoint` does.
    """
    weights, known, classes = read_checkpoint(source, ema)
    head = next((name for name in _HEADS if name in weights), None)
    if head is None:
        raise ValueError(
            f"{source} is no DiFusionSeg checkpoint: expected a weight '{next(iter(_HEADS))}', "
            f"found {', '.join(list(weights)[:3])} and others"
        )
    lite = any(name.startswith("backbone.context.") for name in weights)
    scaled_head = ".pointwise." in head
    objects = any(name.startswith("objects.") for name in weights)
    if known:
        info = _described(known, source)
    else:
        label_set = label_set_of_checkpoint(classes, len(weights[head]), source)
        name = "lite" if lite else "paper"
        info = ModelInfo(name, label_set.num_classes, scaled_head, label_set, objects)
    model = info.create()
    if _HEADS[head]:
        weights = from_published(weights, list(model.state_dict()))
    load_strictly(model, _with_new_fusion(weights, model, source), source)
    return model, info


def _described(metadata: Mapping[str, str], source: Path) -> ModelInfo:
    try:
        return ModelInfo.from_metadata(metadata, source)
    except (KeyError, TypeError):
        raise ValueError(f"{source}: the description of its model is damaged") from None


def _with_new_fusion(
    weights: dict[str, Tensor], model: DiFusionSeg, source: Path
) -> dict[str, Tensor]:
    """Replace the fusion module of an earlier version of `lite` by an untrained one."""
    if _OLD_FUSION not in weights:
        return weights
    logging.getLogger(__name__).warning(
        "%s has the fusion module of an earlier version: its fused images are the brighter of both "
        "cameras, pixel by pixel, until it is trained again (--model.start)",
        source,
    )
    kept = {name: value for name, value in weights.items() if not _of_fusion(name)}
    return kept | {name: value for name, value in model.state_dict().items() if _of_fusion(name)}


def export_checkpoint(source: Path, target: Path) -> ModelInfo:
    """The inverse of `import_checkpoint`, for the authors' code: mmcv's `state_dict` and `meta`."""
    model, info = load_model_and_info(source)
    if info.model != "paper":
        raise ValueError(
            f"{source} holds a '{info.model}' model; the authors' code knows only 'paper'"
        )
    with replaced_file(target) as unfinished:
        meta = {
            "CLASSES": info.classes.class_names,
            "PALETTE": [list(color) for color in info.classes.palette],
        }
        torch.save({"meta": meta, "state_dict": to_published(model.state_dict())}, unfinished)
    return info


def load_published_weights(model: DiFusionSeg, state_dict: dict[str, Tensor]) -> None:
    """Fill a `paper` model with weights in the names of the authors' release.

    Raises ValueError for missing, unexpected and misshapen tensors. It names unexpected ones as
    given, the others as the model does.
    """
    load_strictly(model, from_published(state_dict, list(model.state_dict())))


def start_from(model: DiFusionSeg, path: Path | str) -> LabelSet:
    """Fill a model from a weights file of this package, or from a checkpoint.

    From weights for another number of classes everything else is taken; what depends on that number
    (classifiers, class embedding) stays as it is, and a log line names it. An object head that the
    weights lack stays as it is, too, and one that the model lacks is left out. Returns the classes
    of the weights. Raises as `open_model` does.
    """
    source, info = open_model(path)
    weights = source.state_dict()
    if info.num_classes != model.num_classes:
        own = model.state_dict()
        new = [name for name in own if name in weights and own[name].shape != weights[name].shape]
        weights |= {name: own[name] for name in new}
        logging.getLogger(__name__).warning(
            "%s has %d classes, this model %d: everything is taken from it but %s, which start "
            "from scratch",
            path,
            info.num_classes,
            model.num_classes,
            ", ".join(new),
        )
    if model.objects is not None and source.objects is None:
        own = model.state_dict()
        weights |= {name: value for name, value in own.items() if _of_object_head(name)}
    if model.objects is None and source.objects is not None:
        weights = {name: value for name, value in weights.items() if not _of_object_head(name)}
        logging.getLogger(__name__).warning(
            "%s has an object head, this model has none: it is left out", path
        )
    load_strictly(model, weights, path)
    return info.classes


def _of_fusion(name: str) -> bool:
    return name.startswith("fusion.")


def _of_object_head(name: str) -> bool:
    return name.startswith("objects.")


def load_strictly(
    model: DiFusionSeg, weights: dict[str, Tensor], source: Path | str = "the weights"
) -> None:
    """Fill a model. Raises ValueError for missing, unexpected and misshapen tensors."""
    wanted = model.state_dict()
    problems = [f"missing {name}" for name in wanted if name not in weights]
    problems += [f"unexpected {name}" for name in weights if name not in wanted]
    problems += [
        f"{name} is {tuple(weights[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in weights and weights[name].shape != tensor.shape
    ]
    if problems:
        more = len(problems) - _SHOWN
        listed = "; ".join(problems[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
        raise ValueError(f"{source} does not fit the model: {listed}")
    model.load_state_dict(weights)
