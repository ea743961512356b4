"""An exported model run by OpenVINO, on a CPU or an Intel GPU."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import cv2
import numpy as np
import openvino
import openvino.opset13 as opset
from openvino.op import util as op_util

from difusionseg_core.backends.export_cache import cache_folder, limit_cache
from difusionseg_core.backends.export_info import ExportInfo, UnusableExport
from difusionseg_core.backends.precision import check_precision, cpu_precision
from difusionseg_core.network.denoising.schedule import noise_levels
from difusionseg_core.network.preprocessing import stack

_MOST_COMPILED = 4  # sizes and numbers of steps that stay ready
_MOST_UNROLLED = 5  # steps; more steps run as a loop, and its overhead is then small
_HINTS = {"float32": "f32", "bf16": "bf16", "float16": "f16"}
_FIELDS = ("format", "classes", *ExportInfo.__dataclass_fields__)


class OpenVINOBackend:
    """Runs an exported model (.onnx or .xml).

    `device` is "auto" or "cpu" for the CPU, or "gpu" for an Intel GPU. `precision` "auto" is bf16
    on a CPU that computes it natively, float16 on a GPU, and float32 elsewhere. Compiled models are
    kept in the user's cache (`export_cache.cache_folder`), so that the next start is faster. Raises
    ValueError for another device or precision and for a file that cannot be used.
    """

    name = "openvino"

    def __init__(self, path: Path, device: str = "auto", precision: str = "auto") -> None:
        self.device = "cpu" if device == "auto" else device.lower()
        self._core = openvino.Core()
        self._core.set_property({"CACHE_DIR": str(cache_folder() / "openvino")})
        if self.device not in ("cpu", "gpu"):
            raise ValueError(f"OpenVINO has no device '{device}': use auto, cpu or gpu")
        if not any(name.startswith(self.device.upper()) for name in self._core.available_devices):
            raise ValueError(f"OpenVINO finds no device '{device}' on this machine; use auto")
        self.precision = self._chosen(check_precision(precision))
        try:
            # Resolve links: shared weights are in the folder of the file itself.
            self._model = self._core.read_model(path.resolve())
        except RuntimeError as error:
            raise UnusableExport(f"{path} is not an exported model, or damaged") from error
        self.info = _read_info(self._model, path)
        self._compiled: OrderedDict[tuple, openvino.InferRequest] = OrderedDict()

    def run(
        self, rgb: np.ndarray, thermal: np.ndarray, noise: np.ndarray, steps: int, schedule: str
    ) -> tuple[np.ndarray, ...]:
        """Run one batch, with the shapes of `InferenceGraph`.

        The first frame of a new size or number of steps takes about a second longer.
        """
        levels = noise_levels(steps, schedule)
        inputs = [np.ascontiguousarray(array) for array in (rgb, thermal, noise, levels)]
        shapes = tuple(array.shape for array in inputs)
        request = self._compiled.pop(shapes, None) or self._compile(shapes)
        self._compiled[shapes] = request
        request.infer(inputs, share_inputs=True)
        fused, *maps = (tensor.data for tensor in request.output_tensors)
        return stack([cv2.merge(planes) for planes in fused]), *(each.copy() for each in maps)

    def to_cpu(self) -> None:
        """Run on the CPU from now on."""
        self._compiled.clear()
        self.device = "cpu"
        self.precision = self._chosen("auto")

    def _chosen(self, precision: str) -> str:
        """Return the precision of the device for "auto", and a check of others."""
        if self.device == "cpu":
            return cpu_precision(precision, fastest="bf16")
        if precision == "bf16":
            raise ValueError("OpenVINO runs no bf16 on a GPU; use auto, float32 or float16")
        return "float16" if precision == "auto" else precision

    def _compile(self, shapes: tuple[tuple[int, ...], ...]) -> openvino.InferRequest:
        if len(self._compiled) >= _MOST_COMPILED:
            self._compiled.popitem(last=False)
        model = self._model.clone()
        model.reshape(dict(enumerate(map(list, shapes))))
        _skip_means_of_one(model)
        _split_fused_image(model)
        steps = shapes[-1][0]
        if steps <= _MOST_UNROLLED:
            _unroll(model, steps)
        options: dict[str, str | bool] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _HINTS[self.precision],
        }
        if self.device == "cpu":
            # Other programs of the robot need the cores too: let the system move threads.
            options["ENABLE_CPU_PINNING"] = False
        compiled = self._core.compile_model(model, self.device.upper(), options)
        limit_cache()
        return compiled.create_infer_request()


def _read_info(model: openvino.Model, path: Path) -> ExportInfo:
    metadata = {}
    for name in _FIELDS:
        if model.has_rt_info(["framework", name]):
            metadata[name] = model.get_rt_info(["framework", name]).value
    return ExportInfo.from_metadata(metadata, path)


def _unroll(model: openvino.Model, times: int) -> None:
    """Unroll the model's loop.

    The compiler can then optimise across passes, and drop unused results of the last one.
    """
    (loop,) = (node for node in model.get_ops() if node.get_type_name() == "Loop")
    inputs = loop.get_input_descriptions()
    values = {port.body_parameter_index: loop.input_value(port.input_index) for port in inputs}
    counter, _ = loop.get_special_body_ports()
    for index in range(times):
        values[counter] = opset.constant(index, np.int64).output(0)
        body = loop.get_function().clone()
        for number, parameter in enumerate(body.get_parameters()):
            _replace(parameter.output(0), values[number])
        results = [result.input_value(0) for result in body.get_results()]
        for port in inputs:
            if isinstance(port, op_util.MergedInputDescription):
                values[port.body_parameter_index] = results[port.body_value_index]
    for port in loop.get_output_descriptions():
        _replace(loop.output(port.output_index), results[port.body_value_index])
    model.validate_nodes_and_infer_types()


def _skip_means_of_one(model: openvino.Model) -> None:
    """Remove the mean over the noises if there is only one, which OpenVINO would copy."""
    for node in model.get_ops():
        if node.get_type_name() != "ReduceMean":
            continue
        whole, mean = node.input(0).get_partial_shape(), node.output(0).get_partial_shape()
        if (
            whole.is_static
            and mean.is_static
            and np.prod(whole.to_shape()) == np.prod(mean.to_shape())
        ):
            shape = opset.constant(list(mean.to_shape()), np.int64)
            same = opset.reshape(node.input_value(0), shape, special_zero=False)
            _replace(node.output(0), same.output(0))


def _split_fused_image(model: openvino.Model) -> None:
    """Let the fused image leave as planes (B, 3, H, W), which OpenCV joins ten times as fast.

    The compiler removes this transposition together with the graph's own.
    """
    result = model.get_results()[0]
    order = opset.constant([0, 3, 1, 2], np.int64)
    planes = opset.transpose(result.input_value(0), order)
    result.input(0).replace_source_output(planes.output(0))
    model.validate_nodes_and_infer_types()


def _replace(old: openvino.Output, new: openvino.Output) -> None:
    for target in old.get_target_inputs():
        target.replace_source_output(new)
