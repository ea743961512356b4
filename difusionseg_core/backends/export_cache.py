"""Exported graphs of weights files: shipped beside them, or made once and kept in the user's cache.

$XDG_CACHE_HOME/difusionseg (~/.cache/difusionseg), a file for each content of a weights file and
version of this package. It may be deleted at any time.
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


def open_graph_of(weights: Path, open_backend: Callable[[Path], B]) -> B:
    """The backend on the graph of a weights file, which is exported first where need be.

    `open_backend` raises ValueError for a damaged file, which is then made anew. Raises ImportError
    where packages to export with are missing, and what `load_model` raises.
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
            f"there is no exported graph of {weights}, and to make it {' and '.join(missing)} is "
            f"needed: pip install {' '.join(missing)}"
        )
    from difusionseg_core.checkpoints.weights_file import load_model_and_info

    model, info = load_model_and_info(weights)
    print(f"difusionseg: exporting {weights.name}, once", file=sys.stderr)
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=cached.parent)
    except OSError:  # nowhere to keep it
        return open_graph_of_model(model, open_backend)
    with folder:
        # Made aside and renamed: another process sees all of it or nothing.
        made = Path(folder.name) / cached.name
        _export(model, made, info.model, digest)
        os.replace(made, cached)
    return open_backend(cached)


def open_graph_of_model(model: DiFusionSeg, open_backend: Callable[[Path], B]) -> B:
    """The backend on the graph of a model in memory. Raises ImportError where onnx is missing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        _export(model, path, name="", weights="")
        return open_backend(path)


def cache_folder() -> Path:
    """Where exported graphs are kept; it need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "difusionseg"


def _export(model: DiFusionSeg, path: Path, name: str, weights: str) -> None:
    from difusionseg_core.backends.pytorch_to_onnx import export_onnx

    export_onnx(model, path, name, weights)
