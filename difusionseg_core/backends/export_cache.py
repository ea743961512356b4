"""Exported models of weights files: shipped beside them, or exported once and kept in a cache.

The cache is $XDG_CACHE_HOME/difusionseg (~/.cache/difusionseg), with one file for each content of a
weights file; OpenVINO's compiled models lie in its folder `openvino`. It holds at most
`LARGEST_CACHE` bytes, without the files that were used least recently. It may be deleted any time.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from difusionseg_core.backends.export_info import UnusableExport, weights_digest

if TYPE_CHECKING:
    from difusionseg_core.backends import Backend
    from difusionseg_core.network.model import DiFusionSeg

B = TypeVar("B", bound="Backend")
EXPORT_NEEDS = ("torch", "onnx")

LARGEST_CACHE = 2_000_000_000
"""Bytes that all files of the cache may have together."""

_ABANDONED = 24 * 3600  # age of an unfinished file whose process was killed, seconds


def open_exported_weights(weights: Path, open_backend: Callable[[Path], B]) -> B:
    """Open a backend on the exported model of a weights file, which is exported first if needed.

    A file for which `open_backend` raises UnusableExport is damaged, and exported again. Raises
    ImportError if packages for exporting are missing, and what `load_model` raises.
    """
    digest = weights_digest(weights)
    cached = cache_folder() / f"{weights.stem}-{digest[:16]}.onnx"
    for path in (weights.with_suffix(".onnx"), cached):
        try:
            backend = open_backend(path) if path.is_file() else None
        except UnusableExport:
            continue
        if backend is not None and backend.info.weights == digest:
            mark_used(path)
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
    limit_cache()
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


def mark_used(path: Path) -> None:
    """Note that a file of the cache is in use: set its time of access, which not all disks do."""
    if path.parent == cache_folder():
        with suppress(OSError):  # a cache that cannot be written
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))


def limit_cache() -> None:
    """Remove the files used least recently until the others have at most `LARGEST_CACHE` bytes."""
    folder = cache_folder()
    with suppress(OSError):
        _remove_abandoned(folder)
    ages = []
    for path in (*folder.glob("*.*"), *(folder / "openvino").glob("*")):
        with suppress(OSError):  # another process has removed it
            if path.is_file():
                status = path.stat()
                # OpenVINO reads its files, but does not change them.
                ages.append((max(status.st_mtime, status.st_atime), status.st_size, path))
    total = 0
    for number, (_, size, path) in enumerate(sorted(ages, reverse=True)):
        total += size
        if total > LARGEST_CACHE and number:  # the newest one is needed now
            with suppress(OSError):
                path.unlink()


def _remove_abandoned(folder: Path) -> None:
    for path in folder.iterdir():
        is_old = time.time() - path.stat().st_mtime > _ABANDONED
        if path.is_dir() and path.name != "openvino" and is_old:
            shutil.rmtree(path, ignore_errors=True)


def _export(model: DiFusionSeg, path: Path, name: str, weights: str) -> None:
    from difusionseg_core.backends.pytorch_to_onnx import export_onnx

    export_onnx(model, path, name, weights)
