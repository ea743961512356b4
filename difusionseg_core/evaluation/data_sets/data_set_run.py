"""Run a model on a data set, or read finished images, and score image by image.

Threads read ahead, the model runs in the main thread, and processes score, all at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from difusionseg_core.backends import OutOfMemory
from difusionseg_core.classes import LabelSet
from difusionseg_core.data.folder import ImagePair
from difusionseg_core.data.frames import DataSetFrame, read_frame
from difusionseg_core.data.image_files import read_rgb, write_png
from difusionseg_core.data.label_files import read_labels
from difusionseg_core.evaluation.data_sets.image_scores import (
    MODEL,
    ImageScores,
    ScoredImages,
    score_image,
)
from difusionseg_core.imaging.thermal.normalizer import to_uint8
from difusionseg_core.objects import DetectedObject
from difusionseg_core.parallel import available_cores, in_order, process_pool

if TYPE_CHECKING:
    from difusionseg_core.predictor import Prediction, Predictor

T = TypeVar("T")

MASK, FUSED = "mask", "fused"
"""Folders of a model's outputs, named as `predict` names them."""

_BATCH = 8
"""Images per batch on a GPU."""
_FEW = 5
"""Fewer images than this are scored before a process has started."""
_MOST_WORKERS = 16  # each holds some images; one model cannot feed more


@dataclass(frozen=True)
class Failure:
    """An image that could not be evaluated; `message` names it."""

    name: str
    message: str


def run_model(
    pairs: Sequence[ImagePair],
    label_set: LabelSet,
    predictor: Predictor,
    output: Path,
    without: str | None = None,
    baselines: bool = False,
) -> Iterator[ImageScores | Failure]:
    """Run the model on every frame and score it, in order; masks and fused images go to `output`.

    `without` is "rgb" or "thermal": a camera that is withheld from the model. `baselines` adds the
    model with each camera alone ("visible", "thermal"), and those of `score_image`.
    """
    # One image keeps a CPU busy, but not a GPU.
    size = 1 if predictor.device == "cpu" else _BATCH
    for folder in (MASK, FUSED):
        (output / folder).mkdir(parents=True, exist_ok=True)
    cameras = {MODEL: without}
    if baselines:
        cameras |= {"visible": "thermal", "thermal": "rgb"}  # each without the other

    def tasks(frames: Iterable[DataSetFrame | Failure]) -> Iterator[_Task | Failure]:
        for batch in _batches(frames, size):
            made = iter(
                _predict(
                    predictor, [one for one in batch if isinstance(one, DataSetFrame)], cameras
                )
            )
            for one in batch:
                if isinstance(one, Failure):
                    yield one
                    continue
                outputs, seconds = next(made)
                yield _Task(one, outputs, label_set.num_classes, baselines, seconds, output)

    def read(pair: ImagePair) -> DataSetFrame | Failure:
        return _or_failure(pair.name, lambda: read_frame(pair, label_set))

    with ThreadPoolExecutor(2) as readers, _scorers(len(pairs)) as scorers:
        frames = in_order(readers, read, pairs, ahead=2 + size)
        yield from _results(tasks(frames), scorers)


def score_images(
    pairs: Sequence[ImagePair],
    label_set: LabelSet,
    masks: dict[str, Path] | None,
    fused: dict[str, Path] | None,
    objects: dict[str, list[DetectedObject]] | None = None,
    baselines: bool = False,
) -> Iterator[ImageScores | Failure]:
    """Score finished masks and fused images, given as files by image name.

    The scores come in the order of `pairs`.
    """

    def read(pair: ImagePair) -> _Task | Failure:
        def read_all() -> _Task:
            frame = read_frame(pair, label_set)
            output = ScoredImages(
                fused=read_rgb(fused[pair.name]) if fused else None,
                labels=read_labels(masks[pair.name]) if masks else None,
                objects=None if objects is None else objects.get(pair.name, []),
            )
            return _Task(frame, {MODEL: output}, label_set.num_classes, baselines)

        return _or_failure(pair.name, read_all)

    with ThreadPoolExecutor(2) as readers, _scorers(len(pairs)) as scorers:
        yield from _results(in_order(readers, read, pairs, ahead=4), scorers)


