"""The network run by PyTorch, on a CPU or a CUDA device."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from difusionseg_core.backends import OutOfMemory
from difusionseg_core.backends.export_info import INFO_FILE, ExportInfo
from difusionseg_core.backends.glibc_memory import keep_freed_memory
from difusionseg_core.backends.precision import check_precision, cpu_precision
from difusionseg_core.network.denoising.schedule import noise_levels
from difusionseg_core.network.inference import InferenceGraph
from difusionseg_core.network.model import DiFusionSeg

_AUTOCAST = {"bf16": torch.bfloat16, "float16": torch.float16}


class TorchBackend:
    """Runs a copy of a model.

    `device` is "auto" (CUDA if available), "cpu", "cuda" or "cuda:N". `precision` "auto" is float32
    on a CPU, in which the results equal those of the release, and float16 on a GPU; "bf16" and
    "float16" use autocast. `compile` passes the network to torch.compile, which needs a C++
    compiler and up to minutes at the first frame of each size. Raises ValueError for a device that
    does not exist and for a precision that it does not run.
    """

    name = "torch"

    def __init__(
        self,
        model: DiFusionSeg,
        device: str = "auto",
        precision: str = "auto",
        compile: bool = False,
    ) -> None:
        check_precision(precision)
        self.device = _resolve_device(device)
        if self.device == "cpu":
            keep_freed_memory()
            self.precision = cpu_precision(precision, fastest="float32")
        else:
            self.precision = "float16" if precision == "auto" else precision
        model = fold_batch_norms(copy.deepcopy(model).eval())
        self.info = self.model = model.to(
            self.device,
            memory_format=torch.channels_last,  # type: ignore[call-overload]  # missing in torch's stubs
        )
        graph = InferenceGraph(self.model)
        self._graph = torch.compile(graph, dynamic=False) if compile else graph

    @torch.inference_mode()
    def run(
        self, rgb: np.ndarray, thermal: np.ndarray, noise: np.ndarray, steps: int, schedule: str
    ) -> tuple[np.ndarray, ...]:
        """Run one batch, with the shapes of `InferenceGraph`. Raises OutOfMemory."""
        self.model.schedule = schedule
        pair = [torch.from_numpy(np.ascontiguousarray(array)) for array in (rgb, thermal)]
        kind = torch.device(self.device).type
        try:
            images = [image.to(self.device) for image in pair]
            first = torch.from_numpy(noise).to(self.device, memory_format=torch.channels_last)
            half = _AUTOCAST.get(self.precision)
            with torch.autocast(kind, half, enabled=half is not None):
                outputs = self._graph(*images, first, steps)
        except torch.cuda.OutOfMemoryError as error:
            raise OutOfMemory(str(error)) from error
        return tuple(output.cpu().numpy() for output in outputs)

    def to_cpu(self) -> None:
        """Run on the CPU from now on, and free the GPU's memory."""
        self.device = "cpu"
        self.precision = cpu_precision("auto", fastest="float32")
        keep_freed_memory()
        self.model.to(self.device)
        torch.cuda.empty_cache()


class TorchScriptBackend:
    """Runs a file exported with `--format torch`, in float32; `device` as for `TorchBackend`.

    Raises ValueError for a file that cannot be used.
    """

    name = "torch"
    precision = "float32"

    def __init__(self, path: Path, device: str = "auto") -> None:
        self.device = _resolve_device(device)
        extra = {INFO_FILE: ""}
        try:
            self._graph = torch.jit.load(path, self.device, _extra_files=extra)
        except RuntimeError as error:
            raise ValueError(f"{path} is not an exported model, or damaged") from error
        self.info = ExportInfo.from_metadata(json.loads(extra[INFO_FILE] or "{}"), path)

    @torch.inference_mode()
    def run(
        self, rgb: np.ndarray, thermal: np.ndarray, noise: np.ndarray, steps: int, schedule: str
    ) -> tuple[np.ndarray, ...]:
        """Run one batch, with the shapes of `InferenceGraph`. Raises OutOfMemory."""
        inputs = (rgb, thermal, noise, noise_levels(steps, schedule))
        try:
            tensors = [torch.from_numpy(np.ascontiguousarray(array)) for array in inputs]
            outputs = self._graph(*(tensor.to(self.device) for tensor in tensors))
        except torch.cuda.OutOfMemoryError as error:
            raise OutOfMemory(str(error)) from error
        return tuple(output.cpu().numpy() for output in outputs)

    def to_cpu(self) -> None:
        """Run on the CPU from now on, and free the GPU's memory."""
        self.device = "cpu"
        self._graph.to(self.device)
        torch.cuda.empty_cache()


def _resolve_device(device: str) -> str:
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind, index = (parsed := torch.device(device)).type, parsed.index or 0
    except RuntimeError:
        raise ValueError(f"device '{device}' is unknown; use auto, cpu, cuda or cuda:N") from None
    if kind == "cuda" and index >= torch.cuda.device_count():
        raise ValueError(f"device '{device}' is not on this machine; use auto or cpu")
    return device


def fold_batch_norms(model: DiFusionSeg) -> DiFusionSeg:
    """Fold every batch norm into the convolution before it; in place, for inference only."""
    for sequence in [module for module in model.modules() if isinstance(module, nn.Sequential)]:
        for index in range(len(sequence) - 1):
            conv, norm = sequence[index], sequence[index + 1]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                sequence[index] = fuse_conv_bn_eval(conv, norm)
                sequence[index + 1] = nn.Identity()
    return model
