"""From a model to a graph that runs without PyTorch: ONNX, which all the backends read.

One graph serves every size, number of steps, schedule and number of noises: sizes are free, and the
diffusion steps are a loop over their noise levels.
"""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnx
import torch
from torch import Tensor, nn

from difusionseg_core import diffusion
from difusionseg_core.checkpoints import load_model_and_info
from difusionseg_core.export_info import INFO_FILE, ExportInfo, weights_digest
from difusionseg_core.inference import InferenceGraph
from difusionseg_core.model import DiFusionSeg, Encoded
from difusionseg_core.predictor import Predictor
from difusionseg_core.preprocessing import SIZE_MULTIPLE, normalize
from difusionseg_core.schedule import check_steps, noise_levels

OPSET = 18
INPUTS = ("rgb", "thermal", "noise", "levels")
OUTPUTS = ("fused", "labels", "confidence")
_FREE_SIZES = {
    "rgb": {0: "batch", 1: "height", 2: "width"},
    "thermal": {0: "batch", 1: "height", 2: "width"},
    "noise": {0: "noises", 2: "rows", 3: "columns"},
    "levels": {0: "steps"},
}


LARGEST_DIFFERENCE = 1e-3
"""Between an exported graph and PyTorch, in the probability of a class and in the fused image."""


@dataclass(frozen=True)
class Differences:
    """Largest differences of probabilities and fused image (both 0..1), and the share of pixels
    with other classes, although PyTorch's best two are further apart than LARGEST_DIFFERENCE.
    """

    probability: float
    fused: float
    labels: float

    def __str__(self) -> str:
        return (
            f"largest differences: probability {self.probability:.1e}, fused {self.fused:.1e}; "
            f"other classes: {self.labels:.4%}"
        )


def export_file(
    weights: Path,
    output: Path,
    format: str = "onnx",
    size: tuple[int, int] | None = None,
    steps: int | None = None,
    share_weights: bool = False,
) -> Differences:
    """Export a weights file, and hold the result against PyTorch.

    `format` is "onnx", "openvino" or "torch"; `size` (height, width) fixes the size of the
    pictures, which are padded to multiples of 4; `steps` is the file's default number of diffusion
    steps. With `share_weights` (ONNX) the file lies beside the weights and holds none itself, and
    one that is there already is replaced. Raises ValueError where the two differ, leaving nothing.
    """
    ending = {"onnx": ".onnx", "openvino": ".xml", "torch": ".pt"}[format]
    if output.suffix != ending:
        raise ValueError(f"a file of format {format} ends in {ending}, not as {output}")
    if not output.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {output.parent}")
    if output.exists() and not share_weights:
        raise FileExistsError(f"{output} exists; name another output or remove it")
    model, info = load_model_and_info(weights)
    model.steps = model.steps if steps is None else check_steps(steps)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as folder:
        made = Path(folder) / output.name
        if format == "torch":
            export_torchscript(model, made, info.model, weights_digest(weights))
        else:
            graph = made.with_suffix(".onnx")
            export_onnx(model, graph, info.model, weights_digest(weights))
            if size is not None:
                _fix_size(graph, size, model.stride)
            if share_weights:
                os.link(weights, graph.with_name(weights.name))
                _share_weights(graph, weights)
            if format == "openvino":
                _save_openvino(graph, made)
        differences = compare(model, made, size)
        if max(differences.probability, differences.fused) > LARGEST_DIFFERENCE:
            raise ValueError(f"what was exported computes something else; {differences}")
        if format == "openvino":
            os.replace(made.with_suffix(".bin"), output.with_suffix(".bin"))
        os.replace(made, output)
    return differences


