"""Write a model as a file of another format, and check the file against PyTorch."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from difusionseg_core.backends.export_info import weights_digest
from difusionseg_core.backends.pytorch_to_onnx import (
    export_onnx,
    export_torchscript,
    fix_size,
    share_weights,
)
from difusionseg_core.backends.selection import open_backend
from difusionseg_core.checkpoints.weights_file import load_model_and_info
from difusionseg_core.network.denoising.schedule import check_steps
from difusionseg_core.network.model import DiFusionSeg
from difusionseg_core.network.preprocessing import SIZE_MULTIPLE, normalize

LARGEST_DIFFERENCE = 1e-3
"""Between an exported model and PyTorch, in class probabilities and in the fused image (0..1)."""

_ENDINGS = {"onnx": ".onnx", "openvino": ".xml", "torch": ".pt"}


@dataclass(frozen=True)
class Differences:
    """How far an exported model is from PyTorch.

    `probability` and `fused` are the largest differences (both 0..1); `labels` is the share of
    pixels with another class although PyTorch's best two differ by more than LARGEST_DIFFERENCE.
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
    beside_weights: bool = False,
) -> Differences:
    """Export a weights file and check the result against PyTorch.

    `format` is "onnx", "openvino" or "torch"; `size` (height, width) fixes the image size, rounded
    up to multiples of 4; `steps` is the file's default number of diffusion steps. With
    `beside_weights` (ONNX only) the file reads its weights from the weights file beside it, and
    replaces one that exists. Raises FileExistsError, FileNotFoundError, and ValueError if the two
    differ; nothing is left behind then.
    """
    if output.suffix != _ENDINGS[format]:
        raise ValueError(
            f"{output} must end in {_ENDINGS[format]}, the file name ending of format {format}"
        )
    if not output.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {output.parent}")
    if output.exists() and not beside_weights:
        raise FileExistsError(f"{output} exists; name another output or remove it")
    model, info = load_model_and_info(weights)
    model.steps = model.steps if steps is None else check_steps(steps)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as folder:
        made = Path(folder) / output.name
        if format == "torch":
            export_torchscript(model, made, info.model, weights_digest(weights))
        else:
            onnx_file = made.with_suffix(".onnx")
            export_onnx(model, onnx_file, info.model, weights_digest(weights))
            if size is not None:
                fix_size(onnx_file, size, model.stride)
            if beside_weights:
                os.link(weights, onnx_file.with_name(weights.name))
                share_weights(onnx_file, weights)
            if format == "openvino":
                _save_openvino(onnx_file, made)
        differences = compare(model, made, size)
        if max(differences.probability, differences.fused) > LARGEST_DIFFERENCE:
            raise ValueError(f"the exported model differs from PyTorch; {differences}")
        if format == "openvino":
            made.with_suffix(".bin").replace(output.with_suffix(".bin"))
        made.replace(output)
    return differences


@torch.inference_mode()
def compare(model: DiFusionSeg, path: Path, size: tuple[int, int] | None) -> Differences:
    """Run an exported file and the model on the same random image, with the model's own steps.

    `size` (height, width) is rounded up to multiples of 4; 100x132 if None.
    """
    height, width = (-(-side // SIZE_MULTIPLE) * SIZE_MULTIPLE for side in size or (100, 132))
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (height // 4 + 1, width // 4 + 1, 4), dtype=np.uint8)
    random_image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    rgb, thermal = random_image[..., :3], random_image[..., 3]
    image = torch.from_numpy(normalize(rgb, thermal))[None]
    noise = rng.standard_normal(model.noise_shape(image), np.float32)

    exported = open_backend(path, device="cpu", precision="float32")
    fused, labels, confidence, *_ = exported.run(
        rgb[None], thermal[None], noise, model.steps, model.schedule
    )
    expected = model.eval()(image, torch.from_numpy(noise), model.steps)
    blocks = torch.nn.functional.avg_pool2d(expected.logits, model.label_stride)
    probabilities = blocks.softmax(dim=1)[0].numpy()
    second, best = np.sort(probabilities, axis=0)[-2:]
    other = (probabilities.argmax(axis=0) != labels[0]) & (best - second > LARGEST_DIFFERENCE)
    expected_fused = 255 * expected.fused[0].permute(1, 2, 0).numpy()
    # The exported model rounds its image, so half a grey level is no difference.
    return Differences(
        probability=float(np.abs(best - confidence[0]).max()),
        fused=max(float(np.abs(expected_fused - fused[0]).max() - 0.5), 0.0) / 255,
        labels=float(other.mean()),
    )


def _save_openvino(onnx_file: Path, path: Path) -> None:
    import openvino

    openvino.save_model(openvino.Core().read_model(onnx_file), path, compress_to_fp16=False)
