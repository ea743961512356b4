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

from difusionseg_core.classes import LabelSet
from difusionseg_core.data.folder import Pair
from difusionseg_core.data.frames import Frame, read_frame
from difusionseg_core.data.images import read_labels, read_rgb, write_png
from difusionseg_core.evaluation.scoring import MODEL, ImageScores, Output, score_image
from difusionseg_core.thermal import to_uint8

if TYPE_CHECKING:
    from difusionseg_core.predictor import Predictor

MASK, FUSED = "mask", "fused"
"""Folders of what a model made, as `predict` names them."""

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
    for folder in (MASK, FUSED):
        (output / folder).mkdir(parents=True, exist_ok=True)
    cameras = {MODEL: without}
    if baselines:
        cameras |= {"visible": "thermal", "thermal": "rgb"}  # each without the other

    def tasks(frames: Iterable[Future]) -> Iterator[Callable | Failure]:
        for future in frames:
            frame = future.result()
            if isinstance(frame, Failure):
                yield frame
                continue
            outputs, seconds = _predict(predictor, frame, cameras)
            yield _Task(frame, outputs, label_set.num_classes, baselines, seconds, output)

    def read(pair: Pair) -> Frame | Failure:
        return _or_failure(pair.name, read_frame, pair, label_set)

    with ThreadPoolExecutor(2) as readers, _scorers(len(pairs)) as scorers:
        yield from _results(tasks(_ahead(readers, read, pairs, 4)), scorers)


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
    predictor: Predictor, frame: Frame, cameras: dict[str, str | None]
) -> tuple[dict[str, Output], float]:
    """Outputs by source, and the seconds of the first; `cameras` says which one is missing."""
    thermal = to_uint8(frame.thermal)
    outputs, seconds = {}, []
    for source, missing in cameras.items():
        made = predictor(
            None if missing == "rgb" else frame.rgb, None if missing == "thermal" else thermal
        )
        seconds.append(sum(made.timings.values()))
        # A baseline's fused image is the camera's own picture, which is scored without a model.
        fused = made.fused if source == MODEL else None
        outputs[source] = Output(fused, made.labels, made.confidence)
    return outputs, seconds[0]


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
