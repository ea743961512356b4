"""Measure the time of a frame, part by part, and the memory that it needs.

Every configuration runs in its own process with its own peak of memory. Several configurations take
turns, frame by frame, so that a change in the machine's speed affects all of them.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from difusionseg_core.parallel import Context, why_died

if TYPE_CHECKING:
    from torch import nn

    from difusionseg_core.predictor import Predictor

HOOKED_PARTS = ("backbone", "neck", "fusion", "decoder")


@dataclass(frozen=True)
class Configuration:
    """Configuration to measure.

    `model` is "lite", a weights file or an exported model, or "paper", which is
    measured with random weights; `height` and `width` are those of the camera images; `steps`
    None takes the model's own.
    """

    model: str = "lite"
    height: int = 480
    width: int = 640
    backend: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    steps: int | None = None
    compile: bool = False


@dataclass(frozen=True)
class Measurement:
    """Time and memory of a configuration.

    `seconds` by part are medians over the repeats, "total" among them, and `totals` those of every
    repeat; `peak_rss_mb` is the largest resident memory of the process in 10^6 bytes. `used` holds
    the backend, device and precision that "auto" chose.
    """

    used: dict[str, str]
    seconds: dict[str, float]
    totals: list[float]
    peak_rss_mb: float


def measure(configurations: list[Configuration], repeats: int, warmup: int) -> list[Measurement]:
    """Run each configuration `warmup + repeats` times, taking turns.

    Raises ValueError with the reason if a configuration cannot run.
    """
    context = Context()
    runners = [_Runner(context, configuration) for configuration in configurations]
    try:
        for runner in runners:
            runner.start()
        for _ in range(warmup):
            for runner in runners:
                runner.frame()
        frames = [[runner.frame() for runner in runners] for _ in range(repeats)]
        peaks = [runner.peak() for runner in runners]
    finally:
        for runner in runners:
            runner.stop()
    return [
        Measurement(
            runner.used,
            {part: median(frame[part] for frame in of_one) for part in of_one[0]},
            [frame["total"] for frame in of_one],
            peak,
        )
        for runner, of_one, peak in zip(runners, zip(*frames, strict=True), peaks, strict=True)
    ]


def ratio(first: Measurement, second: Measurement) -> float:
    """Return how many times as fast the second is: the median over the pairs of frames."""
    return median(a / b for a, b in zip(first.totals, second.totals, strict=True))


class _Runner:
    """A process that runs one configuration, one frame per request."""

    def __init__(self, context: Context, what: Configuration) -> None:
        self._pipe, child = context.Pipe()
        self._process = context.Process(target=_serve, args=(child, what), daemon=True)

    def start(self) -> None:
        self._process.start()
        self.used: dict[str, str] = self._answer()

    def frame(self) -> dict[str, float]:
        """Return seconds by part."""
        self._pipe.send("frame")
        return self._answer()

    def peak(self) -> float:
        self._pipe.send("peak")
        return self._answer()

    def stop(self) -> None:
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()

    def _answer(self) -> Any:
        try:
            answer = self._pipe.recv()
        except EOFError:
            self._process.join()
            raise ValueError(why_died([self._process])) from None
        if isinstance(answer, Exception):
            raise ValueError(str(answer)) from answer
        return answer


def _serve(pipe: Connection, what: Configuration) -> None:
    try:
        predictor = _predictor(what)
        rng = np.random.default_rng(0)
        rgb = rng.integers(0, 256, (what.height, what.width, 3), dtype=np.uint8)
        thermal = rng.integers(0, 256, (what.height, what.width), dtype=np.uint8)
        pipe.send({name: getattr(predictor, name) for name in ("backend", "device", "precision")})
        while True:
            asked = pipe.recv()
            if asked == "frame":
                pipe.send(_frame(predictor, rgb, thermal, in_parts=not what.compile))
            else:
                pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)
    except Exception as error:  # the other side raises it
        pipe.send(error)


def _predictor(what: Configuration) -> Predictor:
    from difusionseg_core import Predictor, create_model

    options: dict[str, Any] = {
        "device": what.device,
        "backend": what.backend,
        "precision": what.precision,
        "steps": what.steps,
        "compile": what.compile,
    }
    if what.model == "paper":  # speed does not depend on the weights
        return Predictor(create_model(what.model), **options)
    return Predictor.from_pretrained(what.model, **options)


def _frame(
    predictor: Predictor, rgb: np.ndarray, thermal: np.ndarray, in_parts: bool
) -> dict[str, float]:
    # Compiled networks have no parts to hook, and hooks would prevent the compiler from fusing.
    with _watched(predictor.model if in_parts else None, predictor.device) as parts:
        start = perf_counter()
        timings = predictor(rgb, thermal).timings
        end = perf_counter()
    inference_end = start + timings["preprocess"] + timings["inference"]
    seconds = {"preprocess": timings["preprocess"]}
    if not parts:
        seconds["network"] = timings["inference"]
    steps = 0
    for name, begun, ended in parts:
        steps += name == "decoder"
        seconds[f"step {steps}" if name == "decoder" else name] = ended - begun
    # from the decoder's last output to the result: upsampling, classes, confidence, cropping
    seconds["postprocess"] = end - parts[-1][2] if parts else end - inference_end
    seconds["total"] = end - start
    return seconds


@contextmanager
def _watched(model: nn.Module | None, device: str) -> Iterator[list[tuple[str, float, float]]]:
    """Collect (part, begin, end) of every call of the parts of a network in PyTorch."""
    if model is None:
        yield []
        return
    import torch

    calls: list[tuple[str, float, float]] = []
    begun: dict[str, float] = {}

    def now() -> float:
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)
        return perf_counter()

    def before(name: str) -> Callable[..., None]:
        return lambda *_: begun.__setitem__(name, now())

    def after(name: str) -> Callable[..., None]:
        return lambda *_: calls.append((name, begun[name], now()))

    hooks = []
    for name in HOOKED_PARTS:
        part = getattr(model, name)
        hooks += [
            part.register_forward_pre_hook(before(name)),
            part.register_forward_hook(after(name)),
        ]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()
