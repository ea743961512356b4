"""The predictor: from a pair of camera images to a fused image and a mask."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from difusionseg_core.backends.export_cache import cache_folder, limit_cache, mark_used
from difusionseg_core.backends.export_info import weights_digest
from difusionseg_core.backends.selection import EXPORTED, WEIGHTS, open_backend
from difusionseg_core.checkpoints.model_files import SHIPPED, model_of_run
from difusionseg_core.classes import MSRS
from difusionseg_core.imaging.thermal.normalizer import to_uint8
from difusionseg_core.network.denoising.schedule import check_schedule, check_steps
from difusionseg_core.network.preprocessing import pad, stack
from difusionseg_core.objects import STRIDE, DetectedObject, find_objects
from difusionseg_core.objects.mask_agreement import fit_to_mask

if TYPE_CHECKING:
    from difusionseg_core.network.model import DiFusionSeg

_CHECKPOINTS = (".ckpt", ".pth")


@dataclass(frozen=True)
class Prediction:
    """Results in the size of the input images.

    `fused` (H, W, 3) uint8 RGB; `labels` (H, W) uint8 class ids, the mask; `confidence` (H, W)
    float32, 0..1, the probability of the class chosen. `timings` are seconds by stage: preprocess,
    inference, postprocess. `objects` are persons, bikes and cars as boxes, best first; None if the
    weights have no object head, and none for other classes than those of MSRS.
    """

    fused: np.ndarray
    labels: np.ndarray
    confidence: np.ndarray
    timings: dict[str, float]
    objects: list[DetectedObject] | None = None


class Predictor:
    """Runs a model on pairs of images.

    `steps` diffusion steps (1 to 20) can be changed between calls; None takes the model's own
    number, and likewise for `schedule`, "published" or "chained". `draws` noises are denoised side
    by side, and their spread lowers the confidence. `seed` makes the noises, which stay the same
    for all frames: equal pairs give equal results, and video does not flicker. `backend`, `device`,
    `precision` and `compile` are described at `backends.selection.open_backend`. A model that is
    passed is not changed.

    >>> predictor = Predictor.from_pretrained("lite")
    >>> result = predictor(rgb, thermal)
    """

    def __init__(
        self,
        model: DiFusionSeg | Path,
        device: str = "auto",
        backend: str = "auto",
        precision: str = "auto",
        compile: bool = False,
        steps: int | None = None,
        schedule: str | None = None,
        draws: int = 1,
        seed: int = 0,
    ) -> None:
        if draws < 1:
            raise ValueError(f"draws must be 1 or more, not {draws}")
        if steps is not None:
            check_steps(steps)
        if schedule is not None:
            check_schedule(schedule)
        self._runner = open_backend(model, backend, device, precision, compile)
        info = self._runner.info
        self.label_set = info.label_set
        self.steps = info.steps if steps is None else steps
        self.draws = draws
        self.seed = seed
        self._dim, self._stride = info.dim, info.stride
        self.schedule = schedule or info.schedule
        self._noise: np.ndarray = np.empty(0, np.float32)

    @classmethod
    def from_pretrained(cls, model: str | Path, **options: Any) -> Predictor:
        """Load shipped weights ("lite"), a weights file (.safetensors) or an exported model.

        `options` are those of `Predictor`. Raises ValueError or FileNotFoundError, with what to
        pass, and ImportError, with what to install.
        """
        return cls(find_weights(model), **options)

    @property
    def device(self) -> str:
        """The device in use, such as "cpu" or "cuda"."""
        return self._runner.device

    @property
    def backend(self) -> str:
        """The backend in use: "torch", "openvino" or "onnxruntime"."""
        return self._runner.name

    @property
    def precision(self) -> str:
        """The number format in use: "float32", "bf16" or "float16"."""
        return self._runner.precision

    @property
    def model(self) -> DiFusionSeg | None:
        """The network as PyTorch runs it: on its device, batch norms folded; else None."""
        return getattr(self._runner, "model", None)

    @property
    def own_steps(self) -> int:
        """Number of diffusion steps that the model was made for."""
        return self._runner.info.steps

    @property
    def steps(self) -> int:
        """Diffusion steps per frame."""
        return self._steps

    @steps.setter
    def steps(self, steps: int) -> None:
        self._steps = check_steps(steps)

    def to_cpu(self) -> None:
        """Run on the CPU from now on, for example after OutOfMemory."""
        self._runner.to_cpu()

    def __call__(self, rgb: np.ndarray | None, thermal: np.ndarray | None) -> Prediction:
        """Fuse and segment one pair.

        `rgb` (H, W, 3) uint8 RGB; `thermal` (H, W) uint8, or uint16 or float32, which are
        stretched by their percentiles; one of them may be None if a camera is missing. Raises
        ValueError for other shapes and types, and for images of different sizes, and
        `backends.OutOfMemory`.
        """
        return self.batch([(rgb, thermal)])[0]

    def batch(
        self, pairs: Sequence[tuple[np.ndarray | None, np.ndarray | None]]
    ) -> list[Prediction]:
        """Fuse and segment pairs of one size at once; the results are those of single calls.

        The timings are the batch's. Raises as a call does, and ValueError for pairs of different
        sizes.
        """
        start = perf_counter()
        checked = [check_pair(*pair) for pair in pairs]
        sizes = {thermal.shape for _, thermal in checked}
        if len(sizes) != 1:
            raise ValueError(f"a batch holds pairs of one size, not of {len(sizes)}")
        (height, width) = sizes.pop()
        rgb = stack([pad(rgb) for rgb, _ in checked])
        thermal = stack([pad(to_uint8(thermal)) for _, thermal in checked])
        noise = self.first_noise(*thermal.shape)
        prepared = perf_counter()
        outputs = self._runner.run(rgb, thermal, noise, self.steps, self.schedule)
        inferred = perf_counter()
        fused, labels, confidence, *object_maps = outputs
        if self.label_set.has_same_classes(MSRS):
            objects = _objects(labels, object_maps, height, width)
        else:
            objects = [[] for _ in pairs]  # regions of the mask would be taken for persons and cars
        maps = [_upsampled(image, thermal.shape[1:]) for image in (labels, confidence)]
        fused, labels, confidence = (
            np.ascontiguousarray(image[:, :height, :width]) for image in (fused, *maps)
        )
        timings = {
            "preprocess": prepared - start,
            "inference": inferred - prepared,
            "postprocess": perf_counter() - inferred,
        }
        return [
            Prediction(image, mask, certainty, timings, of_pair)
            for image, mask, certainty, of_pair in zip(
                fused, labels, confidence, objects, strict=True
            )
        ]

    def first_noise(self, batch: int, height: int, width: int) -> np.ndarray:
        """Return the sampler's first states (batch * draws, dim, h, w), equal for every pair."""
        rows, columns = -(-height // self._stride), -(-width // self._stride)
        size = (batch * self.draws, self._dim, rows, columns)
        if self._noise.shape != size:
            generator = np.random.default_rng(self.seed)
            noises = generator.standard_normal((self.draws, self._dim, rows, columns), np.float32)
            self._noise = np.tile(noises, (batch, 1, 1, 1))
        return self._noise


@dataclass(frozen=True)
class PredictorOptions:
    """Arguments of `Predictor.from_pretrained`; another process can receive them."""

    model: str | Path = "lite"
    device: str = "auto"
    backend: str = "auto"
    precision: str = "auto"
    compile: bool = False
    steps: int | None = None
    schedule: str | None = None
    draws: int = 1
    seed: int = 0

    def open(self) -> Predictor:
        """Make the predictor. Raises as `Predictor.from_pretrained`."""
        return Predictor.from_pretrained(**vars(self))


def _objects(
    labels: np.ndarray, maps: Sequence[np.ndarray], height: int, width: int
) -> list[list[DetectedObject] | None]:
    """Return the objects of each pair, from mask and object head; None without a head."""
    if not maps:
        return [None] * len(labels)
    stride = STRIDE * maps[0].shape[2] // labels.shape[1]
    return [
        fit_to_mask(find_objects(peaks, extents, height, width), mask, stride)
        for mask, peaks, extents in zip(labels, *maps, strict=True)
    ]


def _upsampled(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Map (B, h, w) to (B, H, W), each pixel repeated."""
    if maps.shape[1:] == size:
        return maps
    return stack([cv2.resize(one, size[::-1], interpolation=cv2.INTER_NEAREST) for one in maps])


def find_weights(model: str | Path) -> Path:
    """Return the file of a model: of a shipped name, a file, or the folder of a training.

    Weights are taken out of a checkpoint (.ckpt, .pth) once and kept in the user's cache. Raises
    ValueError or FileNotFoundError, saying what to pass.
    """
    if str(model) == "paper":
        raise ValueError(
            "no weights for 'paper' are shipped: pass the file of a checkpoint instead, made with "
            "'difusionseg convert CHECKPOINT.pth OUT.safetensors'"
        )
    if str(model) == "lite":
        return SHIPPED / "lite.safetensors"
    path = Path(model)
    if path.is_dir():
        return model_of_run(path)
    if path.suffix in _CHECKPOINTS:
        return _weights_of_checkpoint(path)
    if path.suffix not in (WEIGHTS, *EXPORTED):
        raise ValueError(
            f"model '{model}' is unknown; use 'lite', the folder of a training, or the path of a "
            f"{WEIGHTS} file, of a checkpoint ({', '.join(_CHECKPOINTS)}), or of an exported model "
            f"({', '.join(EXPORTED)})"
        )
    return path


def _weights_of_checkpoint(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(f"there is no model file {path}")
    weights = cache_folder() / f"{path.stem}-{weights_digest(path)[:16]}{WEIGHTS}"
    if not weights.is_file():
        if importlib.util.find_spec("torch") is None:
            raise ImportError(
                f"PyTorch, which reads the checkpoint {path}, is not installed: pip install torch, "
                "or use the exported model (.onnx) beside the training's weights"
            )
        from difusionseg_core.checkpoints.weights_file import import_checkpoint

        weights.parent.mkdir(parents=True, exist_ok=True)
        import_checkpoint(path, weights)
        limit_cache()
    mark_used(weights)
    return weights


def check_pair(rgb: np.ndarray | None, thermal: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the pair with a missing image made black; raise ValueError for an invalid pair."""
    if rgb is None:
        if thermal is None:
            raise ValueError("both images are missing; pass at least one")
        rgb = np.zeros((*thermal.shape[:2], 3), np.uint8)
    if thermal is None:
        thermal = np.zeros(rgb.shape[:2], np.uint8)
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise ValueError(f"rgb must be (H, W, 3) uint8, not {rgb.shape} {rgb.dtype}")
    if rgb.shape[:2] != thermal.shape[:2]:
        raise ValueError(
            f"rgb is {rgb.shape[1]}x{rgb.shape[0]} but thermal {thermal.shape[1]}x"
            f"{thermal.shape[0]} pixels; the pair must be registered and of one size"
        )
    if rgb.size == 0:
        raise ValueError("the images are empty")
    return rgb, thermal