@dataclass(frozen=True)
class _Task:
    """Work for another process: score, and write a model's outputs if there is a `folder`."""

    frame: DataSetFrame
    outputs: dict[str, ScoredImages]
    num_classes: int
    fusion_baselines: bool
    seconds: float | None = None
    folder: Path | None = None

    def __call__(self) -> ImageScores | Failure:
        return _or_failure(self.frame.name, self._score)

    def _score(self) -> ImageScores:
        scores = score_image(
            self.frame, self.outputs, self.num_classes, self.fusion_baselines, self.seconds
        )
        if self.folder:
            made = self.outputs[MODEL]
            for kind, image in ((MASK, made.labels), (FUSED, made.fused)):
                if image is not None:
                    write_png(self.folder / kind / f"{self.frame.name}.png", image)
        return scores


def _predict(
    predictor: Predictor, frames: Sequence[DataSetFrame], cameras: dict[str, str | None]
) -> list[tuple[dict[str, ScoredImages], float]]:
    """Return for each frame its outputs by source, and the seconds that the first source took.

    `cameras` names for each source the camera that it lacks.
    """
    if not frames:
        return []
    pairs = [(frame.rgb, to_uint8(frame.thermal)) for frame in frames]
    outputs: list[dict[str, ScoredImages]] = [{} for _ in frames]
    seconds = []
    for source, missing in cameras.items():
        made = _run_batch(
            predictor,
            [
                (None if missing == "rgb" else rgb, None if missing == "thermal" else thermal)
                for rgb, thermal in pairs
            ],
        )
        seconds.append(sum(made[0].timings.values()) / len(made))  # the batch has one time
        for of_frame, one in zip(outputs, made, strict=True):
            # A baseline's fused image is the camera's own image, which needs no model.
            fused = one.fused if source == MODEL else None
            of_frame[source] = ScoredImages(fused, one.labels, one.confidence, one.objects)
    return [(of_frame, seconds[0]) for of_frame in outputs]


def _run_batch(
    predictor: Predictor, pairs: Sequence[tuple[np.ndarray | None, np.ndarray | None]]
) -> list[Prediction]:
    """Run all at once, or one by one if the device runs out of memory."""
    try:
        return predictor.batch(pairs)
    except OutOfMemory as error:
        if len(pairs) == 1:
            raise ValueError(f"{error}; try --device cpu") from error
    return [predictor(*pair) for pair in pairs]


def _batches(
    frames: Iterable[DataSetFrame | Failure], size: int
) -> Iterator[list[DataSetFrame | Failure]]:
    """Split into batches of at most `size`; frames of a batch have images of one size."""
    batch: list[DataSetFrame | Failure] = []
    shapes: set[tuple[int, ...]] = set()
    for one in frames:
        shape = {one.rgb.shape} if isinstance(one, DataSetFrame) else set()
        if batch and (len(batch) == size or len(shapes | shape) > 1):
            yield batch
            batch, shapes = [], set()
        batch.append(one)
        shapes |= shape
    if batch:
        yield batch


def _or_failure(name: str, function: Callable[[], T]) -> T | Failure:
    try:
        return function()
    except (ValueError, OSError) as error:
        return Failure(name, str(error))


def _results(
    tasks: Iterable[_Task | Failure], scorers: Executor
) -> Iterator[ImageScores | Failure]:
    """Run the tasks and pass failures through, in order."""
    return in_order(scorers, _run, tasks, ahead=2 * _workers())


def _run(task: _Task | Failure) -> ImageScores | Failure:
    return task if isinstance(task, Failure) else task()


def _workers() -> int:
    return min(available_cores(), _MOST_WORKERS)


@contextmanager
def _scorers(images: int) -> Iterator[Executor]:
    """Open processes that score, with one thread each; for a few images one thread."""
    with ThreadPoolExecutor(1) if images < _FEW else process_pool(_workers()) as pool:
        yield pool
