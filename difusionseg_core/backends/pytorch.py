"""The network run by PyTorch, on a CPU or a CUDA device."""

from __future__ import annotations

import copy
import json
import logging
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from difusionseg_core.backends import OutOfMemory
from difusionseg_core.backends.export_info import INFO_FILE, ExportInfo
from difusionseg_core.backends.memory import keep_freed_memory
from difusionseg_core.network.inference import InferenceGraph
from difusionseg_core.network.model import DiFusionSeg
from difusionseg_core.network.schedule import noise_levels

PRECISIONS = ("float32", "bf16")


class TorchBackend:
    """Runs a copy of a model.

    `device` is "auto" (CUDA where there is one), "cpu", "cuda" or "cuda:N". `precision` is
    "float32", or "bf16" for autocast; on a CPU without bf16 arithmetic, where imitating it would be
    ten times as slow, a warning is logged and float32 taken. `compile` hands the network to
    torch.compile, which takes a C++ compiler and up to minutes at the first frame of each size.
    Raises ValueError for a device that is not there and for an unknown precision.
    """

    name = "torch"

    def __init__(
        self,
        model: DiFusionSeg,
        device: str = "auto",
        precision: str = "float32",
        compile: bool = False,
    ) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"precision '{precision}' is unknown; use {' or '.join(PRECISIONS)}")
        self.device = _resolve_device(device)
        self.precision = precision
        if self.device == "cpu":
            self._suit_cpu()
        model = fold_batch_norms(copy.deepcopy(model).eval())
        self.info = self.model = model.to(self.device, memory_format=torch.channels_last)
        graph = InferenceGraph(self.model)
        self._graph = torch.compile(graph, dynamic=False) if compile else graph

    @torch.inference_mode()
    def run(
        self, rgb: np.ndarray, thermal: np.ndarray, noise: np.ndarray, steps: int, schedule: str
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Shapes and results are those of `InferenceGraph`. Raises OutOfMemory."""
        self.model.schedule = schedule
        pictures = [torch.from_numpy(np.ascontiguousarray(array)) for array in (rgb, thermal)]
        kind = torch.device(self.device).type
        try:
            rgb, thermal = (picture.to(self.device) for picture in pictures)
            first = torch.from_numpy(noise).to(self.device, memory_format=torch.channels_last)
            with torch.autocast(kind, torch.bfloat16, enabled=self.precision == "bf16"):
                outputs = self._graph(rgb, thermal, first, steps)
        except torch.cuda.OutOfMemoryError as error:
            raise OutOfMemory(str(error)) from error
        fused, labels, confidence = (output.cpu().numpy() for output in outputs)
        return fused, labels, confidence

    def to_cpu(self) -> None:
        """Run on the CPU from now on, and give the GPU's memory back."""
        self.device = "cpu"
        self._suit_cpu()
        self.model.to(self.device)
        torch.cuda.empty_cache()

    def _suit_cpu(self) -> None:
        keep_freed_memory()
        if self.precision == "bf16" and not _cpu_computes_bf16():
            self.precision = "float32"
            logging.getLogger(__name__).warning(
                "this CPU has no bf16 arithmetic: going on in float32, which is faster here"
            )


class TorchScriptBackend:
    """Runs a file that was exported with `--format torch`; `device` as `TorchBackend`'s.

    Raises ValueError for a file that cannot be used.
    """

    name = "torch"

    def __init__(self, path: Path, device: str = "auto") -> None:
        self.device = _resolve_device(device)
        extra = {INFO_FILE: ""}
        try:
            self._graph = torch.jit.load(path, self.device, _extra_files=extra)
        except RuntimeError as error:
            raise ValueError(f"{path} is no exported model, or damaged") from error
        self.info = ExportInfo.from_metadata(json.loads(extra[INFO_FILE] or "{}"), path)

    @torch.inference_mode()
    def run(
        self, rgb: np.ndarray, thermal: np.ndarray, noise: np.ndarray, steps: int, schedule: str
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Shapes and results are those of `InferenceGraph`. Raises OutOfMemory."""
        inputs = (rgb, thermal, noise, noise_levels(steps, schedule))
        try:
            tensors = [torch.from_numpy(np.ascontiguousarray(array)) for array in inputs]
            outputs = self._graph(*(tensor.to(self.device) for tensor in tensors))
        except torch.cuda.OutOfMemoryError as error:
            raise OutOfMemory(str(error)) from error
        return tuple(output.cpu().numpy() for output in outputs)

    def to_cpu(self) -> None:
        """Run on the CPU from now on, and give the GPU's memory back."""
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


def _cpu_computes_bf16() -> bool:
    # Linux tells; elsewhere it is taken for granted.
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return True
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(flags)


def fold_batch_norms(model: DiFusionSeg) -> DiFusionSeg:
    """Work every batch norm into the convolution before it; in place, for inference only."""
    for sequence in [module for module in model.modules() if isinstance(module, nn.Sequential)]:
        for index in range(len(sequence) - 1):
            conv, norm = sequence[index], sequence[index + 1]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                sequence[index] = fuse_conv_bn_eval(conv, norm)
                sequence[index + 1] = nn.Identity()
    return model
