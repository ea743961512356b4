"""Choose and open the backend that runs a model."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import safe_open

from difusionseg_core.backends import BACKENDS, Backend
from difusionseg_core.backends.export_cache import open_exported_model, open_exported_weights
from difusionseg_core.backends.installation import how_to_install
from difusionseg_core.backends.openvino_import import import_openvino
from difusionseg_core.backends.precision import check_precision

if TYPE_CHECKING:
    from difusionseg_core.network.model import DiFusionSeg

WEIGHTS, EXPORTED = ".safetensors", (".onnx", ".xml", ".pt")
_DRIVERS = ("/dev/nvidiactl", "/dev/nvmap", "/dev/dxg")  # of NVIDIA: desktop, Jetson, WSL


def open_backend(
    model: DiFusionSeg | Path,
    backend: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    compile: bool = False,
) -> Backend:
    """Open the backend of that name on a model in memory, a weights file or an exported model.

    "auto" chooses the fastest one installed. On a CPU that is OpenVINO, then ONNX Runtime, then
    PyTorch, but PyTorch first for the published network, whose large convolutions are fast in
    PyTorch alone (`network.winograd`); on a CUDA device PyTorch, then ONNX Runtime; on an Intel GPU
    OpenVINO. A model in memory stays in PyTorch unless another backend is named, and so does
    `compile` (torch.compile). Each backend documents what `precision` "auto" means. Raises
    ValueError for an impossible choice, ImportError for a backend that is not installed, and
    FileNotFoundError.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend '{backend}' is unknown; use one of {', '.join(BACKENDS)}")
    check_precision(precision)
    if isinstance(model, Path) and not model.is_file():
        raise FileNotFoundError(f"there is no model file {model}")
    if backend == "auto":
        _check_any_installed()
        candidates = ("torch",) if compile else _fastest_first(model, device)
        for candidate in candidates[:-1]:
            try:
                return open_backend(model, candidate, device, precision)
            except ImportError:  # not installed, or nothing to export the model with
                continue
        backend = candidates[-1]
    _check_installed(backend)
    if backend == "torch":
        return _open_torch(model, device, precision, compile)
    if compile:
        raise ValueError(f"backend '{backend}' has no torch.compile: use backend torch")
    return _open_exported(model, backend, device, precision)


def _fastest_first(model: DiFusionSeg | Path, device: str) -> tuple[str, ...]:
    if not isinstance(model, Path) or model.suffix == ".pt":
        return ("torch",)
    if model.suffix == ".xml":
        return ("openvino",)
    if device.lower() == "gpu":
        return ("openvino",)
    kind = device.partition(":")[0]
    if kind == "tensorrt":
        return ("onnxruntime",)
    if kind == "cuda" or (kind == "auto" and _has_cuda()):
        order = ["torch", "onnxruntime"]
    elif _is_published(model):
        order = ["torch", "openvino", "onnxruntime"]
    else:
        order = ["openvino", "onnxruntime", "torch"]
    return tuple(name for name in order if name != "torch" or model.suffix == WEIGHTS)


def _is_published(path: Path) -> bool:
    if path.suffix != WEIGHTS:
        return False
    try:
        with safe_open(path, framework="numpy") as file:
            return (file.metadata() or {}).get("model") == "paper"
    except Exception:  # safetensors' own error; opening the file later reports the fault
        return False


def _has_cuda() -> bool:
    # Importing PyTorch takes seconds, so first look for a driver.
    if sys.platform == "linux" and not any(Path(driver).exists() for driver in _DRIVERS):
        return False
    if _installed("torch"):
        import torch

        return torch.cuda.is_available()
    if _installed("onnxruntime"):
        import onnxruntime

        return "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    return False


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _check_any_installed() -> None:
    if not any(map(_installed, BACKENDS[1:])):
        raise ImportError(f"no inference backend is installed: {how_to_install('openvino')}")


def _check_installed(backend: str) -> None:
    if not _installed(backend):
        raise ImportError(f"backend '{backend}' cannot run: {how_to_install(backend)}")


def _open_torch(model: DiFusionSeg | Path, device: str, precision: str, compile: bool) -> Backend:
    if isinstance(model, Path) and model.suffix in EXPORTED:
        return _open_torchscript(model, device, precision, compile)
    from difusionseg_core.backends.pytorch import TorchBackend
    from difusionseg_core.checkpoints.weights_file import load_model

    loaded = load_model(model) if isinstance(model, Path) else model
    return TorchBackend(loaded, device, precision, compile)


def _open_torchscript(path: Path, device: str, precision: str, compile: bool) -> Backend:
    if path.suffix != ".pt":
        raise ValueError(f"PyTorch cannot run {path}: use backend openvino or onnxruntime")
    if precision not in ("auto", "float32") or compile:
        raise ValueError(f"{path} is exported: it runs in float32, without torch.compile")
    from difusionseg_core.backends.pytorch import TorchScriptBackend

    return TorchScriptBackend(path, device)


def _open_exported(model: DiFusionSeg | Path, backend: str, device: str, precision: str) -> Backend:
    def opened(path: Path) -> Backend:
        if backend == "openvino":
            import_openvino()
            from difusionseg_core.backends.openvino import OpenVINOBackend

            return OpenVINOBackend(path, device, precision)
        from difusionseg_core.backends.onnxruntime import OnnxRuntimeBackend

        return OnnxRuntimeBackend(path, device, precision)

    if not isinstance(model, Path):
        return open_exported_model(model, opened)
    if model.suffix == WEIGHTS:
        return open_exported_weights(model, opened)
    owner = {".xml": "openvino", ".pt": "torch"}.get(model.suffix, backend)
    if backend != owner:
        raise ValueError(f"backend '{backend}' cannot run {model}: use backend {owner}")
    return opened(model)