@torch.inference_mode()
def compare(model: DiFusionSeg, path: Path, size: tuple[int, int] | None) -> Differences:
    """Run an exported file and the model on the same random picture, with the model's steps."""
    height, width = size or (100, 132)
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (height // 4 + 1, width // 4 + 1, 4), dtype=np.uint8)
    picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    predictor = Predictor(path, device="cpu")
    result = predictor(picture[..., :3], picture[..., 3])
    image = torch.from_numpy(normalize(picture[..., :3], picture[..., 3]))[None]
    noise = torch.from_numpy(predictor.first_noise(1, *image.shape[2:]))
    output = model.eval()(image, noise, model.steps)
    blocks = torch.nn.functional.avg_pool2d(output.logits, model.label_stride).softmax(dim=1)
    probabilities = blocks[0].numpy().repeat(model.label_stride, 1).repeat(model.label_stride, 2)
    probabilities = probabilities[:, :height, :width]
    second, best = np.sort(probabilities, axis=0)[-2:]
    other = (probabilities.argmax(axis=0) != result.labels) & (best - second > LARGEST_DIFFERENCE)
    fused = 255 * output.fused[0, :, :height, :width].permute(1, 2, 0).numpy()
    # The exported picture is rounded: what is beyond half a grey value is the graph's difference.
    return Differences(
        probability=float(np.abs(best - result.confidence).max()),
        fused=max(float(np.abs(fused - result.fused).max() - 0.5), 0.0) / 255,
        labels=float(other.mean()),
    )


@torch.no_grad()
def export_onnx(model: DiFusionSeg, path: Path, name: str, weights: str) -> None:
    """Write the graph of `InferenceGraph` as ONNX; its steps are given as `noise_levels` are.

    `name` is the model's, `weights` the digest of its weights file; both only go into the file.
    """
    graph, inputs = _recorded(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the older exporter's being the older one
        torch.onnx.export(
            graph,
            inputs,
            str(path),
            dynamo=False,  # the newer exporter knows no loops, and takes 20 times as long
            opset_version=OPSET,
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
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
    )


def _recorded(model: DiFusionSeg) -> tuple[torch.jit.ScriptModule, tuple[Tensor, ...]]:
    """The graph, and inputs that fit it."""
    graph = InferenceGraph(model.eval())
    inputs = rgb, thermal, noise, levels = _example(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of every size that it follows
        encode = torch.jit.trace(_Encode(graph), (rgb, thermal, noise), check_trace=False)
        fused, encoded = encode(rgb, thermal, noise)
        level = levels[0, :1]
        step = torch.jit.trace(_Step(model), (noise, level, level, encoded), check_trace=False)
        classify = torch.jit.trace(_Classify(graph), (noise, encoded, fused), check_trace=False)
        return torch.jit.script(_Loop(encode, step, classify)).eval(), inputs


def _fix_size(path: Path, size: tuple[int, int], stride: int) -> None:
    height, width = (-(-side // SIZE_MULTIPLE) * SIZE_MULTIPLE for side in size)
    sizes = {"height": height, "width": width}
    sizes |= {"rows": -(-height // stride), "columns": -(-width // stride)}
    model = onnx.load(path)
    for tensor in model.graph.input:
        for dimension in tensor.type.tensor_type.shape.dim:
            if dimension.dim_param in sizes:
                dimension.dim_value = sizes[dimension.dim_param]
    onnx.save(model, path)


def _share_weights(path: Path, weights: Path) -> None:
    """Let the graph read its weights from the weights file, which has them as ONNX wants them."""
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


def _save_openvino(graph: Path, path: Path) -> None:
    import openvino

    openvino.save_model(openvino.Core().read_model(graph), path, compress_to_fp16=False)


def _example(model: DiFusionSeg) -> tuple[Tensor, ...]:
    # Two noises, so that tracing takes the way that serves any number of them.
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

    def forward(
        self, rgb: Tensor, thermal: Tensor, noise: Tensor
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        fused, encoded = self.graph.encode(rgb, thermal, noise)
        return fused, tuple(vars(encoded).values())


class _Step(nn.Module):
    def __init__(self, model: DiFusionSeg) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, state: Tensor, level: Tensor, next_level: Tensor, encoded: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor]:
        """The decoder's features, and the next state."""
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


class _Loop(nn.Module):
    """The three parts, traced, and what tracing cannot record: a loop of any length."""

    def __init__(self, encode: nn.Module, step: nn.Module, classify: nn.Module) -> None:
        super().__init__()
        self.encode = encode
        self.step = step
        self.classify = classify

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
