"""The weights in a checkpoint of any trainer: mmcv, Lightning, plain PyTorch, safetensors."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from torch import Tensor

from difusionseg_core.checkpoints.checkpoint_classes import StoredClasses, stored_classes
from difusionseg_core.checkpoints.model_files import SAFETENSORS, kind_of
from difusionseg_core.checkpoints.torch_file import StoredTensor, TorchFile, is_placeholder

MODEL_INFO = "difusionseg_model"
"""Where our training checkpoints keep a `ModelInfo`, as a dictionary."""

_KEYS = ("state_dict", "model_state_dict", "model")
_EMA_KEYS = ("state_dict_ema", "ema_state_dict", "model_ema", "ema_model", "ema")
_PREFIXES = ("module.", "model.", "_orig_mod.")
_DEPTH = 4  # of dictionaries in each other
_EMA_PREFIX = "ema_"  # of mmcv: ema_backbone_norm0_weight beside backbone.norm0.weight

_log = logging.getLogger(__name__)


class Checkpoint(NamedTuple):
    """`weights` by name, without the prefixes of wrappers, and information about the model.

    `model_info` is the MODEL_INFO of our training, {} in others; `classes` are those of mmcv.
    """

    weights: dict[str, Tensor]
    model_info: dict
    classes: StoredClasses


def read_checkpoint(path: Path | str, ema: bool = False) -> Checkpoint:
    """Read the weights in a checkpoint, and its description of the model.

    Nothing in the file is executed, see `torch_file`. With `ema`, the moving averages that some
    trainers keep beside the weights. Raises FileNotFoundError, and ValueError, in one line, for a
    file that is damaged or something else, that holds no weights, or NaN or infinite ones.
    """
    path = Path(path)
    kind, content = kind_of(path), dict[str, Any]()
    if kind == SAFETENSORS:
        if ema:
            raise ValueError(f"{path} is a safetensors file, which holds one set of weights")
        weights = read_safetensors(path)[0]
    else:
        file = TorchFile(path, kind)
        stored = _choose(path, file.content, ema)
        weights = {name: file.load(tensor) for name, tensor in stored.items()}
        content = file.content if isinstance(file.content, dict) else content
    weights = _without_prefixes(path, weights)
    check_finite(weights, path)
    info = content.get(MODEL_INFO)
    return Checkpoint(weights, info if isinstance(info, dict) else {}, stored_classes(content))


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return tensors and metadata of a safetensors file. Raises ValueError if it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return weights, file.metadata() or {}
    except Exception as error:  # safetensors raises a class of its own that it does not export
        raise ValueError(f"{path} is damaged: {error}") from error


def check_finite(weights: Mapping[str, Tensor], path: Path | str) -> None:
    """Raise ValueError if a weight is NaN or infinite."""
    bad = [
        name
        for name, tensor in weights.items()
        if tensor.is_floating_point() and not torch.isfinite(tensor).all()
    ]
    if bad:
        raise ValueError(
            f"{path} holds NaN or infinite values in {len(bad)} of {len(weights)} tensors, first "
            f"in {bad[0]}: the training diverged; use an earlier checkpoint"
        )


def _choose(path: Path, content: Any, ema: bool) -> dict[str, StoredTensor]:
    """Return the dictionary of weights within the saved object."""
    if is_placeholder(content):
        raise ValueError(
            f"{path} holds a pickled {content.wanted}, whose code is not run here, and not a "
            "dictionary of weights: save model.state_dict() instead"
        )
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, not a dictionary of weights")
    found = _ema_weights(content) if ema else _descend(content)
    if found is None:
        raise ValueError(
            f"{path} holds no moving averages: expected one of {', '.join(_EMA_KEYS)}, or mmcv's "
            f"'{_EMA_PREFIX}' weights; found {_listed(content)}"
        )
    tensors = {name: value for name, value in found.items() if isinstance(value, StoredTensor)}
    if not tensors:
        raise ValueError(
            f"{path} holds no weights: expected a dictionary of tensors, or one under "
            f"{', '.join(_KEYS)}; found {_listed(found)}"
        )
    if ema:  # beside them stands the number of updates and the like
        return tensors
    for name, value in found.items():
        if name not in tensors:
            raise ValueError(f"{path}: '{name}' is {_kind(value)}, not a tensor")
    return _without_ema(path, tensors)


def _descend(content: dict) -> dict:
    for _ in range(_DEPTH):
        inner = [content[key] for key in _KEYS if isinstance(content.get(key), dict)]
        if not inner:
            break
        content = dict(inner[0])
    return content


def _ema_weights(content: dict) -> dict | None:
    for key in _EMA_KEYS:
        if isinstance(content.get(key), dict):
            averaged = dict(content[key])
            inner = averaged.get("module")
            return _descend(dict(inner) if isinstance(inner, dict) else averaged)
    plain = _descend(content)
    averages = _mmcv_averages(plain)
    if not averages:
        return None
    weights = (name for name in plain if name not in averages.values())
    return {name: plain[averages.get(name, name)] for name in weights}


def _mmcv_averages(weights: dict) -> dict[str, str]:
    """Map names of weights to names of their moving averages, as mmcv's EMAHook writes them."""
    pairs = {name: _EMA_PREFIX + name.replace(".", "_") for name in map(str, weights)}
    return {name: average for name, average in pairs.items() if average in weights}


def _without_ema(path: Path, weights: dict[str, StoredTensor]) -> dict[str, StoredTensor]:
    averages = set(_mmcv_averages(weights).values())
    if averages:
        _log.warning("%s also holds moving averages, which --ema would take instead", path)
    return {name: value for name, value in weights.items() if name not in averages}


def _without_prefixes(path: Path, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Remove the prefixes of data parallel wrappers, Lightning and torch.compile from the names.

    These are `module.`, `model.` and `_orig_mod.`; entries beside a prefixed model are left out.
    """
    for prefix in _PREFIXES * 2:
        inside = {
            name.removeprefix(prefix): tensor
            for name, tensor in weights.items()
            if name.startswith(prefix)
        }
        if inside and len(inside) < len(weights):
            others = [name for name in weights if not name.startswith(prefix)]
            _log.warning("%s: left out what is not part of the model: %s", path, _listed(others))
        weights = inside or weights
    return weights


def _listed(names: Iterable) -> str:
    shown = [str(name) for name in names]
    return ", ".join(shown[:5]) + (f", and {len(shown) - 5} more" if len(shown) > 5 else "")


def _kind(value: Any) -> str:
    if is_placeholder(value):
        return f"a pickled {value.wanted or 'object'}, whose code is not run here"
    return f"of type {type(value).__name__}"
