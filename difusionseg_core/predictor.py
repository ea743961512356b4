"""From a pair of camera pictures to a fused picture and a class map."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from difusionseg_core.classes import label_set_of
from difusionseg_core.preprocessing import normalize
from difusionseg_core.schedule import check_schedule, check_steps
from difusionseg_core.thermal import to_uint8

if TYPE_CHECKING:
    from difusionseg_core.model import DiFusionSeg

BACKENDS = ("auto", "torch")
_SHIPPED = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Prediction:
    """Pictures of the size that came in.

    `fused` (H, W, 3) uint8 RGB; `labels` (H, W) uint8 class ids; `confidence` (H, W) float32,
    0..1, the probability of the class chosen. `timings` are seconds by stage: preprocess,
    inference, postprocess.
    """

    fused: np.ndarray
    labels: np.ndarray
    confidence: np.ndarray
    timings: dict[str, float]


class Predictor:
    """Runs a model on pairs of pictures.

    `steps` diffusion steps (1 to 20) can be changed between calls; the model's own number where
    None, and so for `schedule`, "published" or "chained". `draws` noises are denoised side by
    side, and their spread lowers the confidence. `seed` makes the noises, which stay the same for
    all frames: equal pairs give equal results, and video does not flicker. `device`, `precision`
    and `compile` are those of `backends.pytorch.TorchBackend`. The model itself stays as it is.

    >>> predictor = Predictor.from_pretrained("lite")
    >>> result = predictor(rgb, thermal)
    """

    def __init__(
        self,
        model: DiFusionSeg,
        device: str = "auto",
        backend: str = "auto",
        precision: str = "float32",
        compile: bool = False,
        steps: int | None = None,
        schedule: str | None = None,
        draws: int = 1,
        seed: int = 0,
    ) -> None:
        from difusionseg_core.backends.pytorch import TorchBackend

        if backend not in BACKENDS:
            raise ValueError(f"backend '{backend}' is unknown; use one of {', '.join(BACKENDS)}")
        if draws < 1:
            raise ValueError(f"draws must be 1 or more, not {draws}")
        self.label_set = label_set_of(model.num_classes)
        self.steps = model.steps if steps is None else steps
        self.draws = draws
        self.seed = seed
        self._dim, self._stride = model.dim, model.stride
        self._runner = TorchBackend(model, device, precision, compile)
        self.model.schedule = check_schedule(schedule or model.schedule)
        self._noise = np.empty(0, np.float32)

    @classmethod
    def from_pretrained(cls, model: str | Path, **options: object) -> Predictor:
        """With shipped weights ("lite") or those of a file (.safetensors).

        `options` are those of `Predictor`. Raises ValueError or FileNotFoundError, saying what to
        pass.
        """
        from difusionseg_core.checkpoints import load_model

        return cls(load_model(find_weights(model)), **options)

    @property
    def device(self) -> str:
        return self._runner.device

    @property
    def backend(self) -> str:
        return self._runner.name

    @property
    def model(self) -> DiFusionSeg:
        """The network as it runs: on its device, batch norms folded."""
        return self._runner.model

    @property
    def steps(self) -> int:
        """Diffusion steps a frame."""
        return self._steps

    @steps.setter
    def steps(self, steps: int) -> None:
        self._steps = check_steps(steps)

    def to_cpu(self) -> None:
        """Run on the CPU from now on: the way on after OutOfMemory."""
        self._runner.to_cpu()

    def __call__(self, rgb: np.ndarray | None, thermal: np.ndarray | None) -> Prediction:
        """Fuse and segment one pair.

        `rgb` (H, W, 3) uint8 RGB; `thermal` (H, W) uint8, or uint16 or float32, which are
        stretched by their percentiles; one of them may be None where a camera is missing. Raises
        ValueError for other shapes and types, and for pictures of different sizes, and
        `backends.OutOfMemory`.
        """
        start = perf_counter()
        rgb, thermal = check_pair(rgb, thermal)
        height, width = thermal.shape
        image = normalize(rgb, to_uint8(thermal))
        noise = self._first_noise(*image.shape[1:])
        prepared = perf_counter()
        fused, labels, confidence = self._runner.run(image, noise, self.steps)
        inferred = perf_counter()
        fused, labels, confidence = (
            np.ascontiguousarray(picture[:height, :width])
            for picture in (fused, labels, confidence)
        )
        timings = {
            "preprocess": prepared - start,
            "inference": inferred - prepared,
            "postprocess": perf_counter() - inferred,
        }
        return Prediction(fused, labels, confidence, timings)

    def _first_noise(self, height: int, width: int) -> np.ndarray:
        size = (self.draws, self._dim, -(-height // self._stride), -(-width // self._stride))
        if self._noise.shape != size:
            generator = np.random.default_rng(self.seed)
            self._noise = generator.standard_normal(size, np.float32)
        return self._noise


def find_weights(model: str | Path) -> Path:
    """The weights file of a shipped model's name or of a path; ValueError where neither fits."""
    if str(model) == "paper":
        raise ValueError(
            "no weights for 'paper' are shipped: pass the file of a checkpoint instead, made with "
            "'difusionseg convert CHECKPOINT.pth OUT.safetensors'"
        )
    if str(model) == "lite":
        return _SHIPPED / "lite.safetensors"
    if Path(model).suffix != ".safetensors":
        raise ValueError(
            f"model '{model}' is unknown; use 'lite' or the path of a .safetensors file"
        )
    return Path(model)


def check_pair(rgb: np.ndarray | None, thermal: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """The pair with a missing picture made black; ValueError, in one line, for one that is no
    pair.
    """
    if rgb is None and thermal is None:
        raise ValueError("both pictures are missing; pass at least one")
    if rgb is None:
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
        raise ValueError("the pictures are empty")
    return rgb, thermal
