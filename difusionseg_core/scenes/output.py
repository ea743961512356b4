"""Write synthetic scenes as a data-set folder or a recording, in parallel processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from difusionseg_core.classes import MSRS
from difusionseg_core.data.boxes import write_boxes
from difusionseg_core.data.folder import BOXES, LABELS, VISIBLE
from difusionseg_core.data.folder import THERMAL as THERMAL_FOLDER
from difusionseg_core.data.image_files import write_png
from difusionseg_core.files import new_output
from difusionseg_core.imaging.codec.camera_images import compress
from difusionseg_core.imaging.thermal.temperature import ZERO_CELSIUS
from difusionseg_core.objects import DetectedObject
from difusionseg_core.objects.frame_objects import FrameObjects
from difusionseg_core.parallel import WorkerDied, in_order, process_pool
from difusionseg_core.recordings.object_messages import detections_message, object_types
from difusionseg_core.recordings.rosbag2 import RecordingWriter
from difusionseg_core.recordings.topic_choice import MASK, RGB, THERMAL, TRUE_OBJECTS
from difusionseg_core.scenes import RenderedFrame, Scene

_FRAME_ID = "camera"
_MOST_THINGS = 10_000  # of a scene; identities of the next scene continue there


@dataclass(frozen=True)
class SceneSeries:
    """Which frames to draw: `frames` of each of `scenes` scenes, at `rate` frames per second.

    Scene number n has seed `seed` + n and the n-th of `conditions` in turn; without conditions
    they are mixed. `size` is (height, width) in pixels. Raises ValueError, in one line, for values
    that cannot be drawn.
    """

    scenes: int = 100
    frames: int = 1
    rate: float = 10.0
    seed: int = 0
    conditions: tuple[str, ...] = ()
    size: tuple[int, int] = (480, 640)

    def __post_init__(self) -> None:
        Scene(self.seed, self.size)  # check the values before any process starts

    def __len__(self) -> int:
        return self.scenes * self.frames

    def __iter__(self) -> Iterator[FrameJob]:
        for scene in range(self.scenes):
            condition = self.conditions[scene % len(self.conditions)] if self.conditions else None
            for number in range(self.frames):
                yield FrameJob(self.seed + scene, number, number / self.rate, self.size, condition)


@dataclass(frozen=True)
class FrameJob:
    """One frame to draw: frame `number` of a scene, `time` [s] after the scene's start."""

    seed: int
    number: int
    time: float
    size: tuple[int, int]
    condition: str | None


def write_folder(series: SceneSeries, output: Path, workers: int) -> None:
    """Write a data-set folder with `vi`, `ir`, `Segmentation_labels` and `boxes`.

    Raises FileExistsError if `output` exists, and OSError if a worker process dies.
    """
    with new_output(output) as folder, _pool(workers) as pool:
        for part in (VISIBLE, THERMAL_FOLDER, LABELS, BOXES):
            (folder / part).mkdir(parents=True)
        draw = partial(_draw_to_folder, folder=folder, numbered=series.frames > 1)
        for _ in _drawn(pool, draw, series, workers):
            pass


def write_recording(
    series: SceneSeries, output: Path, storage: str, quality: int, workers: int
) -> None:
    """Write a recording with RGB images (JPEG of `quality`), thermal images, masks and objects.

    Thermal images are those of a radiometric camera, 16-bit counts of 0.1 K. Objects are the boxes
    of persons, bikes and cars, with an identity that is the same in all frames. Raises as
    `write_folder`.
    """
    topics = [f"/{base}/compressed" for base in (RGB, THERMAL, MASK)]
    with RecordingWriter(output, storage) as writer, _pool(workers) as pool:
        draw = partial(_draw_compressed, quality=quality)
        for number, (images, objects) in enumerate(_drawn(pool, draw, series, workers)):
            # Stamps begin at 1 s: 0 means "not stamped" in ROS.
            stamp_ns = 1_000_000_000 + round(number * 1e9 / series.rate)
            for topic, (data, format) in zip(topics, images, strict=True):
                writer.write_compressed(topic, stamp_ns, _FRAME_ID, data, format)
            message = detections_message(objects, MSRS, stamp_ns, _FRAME_ID)
            writer.write_message(f"/{TRUE_OBJECTS}", message, object_types(), stamp_ns)


def _draw_to_folder(job: FrameJob, folder: Path, numbered: bool) -> None:
    """Write a frame with a name as in MSRS: it ends in D by day, in N at night and at dusk."""
    scene = _scene(job.seed, job.size, job.condition)
    frame = scene.frame(job.time)
    letter = "D" if scene.condition == "day" else "N"
    name = f"{job.seed:06d}_{job.number:04d}{letter}" if numbered else f"{job.seed:06d}{letter}"
    for part, image in (
        (VISIBLE, frame.rgb),
        (THERMAL_FOLDER, frame.thermal),
        (LABELS, frame.labels),
    ):
        write_png(folder / part / f"{name}.png", image)
    height, width = job.size
    write_boxes(folder / BOXES / f"{name}.txt", frame.boxes, width, height)


def _draw_compressed(job: FrameJob, quality: int) -> tuple[list[tuple[bytes, str]], FrameObjects]:
    frame = _scene(job.seed, job.size, job.condition).frame(job.time)
    decikelvin = np.rint((frame.degrees + ZERO_CELSIUS) * 10).clip(0, 65535).astype(np.uint16)
    images = [
        compress(frame.rgb, "jpeg", quality),
        compress(decikelvin, "png"),
        compress(frame.labels, "png"),
    ]
    return images, _true_objects(frame, job.seed)


def _true_objects(frame: RenderedFrame, seed: int) -> FrameObjects:
    """The boxes of a frame, and as ids the identities of their things."""
    objects = [
        DetectedObject(
            box.label, 1.0, box.left, box.top, box.right - box.left, box.bottom - box.top
        )
        for box in frame.boxes
    ]
    return FrameObjects(objects, [_MOST_THINGS * seed + (box.thing or 0) for box in frame.boxes])


@lru_cache(maxsize=1)
def _scene(seed: int, size: tuple[int, int], condition: str | None) -> Scene:
    return Scene(seed, size, condition)


@contextmanager
def _pool(workers: int) -> Iterator[Executor | None]:
    """Open a pool of processes; None for one worker, which is this process."""
    try:
        with nullcontext() if workers == 1 else process_pool(workers) as pool:
            yield pool
    except WorkerDied as error:
        raise OSError(f"{error}; try fewer --workers") from None


def _drawn(pool: Executor | None, draw: partial, series: SceneSeries, workers: int) -> Iterable:
    """Draw all frames and yield the results in order, with a progress bar."""
    drawn = map(draw, series) if pool is None else in_order(pool, draw, series, 4 * workers)
    return tqdm(drawn, total=len(series), desc="drawing", unit="frame")
