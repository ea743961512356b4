"""A data set through a model, or past somebody's pictures, image by image.

Threads read ahead, the model runs here, and processes score: each does what the others wait for.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2

from difusionseg_core.backends import OutOfMemory
from difusionseg_core.classes import LabelSet
from difusionseg_core.data.folder import Pair
from difusionseg_core.data.frames import Frame, read_frame
from difusionseg_core.data.image_files import read_labels, read_rgb, write_png
from difusionseg_core.evaluation.data_sets.image_scores import (
    MODEL,
    ImageScores,
    Output,
    score_image,
)
from difusionseg_core.imaging.thermal import to_uint8

if TYPE_CHECKING:
    from difusionseg_core.predictor import Prediction, Predictor

MASK, FUSED = "mask", "fused"
"""Folders of what a model made, as `predict` names them."""

_BATCH = 8
"""Images that a graphics card gets at once."""
_FEW = 5
"""Images that are scored sooner than a process has started."""
_MOST_WORKERS = 16  # each holds some images; more could not be fed by one model


@dataclass(frozen=True)
class Failure:
    """An image that could not be evaluated; `message` names it."""

    name: str
    message: str


def run_model(
    pairs: Sequence[Pair],
    label_set: LabelSet,
    predictor: Predictor,
    output: Path,
    without: str | None = None,
    baselines: bool = False,
) -> Iterator[ImageScores | Failure]:
    """Run and score every frame, in order; masks and fused images go to `output`.

    `without` "rgb" or "thermal" takes that camera away from the model. `baselines` adds the model
    with each camera alone ("visible", "thermal"), and those of `score_image`.
    """
    # A graphics card has more to do at once than one image; a processor has not.
    size = 1 if predictor.device == "cpu" else _BATCH
    for folder in (MASK, FUSED):
        (output / folder).mkdir(parents=True, exist_ok=True)
    cameras = {MODEL: without}
    if baselines:
        cameras |= {"visible": "thermal", "thermal": "rgb"}  # each without the other

    def tasks(frames: Iterable[Frame | Failure]) -> Iterator[_Task | Failure]:
        for batch in _batches(frames, size):
            made = iter(
                _predict(predictor, [one for one in batch if isinstance(one, Frame)], cameras)
            )
            for one in batch:
                if isinstance(one, Frame):
                    outputs, seconds = next(made)
                    one = _Task(one, outputs, label_set.num_classes, baselines, seconds, output)
                yield one

    def read(pair: Pair) -> Frame | Failure:
        return _or_failure(pair.name, read_frame, pair, label_set)

    with ThreadPoolExecutor(2) as readers, _scorers(len(pairs)) as scorers:
        frames = (future.result() for future in _ahead(readers, read, pairs, 2 + size))
        yield from _results(tasks(frames), scorers)


def score_pictures(
    pairs: Sequence[Pair],
    label_set: LabelSet,
    masks: dict[str, Path] | None,
    fused: dict[str, Path] | None,
    baselines: bool = False,
) -> Iterator[ImageScores | Failure]:
    """Score somebody's masks and fused images, files by name of image; in the order of `pairs`."""

    def read(pair: Pair) -> _Task | Failure:
        def read_all() -> _Task:
            frame = read_frame(pair, label_set)
            output = Output(
                fused=read_rgb(fused[pair.name]) if fused else None,
                labels=read_labels(masks[pair.name]) if masks else None,
            )
            return _Task(frame, {MODEL: output}, label_set.num_classes, baselines)

        return _or_failure(pair.name, read_all)

    with ThreadPoolExecutor(2) as readers, _scorers(len(pairs)) as scorers:
        tasks = (future.result() for future in _ahead(readers, read, pairs, 4))
        yield from _results(tasks, scorers)


@dataclass(frozen=True)
class _Task:
    """Runs in a process: score, and write what a model made, if there is a folder for it."""

    frame: Frame
    outputs: dict[str, Output]
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
            write_png(self.folder / MASK / f"{self.frame.name}.png", made.labels)
            write_png(self.folder / FUSED / f"{self.frame.name}.png", made.fused)
        return scores


def _predict(
    predictor: Predictor, frames: Sequence[Frame], cameras: dict[str, str | None]
) -> list[tuple[dict[str, Output], float]]:
    """For each frame, outputs by source and the seconds of the first; `cameras` says for each
    source which one is missing.
    """
    if not frames:
        return []
    pairs = [(frame.rgb, to_uint8(frame.thermal)) for frame in frames]
    outputs: list[dict[str, Output]] = [{} for _ in frames]
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
            # A baseline's fused image is the camera's own picture, which needs no model.
            fused = one.fused if source == MODEL else None
            of_frame[source] = Output(fused, one.labels, one.confidence)
    return [(of_frame, seconds[0]) for of_frame in outputs]


def _run_batch(predictor: Predictor, pairs: Sequence[tuple]) -> list[Prediction]:
    """At once, or one by one where memory is not enough for that."""
    try:
        return predictor.batch(pairs)
    except OutOfMemory as error:
        if len(pairs) == 1:
            raise ValueError(f"{error}; try --device cpu") from error
    return [predictor(*pair) for pair in pairs]


def _batches(frames: Iterable[Frame | Failure], size: int) -> Iterator[list[Frame | Failure]]:
    """Runs of at most `size`, the frames in each of one size of image."""
    batch: list[Frame | Failure] = []
    shapes: set[tuple[int, ...]] = set()
    for one in frames:
        shape = {one.rgb.shape} if isinstance(one, Frame) else set()
        if batch and (len(batch) == size or len(shapes | shape) > 1):
            yield batch
            batch, shapes = [], set()
        batch.append(one)
        shapes |= shape
    if batch:
        yield batch


def _or_failure(name: str, function: Callable, *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except (ValueError, OSError) as error:
        return Failure(name, str(error))


def _results(
    tasks: Iterable[_Task | Failure], scorers: Executor
) -> Iterator[ImageScores | Failure]:
    """Run the tasks, and pass failures on, in order."""
    under_way = 2 * _workers()
    try:
        for future in _ahead(scorers, _run, tasks, under_way):
            yield future.result()
    except BrokenExecutor:
        raise ValueError("a scoring process died; was there enough memory?") from None


def _run(task: _Task | Failure) -> ImageScores | Failure:
    return task if isinstance(task, Failure) else task()


def _ahead(pool: Executor, function: Callable, items: Iterable, under_way: int) -> Iterator[Future]:
    """Futures of function(item), in order, with at most so many started and not yet taken."""
    waiting: deque[Future] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= under_way:
            yield waiting.popleft()
    yield from waiting


def _workers() -> int:
    return min(len(os.sched_getaffinity(0)), _MOST_WORKERS)


def _start_scorer() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends them through the main process
    cv2.setNumThreads(1)
    # A pool's processes outlive a killed parent, waiting for work for good.
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


@contextmanager
def _scorers(images: int) -> Iterator[Executor]:
    """Processes that score, one thread each; a thread where processes take longer to start."""
    if images < _FEW:
        pool = ThreadPoolExecutor(1)
    else:
        pool = ProcessPoolExecutor(
            _workers(),
            # The model's threads and locks are no good in a forked process.
            multiprocessing.get_context("spawn"),
            _start_scorer,
        )
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
