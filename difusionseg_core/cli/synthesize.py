"""`difusionseg synthesize`: drawn street scenes as a data-set folder or as a recording."""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import cv2
from tqdm import tqdm

from difusionseg_core.data.boxes import write_boxes
from difusionseg_core.data.folder import BOXES, LABELS, VISIBLE
from difusionseg_core.data.folder import THERMAL as THERMAL_FOLDER
from difusionseg_core.data.image_files import write_png
from difusionseg_core.files import staged
from difusionseg_core.imaging.camera_images import compress
from difusionseg_core.recordings.rosbag2 import MASK, RGB, STORAGES, THERMAL, RecordingWriter
from difusionseg_core.scenes import CONDITIONS, Scene

HELP = "draw street scenes with RGB image, thermal image, exact class mask and boxes"
_EXAMPLE = """examples:
  difusionseg synthesize --output drawn --scenes 1000
      1000 different pairs with masks and boxes: drawn/vi, ir, Segmentation_labels, boxes
  difusionseg synthesize --output drive --format mcap --scenes 2 --frames 25 --conditions day night
      a recording of 5 s: a day scene, then a night scene
"""
_FRAME_ID = "camera"


@dataclass(frozen=True)
class Job:
    """One frame to draw."""

    seed: int
    number: int  # within its scene
    time: float  # seconds since the scene began
    size: tuple[int, int]  # (height, width)
    condition: str | None


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser(
        "synthesize",
        help=HELP,
        description=HELP,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--output", type=Path, required=True, help="folder or recording to make; it must not exist"
    )
    parser.add_argument(
        "--format",
        choices=("folder", *STORAGES),
        default="folder",
        help="data-set folder, or rosbag2 recording with that storage",
    )
    parser.add_argument("--scenes", type=int, default=100, help="how many different scenes")
    parser.add_argument(
        "--frames", type=int, default=1, help="frames of each scene, in which things move"
    )
    parser.add_argument("--rate", type=float, default=10.0, help="frames per second of a scene")
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the first scene; the others count on from it"
    )
    parser.add_argument(
        "--conditions",
        nargs="+",
        choices=CONDITIONS,
        metavar="CONDITION",
        help="light of the scenes in turn (day, dusk, night); default: mixed",
    )
    parser.add_argument(
        "--size", type=_size, default=(480, 640), metavar="HEIGHTxWIDTH", help="default 480x640"
    )
    parser.add_argument(
        "--quality",
        type=int,
        default=90,
        help="JPEG quality of RGB images in a recording, 1 to 100",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=os.cpu_count() or 1,
        help="processes that draw; default: one a core",
    )
    parser.set_defaults(run=run)


def _size(text: str) -> tuple[int, int]:
    height, times, width = text.partition("x")
    if not (times and height.isdigit() and width.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form HEIGHTxWIDTH")
    return int(height), int(width)


def run(args: argparse.Namespace) -> int:
    """Draw what the arguments ask for. Raises ValueError or OSError, in one line."""
    _check(args)
    if args.format == "folder":
        _write_folder(args)
    else:
        _write_recording(args)
    print(f"{args.output}: {args.scenes * args.frames} frames of {args.scenes} scenes")
    return 0


def _check(args: argparse.Namespace) -> None:
    for name in ("scenes", "frames", "workers"):
        if getattr(args, name) < 1:
            raise ValueError(f"--{name} must be 1 or more, not {getattr(args, name)}")
    if not args.rate > 0:
        raise ValueError(f"--rate must be above 0, not {args.rate:g}")
    if not 1 <= args.quality <= 100:
        raise ValueError(f"--quality must be 1 to 100, not {args.quality}")
    Scene(args.seed, args.size)  # refuses what cannot be drawn, before anything is started


def _jobs(args: argparse.Namespace) -> Iterator[Job]:
    for scene in range(args.scenes):
        condition = args.conditions[scene % len(args.conditions)] if args.conditions else None
        for number in range(args.frames):
            yield Job(args.seed + scene, number, number / args.rate, args.size, condition)


@lru_cache(maxsize=1)
def _scene(seed: int, size: tuple[int, int], condition: str | None) -> Scene:
    return Scene(seed, size, condition)


def _write_folder(args: argparse.Namespace) -> None:
    with staged(args.output) as folder, _workers(args.workers) as run_jobs:
        for part in (VISIBLE, THERMAL_FOLDER, LABELS, BOXES):
            (folder / part).mkdir(parents=True)
        draw = partial(_draw_to_folder, folder=folder, numbered=args.frames > 1)
        for _ in _with_progress(run_jobs(draw, _jobs(args)), args):
            pass


def _draw_to_folder(job: Job, folder: Path, numbered: bool) -> None:
    """Write a frame under MSRS's kind of name: it ends in D by day, N by night and at dusk."""
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


def _write_recording(args: argparse.Namespace) -> None:
    topics = [f"/{base}/compressed" for base in (RGB, THERMAL, MASK)]
    with RecordingWriter(args.output, args.format) as writer, _workers(args.workers) as run_jobs:
        draw = partial(_draw_compressed, quality=args.quality)
        for number, pictures in enumerate(_with_progress(run_jobs(draw, _jobs(args)), args)):
            # Stamps begin at 1 s: 0 means "not stamped" in ROS.
            stamp_ns = 1_000_000_000 + round(number * 1e9 / args.rate)
            for topic, (data, format) in zip(topics, pictures, strict=True):
                writer.write_compressed(topic, stamp_ns, _FRAME_ID, data, format)


def _draw_compressed(job: Job, quality: int) -> list[tuple[bytes, str]]:
    frame = _scene(job.seed, job.size, job.condition).frame(job.time)
    return [
        compress(frame.rgb, "jpeg", quality),
        compress(frame.thermal, "png"),
        compress(frame.labels, "png"),
    ]


@contextmanager
def _workers(count: int):
    """Yields a function like `map` that runs in `count` processes, results in order."""
    if count == 1:
        yield map
        return
    pool = ProcessPoolExecutor(count, get_context("spawn"), _start_worker)
    try:
        yield partial(_map_in, pool, count)
    except BrokenProcessPool:
        raise OSError(
            "a process that draws was killed, perhaps for lack of memory; try fewer --workers"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started them


def _map_in(pool: ProcessPoolExecutor, count: int, function, jobs: Iterable[Job]) -> Iterator:
    """Like `pool.map`, but with few jobs under way, so that results do not pile up in memory."""
    jobs = iter(jobs)
    waiting = [pool.submit(function, job) for job in islice(jobs, 4 * count)]
    while waiting:
        done = waiting.pop(0).result()
        waiting += [pool.submit(function, job) for job in islice(jobs, 1)]
        yield done


def _with_progress(results: Iterable, args: argparse.Namespace) -> Iterable:
    return tqdm(results, total=args.scenes * args.frames, desc="drawing", unit="frame")
