"""Export a model as ONNX, which runs without PyTorch, or as TorchScript.

One exported model serves every image size, number of steps, schedule and number of noises: sizes
are free, and the diffusion steps are a loop over their noise levels.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from difusionseg_core.backends.export_info import INFO_FILE, ExportInfo
from difusionseg_core.network.denoising import diffusion
from difusionseg_core.network.denoising.schedule import noise_levels
from difusionseg_core.network.inference import InferenceGraph
from difusionseg_core.network.model import DiFusionSeg, Encoded
from difusionseg_core.network.preprocessing import SIZE_MULTIPLE

OPSET = 18
INPUTS = ("rgb", "thermal", "noise", "levels")
OUTPUTS = ("fused", "labels", "confidence")
OBJECT_OUTPUTS = ("peaks", "extents")  # of a model with an object head, after the others
_FREE_SIZES = {
    "rgb": {0: "batch", 1: "height", 2: "width"},
    "thermal": {0: "batch", 1: "height", 2: "width"},
    "noise": {0: "noises", 2: "rows", 3: "columns"},
    "levels": {0: "steps"},
}


@torch.no_grad()
def export_onnx(model: DiFusionSeg, path: Path, name: str, weights: str) -> None:
    """Write the graph of `InferenceGraph` as ONNX; its steps are given as `noise_levels` are.

    `name` is the model's, `weights` the digest of its weights file; both only go into the file.
    """
    graph, inputs = _recorded(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the older exporter warns that it is the older one
        torch.onnx.export(
            graph,
            inputs,
            str(path),
            dynamo=False,  # the newer exporter supports no loops, and is 20 times slower
            opset_version=OPSET,
            input_names=list(INPUTS),
            output_names=[*OUTPUTS, *(OBJECT_OUTPUTS if model.objects else ())],
            dynamic_axes=_FREE_SIZES,
            # The weights stay what they are in the weights file: compilers fold batch norms too.
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
        )
    exported = onnx.load(path)
    onnx.helper.set_model_props(exported, _info(model, name, weights).metadata())
    onnx.save(exported, path)


@torch.no_grad()
def export_torchscript(model: DiFusionSeg, path: Path, name: str, weights: str) -> None:
    """Write the same graph for `torch.jit.load`."""
    graph, _ = _recorded(model)
    torch.jit.save(graph, path, {INFO_FILE: json.dumps(_info(model, name, weights).metadata())})


def _info(model: DiFusionSeg, name: str, weights: str) -> ExportInfo:
    return ExportInfo(
        model=name,
        num_classes=model.num_classes,
        dim=model.dim,
        stride=model.stride,
        steps=model.steps,
        schedule=model.schedule,
        weights=weights,
        label_set=model.label_set,
    )


def _recorded(model: DiFusionSeg) -> tuple[torch.jit.ScriptModule, tuple[Tensor, ...]]:
    """Return the graph, and inputs that fit it."""
    graph = InferenceGraph(model.eval())
    inputs = rgb, thermal, noise, levels = _example(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns about every size that it follows
        encode = torch.jit.trace(_Encode(graph), (rgb, thermal, noise), check_trace=False)
        fused, encoded, *_ = encode(rgb, thermal, noise)
        level = levels[0, :1]
        step = torch.jit.trace(_Step(model), (noise, level, level, encoded), check_trace=False)
        classify = torch.jit.trace(_Classify(graph), (noise, encoded, fused), check_trace=False)
        loop = _LoopWithObjects if model.objects else _Loop
        return torch.jit.script(loop(encode, step, classify)).eval(), inputs


def fix_size(path: Path, size: tuple[int, int], stride: int) -> None:
    """Fix an ONNX file's image size (height, width), rounded up to multiples of 4."""
    height, width = (-(-side // SIZE_MULTIPLE) * SIZE_MULTIPLE for side in size)
    sizes = {"height": height, "width": width}
    sizes |= {"rows": -(-height // stride), "columns": -(-width // stride)}
    model = onnx.load(path)
    for tensor in model.graph.input:
        for dimension in tensor.type.tensor_type.shape.dim:
            if dimension.dim_param in sizes:
                dimension.dim_value = sizes[dimension.dim_param]
    onnx.save(model, path)


def share_weights(path: Path, weights: Path) -> None:
    """Let an ONNX file read its weights from the safetensors file beside it."""
    content = weights.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    model = onnx.load(path)
    entries = {
        name: (header + entry["data_offsets"][0], header + entry["data_offsets"][1])
        for name, entry in json.loads(content[8:header]).items()
        if name != "__metadata__"
    }
    for tensor in model.graph.initializer:
        begin, end = entries.get(tensor.name.partition(".model.")[2], (0, 0))
        if end > begin and content[begin:end] == tensor.raw_data:
            onnx.external_data_helper.set_external_data(
                tensor, weights.name, offset=begin, length=end - begin
            )
            tensor.ClearField("raw_data")
    path.write_bytes(model.SerializeToString())


def _example(model: DiFusionSeg) -> tuple[Tensor, ...]:
    # Two noises, so that tracing records the code for any number of them.
    height, width = 64, 96  # enough for strides up to 32
    rows, columns = height // model.stride, width // model.stride
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (1, height, width, 4), dtype=torch.uint8, generator=generator)
    noise = torch.randn(2, model.dim, rows, columns, generator=generator)
    levels = torch.from_numpy(noise_levels(2, model.schedule))
    return image[..., :3], image[..., 3], noise, levels


class _Encode(nn.Module):
    def __init__(self, graph: InferenceGraph) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, rgb: Tensor, thermal: Tensor, noise: Tensor) -> tuple:
        fused, encoded, objects = self.graph.encode(rgb, thermal, noise)
        return fused, tuple(vars(encoded).values()), *objects


class _Step(nn.Module):
    def __init__(self, model: DiFusionSeg) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, state: Tensor, level: Tensor, next_level: Tensor, encoded: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor]:
        """Return the decoder's features, and the next state."""
        features = self.model.decode(Encoded(*encoded), state, level)
        code = self.model.encode_classes(self.model.classifier(features).argmax(dim=1))
        return features, diffusion.advance(state, code, level, next_level)


class _Classify(nn.Module):
    def __init__(self, graph: InferenceGraph) -> None:
        super().__init__()
        self.graph = graph

    def forward(
        self, features: Tensor, encoded: tuple[Tensor, ...], fused: Tensor
    ) -> tuple[Tensor, Tensor]:
        return self.graph.classify(features, Encoded(*encoded), fused)


class _Parts(nn.Module):
    """The three traced parts, which the subclasses join by a loop of any length."""

    def __init__(self, encode: nn.Module, step: nn.Module, classify: nn.Module) -> None:
        super().__init__()
        self.encode = encode
        self.step = step
        self.classify = classify


class _Loop(_Parts):
    def forward(
        self, rgb: Tensor, thermal: Tensor, noise: Tensor, levels: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        fused, encoded = self.encode(rgb, thermal, noise)
        features = noise
        state = noise
        for index in range(levels.size(0)):
            features, state = self.step(state, levels[index, :1], levels[index, 1:], encoded)
        labels, confidence = self.classify(features, encoded, fused)
        return fused, labels, confidence


class _LoopWithObjects(_Parts):
    def forward(
        self, rgb: Tensor, thermal: Tensor, noise: Tensor, levels: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        fused, encoded, peaks, extents = self.encode(rgb, thermal, noise)
        features = noise
        state = noise
        for index in range(levels.size(0)):
            features, state = self.step(state, levels[index, :1], levels[index, 1:], encoded)
        labels, confidence = self.classify(features, encoded, fused)
        return fused, labels, confidence, peaks, extents
