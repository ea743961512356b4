"""Exported models of weights files: shipped beside them, or exported once and kept in a cache.

The cache is $XDG_CACHE_HOME/difusionseg (~/.cache/difusionseg), with one file for each content of a
weights file; OpenVINO's compiled models lie in its folder `openvino`. It may be deleted any time.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from difusionseg_core.backends.export_info import weights_digest

if TYPE_CHECKING:
    from difusionseg_core.backends import Backend
    from difusionseg_core.network.model import DiFusionSeg

B = TypeVar("B", bound="Backend")
EXPORT_NEEDS = ("torch", "onnx")


def open_exported_weights(weights: Path, open_backend: Callable[[Path], B]) -> B:
    """Open a backend on the exported model of a weights file, which is exported first if needed.

    A file for which `open_backend` raises ValueError is damaged, and exported again. Raises
    ImportError if packages for exporting are missing, and what `load_model` raises.
    """
    digest = weights_digest(weights)
    cached = cache_folder() / f"{weights.stem}-{digest[:16]}.onnx"
    for path in (weights.with_suffix(".onnx"), cached):
        try:
            backend = open_backend(path) if path.is_file() else None
        except ValueError:
            continue
        if backend is not None and backend.info.weights == digest:
            return backend
    missing = [name for name in EXPORT_NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f"{weights} is not exported yet, which needs {' and '.join(missing)}: "
            f"pip install {' '.join(missing)}"
        )
    from difusionseg_core.checkpoints.weights_file import load_model_and_info

    model, info = load_model_and_info(weights)
    print(f"difusionseg: exporting {weights.name}, once", file=sys.stderr)
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=cached.parent)
    except OSError:  # the cache cannot be written
        return open_exported_model(model, open_backend)
    with folder:
        # Written beside and renamed: another process sees the whole file or none.
        made = Path(folder.name) / cached.name
        _export(model, made, info.model, digest)
        made.replace(cached)
    return open_backend(cached)


def open_exported_model(model: DiFusionSeg, open_backend: Callable[[Path], B]) -> B:
    """Open a backend on a model in memory. Raises ImportError if onnx is missing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        _export(model, path, name="", weights="")
        return open_backend(path)


def cache_folder() -> Path:
    """Return the folder of exported and compiled models; it need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "difusionseg"


def _export(model: DiFusionSeg, path: Path, name: str, weights: str) -> None:
    from difusionseg_core.backends.pytorch_to_onnx import export_onnx

    export_onnx(model, path, name, weights)
