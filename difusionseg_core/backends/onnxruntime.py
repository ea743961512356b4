"""An exported model run by ONNX Runtime, on a CPU or a CUDA device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from difusionseg_core.backends import OutOfMemory
from difusionseg_core.backends.export_info import ExportInfo, UnusableExport
from difusionseg_core.backends.precision import check_precision
from difusionseg_core.network.denoising.schedule import noise_levels

_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
_ERRORS_ONLY = 3


class OnnxRuntimeBackend:
    """Runs an exported model (.onnx).

    `device` is "auto" (CUDA if this ONNX Runtime has it), "cpu", "cuda", "cuda:N", or "tensorrt",
    "tensorrt:N" for CUDA through TensorRT, whose first frame of a size takes minutes. `precision`
    "auto" is float16 with TensorRT, and float32 elsewhere, where nothing else is offered. Raises
    ValueError for a device that does not exist, another precision, and a file that cannot be used.
    """

    name = "onnxruntime"

    def __init__(self, path: Path, device: str = "auto", precision: str = "auto") -> None:
        if device == "auto":
            has_cuda = _PROVIDERS["cuda"] in onnxruntime.get_available_providers()
            device = "cuda" if has_cuda else "cpu"
        self.device = device
        self.precision = self._chosen(check_precision(precision))
        self._graph = path.read_bytes()
        self._folder = path.resolve().parent
        try:
            self._session = self._open()
            metadata = self._session.get_modelmeta().custom_metadata_map
        except _graph_errors() as error:
            raise UnusableExport(f"{path} is not an exported model, or damaged") from error
        self.info = ExportInfo.from_metadata(metadata, path)

    def run(
        self, rgb: np.ndarray, thermal: np.ndarray, noise: np.ndarray, steps: int, schedule: str
    ) -> tuple[np.ndarray, ...]:
        """Run one batch, with the shapes of `InferenceGraph`. Raises OutOfMemory."""
        inputs = {
            "rgb": rgb,
            "thermal": thermal,
            "noise": noise,
            "levels": noise_levels(steps, schedule),
        }
        try:
            return tuple(self._session.run(None, inputs))
        except RuntimeError as error:
            if self.device != "cpu" and "memory" in str(error).lower():
                raise OutOfMemory(str(error)) from error
            raise

    def to_cpu(self) -> None:
        """Run on the CPU from now on, and free the GPU's memory."""
        self.device, self.precision = "cpu", "float32"
        self._session = self._open()

    def _chosen(self, precision: str) -> str:
        """Return the precision of the device for "auto", and a check of others."""
        half = self.device.startswith("tensorrt")
        allowed = ("auto", "float32", "float16") if half else ("auto", "float32")
        if precision not in allowed:
            raise ValueError(
                f"ONNX Runtime runs no {precision} on device '{self.device}': use precision "
                f"{' or '.join(allowed)}, or another backend"
            )
        return {"auto": "float16" if half else "float32"}.get(precision, precision)

    def _open(self) -> onnxruntime.InferenceSession:
        kind, _, index = self.device.partition(":")
        provider = _PROVIDERS.get(kind)
        if provider is None or not (index.isdigit() or not index):
            raise ValueError(
                f"ONNX Runtime has no device '{self.device}'; use auto, cpu, cuda, cuda:N "
                "or tensorrt"
            )
        if provider not in onnxruntime.get_available_providers():
            raise ValueError(
                f"this ONNX Runtime has no {provider}: use device cpu, or pip install "
                "onnxruntime-gpu instead of onnxruntime"
            )
        # What a faster provider cannot run goes to the next one.
        wanted = list(_PROVIDERS.values())[: list(_PROVIDERS).index(kind) + 1][::-1]
        on_gpu: dict[str, object] = {"device_id": int(index or 0)}
        half = {"trt_fp16_enable": True} if self.precision == "float16" else {}
        providers = [
            name
            if name == _PROVIDERS["cpu"]
            else (name, {**on_gpu, **(half if name == _PROVIDERS["tensorrt"] else {})})
            for name in wanted
        ]
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        # The folder where the shipped model finds its weights.
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", str(self._folder)
        )
        session = onnxruntime.InferenceSession(self._graph, options, providers=providers)
        if provider not in session.get_providers():  # it only warns, and takes the CPU
            raise ValueError(
                f"ONNX Runtime could not use device '{self.device}': is the driver there, and do "
                "the versions of CUDA and cuDNN fit?"
            )
        return session


def _graph_errors() -> tuple[type[Exception], ...]:
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return state.Fail, state.InvalidGraph, state.InvalidProtobuf, state.InvalidArgument
