"""Inference backends, one file per engine; `selection` opens the fastest one installed.

Imports `checkpoints`, `network`, `classes` and `files`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np

    from difusionseg_core.backends.export_info import ExportInfo
    from difusionseg_core.network.model import DiFusionSeg

BACKENDS = ("auto", "torch", "openvino", "onnxruntime")


class OutOfMemory(RuntimeError):
    """The device is out of memory; continue on the CPU with `Predictor.to_cpu`."""


class Backend(Protocol):
    """An engine that runs the network.

    `device` is the device in use and `precision` the number format: "float32", "bf16" or "float16".
    `info` has `num_classes`, `label_set`, `dim`, `stride`, and the model's own `steps` and
    `schedule`.
    """

    name: str
    device: str
    precision: str

    @property
    def info(self) -> ExportInfo | DiFusionSeg:
        """What is known about the model."""

    def run(
        self, rgb: np.ndarray, thermal: np.ndarray, noise: np.ndarray, steps: int, schedule: str
    ) -> tuple[np.ndarray, ...]:
        """Return fused images, labels and confidence, with the shapes of `InferenceGraph`.

        A model with an object head adds peaks and extents. Raises OutOfMemory.
        """

    def to_cpu(self) -> None:
        """Run on the CPU from now on."""
