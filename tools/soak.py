"""Run the fusion node for a long time, with faults, and check that nothing grows.

    scripts/soak --output FILE.json
    scripts/soak --frames 1000 --size 480x640

Frames are sent over DDS, and every round of frames ends with one of the faults of soak_faults.py,
in turn. The exit status is 1 if the node did not recover from a fault, or if its memory, threads,
open files or latency grew.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace

import psutil
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from tqdm import tqdm

from difusionseg_core.cli.options import count
from difusionseg_ros.bringup import processes
from difusionseg_ros.bringup.description import BRINGUP_ARGUMENTS, bringup_processes, read_arguments
from difusionseg_ros.common.middleware import use_image_transport
from tools.command import measurement_parser, run_to_end, written
from tools.ros_graph import Graph, GraphFailed, use_own_domain
from tools.soak_driver import SoakDriver
from tools.soak_faults import FAULTS
from tools.synthetic_cameras import SyntheticCameras

START_TIMEOUT = 300.0  # seconds; the first start may have to export a model
CAMERA_TIMEOUT = 0.3  # seconds: shorter than the cameras' pauses
WARM_UP_ROUNDS = len(
    FAULTS
)  # until every fault has happened once, caches fill and the node may grow


@dataclass(frozen=True)
class NodeSample:
    """The node after a round.

    `latency_ms` is the time from sending a pair to its status, as the lower quartile of the round:
    other work on the machine slows some frames.
    """

    frames: int
    rss_mb: float
    threads: int
    files: int
    latency_ms: float


@dataclass(frozen=True)
class Growth:
    """A figure of the node: medians over the first and the last rounds."""

    first: float
    last: float
    limit: float

    @property
    def is_sound(self) -> bool:
        """Return whether the growth is within the limit."""
        return self.last - self.first <= self.limit


def growth(samples: Sequence[NodeSample], cycle: int) -> dict[str, Growth]:
    """Return the growth of each figure and its limit. Needs two cycles of samples.

    It compares medians over about the first and the last quarter: a lasting rise counts, a peak
    does not. Both consist of whole cycles, `cycle` rounds in which every fault happens once, since
    some faults (a reload) change the figures. The limits allow for fragmentation of the heap and
    for other work on the machine.
    """
    window = cycle * max(1, len(samples) // cycle // 4)
    found = {}
    for name, absolute, relative in (
        ("rss_mb", 8.0, 0.01),
        ("threads", 0.0, 0.0),
        ("files", 0.0, 0.0),
        ("latency_ms", 2.0, 0.25),
    ):
        values = [getattr(sample, name) for sample in samples]
        first, last = statistics.median(values[:window]), statistics.median(values[-window:])
        found[name] = Growth(first, last, round(absolute + relative * first, 1))
    return found


def soak(
    model: str, backend: str, steps: int, height: int, width: int, frames: int, round_frames: int
) -> dict:
    """Soak the node for `frames` frames; return the figures, as `--output` writes them.

    Raises GraphFailed if the node does not start or does not recover, and NotInstalled.
    """
    with ExitStack() as stack:
        use_own_domain()
        use_image_transport()
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        stack.callback(rclpy.try_shutdown)
        executor = SingleThreadedExecutor()
        stack.callback(executor.shutdown)
        nodes = Node("soak"), SyntheticCameras(height, width)
        for node in nodes:
            executor.add_node(node)
            stack.callback(node.destroy_node)
        driver = SoakDriver(*nodes, (height, width), steps)

        (node,) = bringup_processes(read_arguments((), BRINGUP_ARGUMENTS))
        given = {"model": model, "backend": backend, "steps": steps}
        given["camera_timeout"] = CAMERA_TIMEOUT
        log = stack.enter_context(tempfile.TemporaryFile())
        children = processes.start([replace(node, parameters={**node.parameters, **given})], log)
        stack.callback(processes.end, children)
        driver.graph = Graph(executor, children, log)
        driver.frame(START_TIMEOUT)
        return _run(driver, psutil.Process(children[0].pid), frames, round_frames)


def _run(driver: SoakDriver, node: psutil.Process, frames: int, round_frames: int) -> dict:
    begin = time.monotonic()
    samples: list[NodeSample] = []
    recoveries: dict[str, list[float]] = {fault.__name__: [] for fault in FAULTS}
    with tqdm(total=frames, unit="frame", desc="soak") as progress:
        while driver.frames < frames or len(samples) < WARM_UP_ROUNDS + 2 * len(FAULTS):
            latencies = [driver.frame() for _ in range(round_frames)]
            samples.append(_sample(driver, node, 1e3 * sorted(latencies)[round_frames // 4]))
            fault = FAULTS[(len(samples) - 1) % len(FAULTS)]
            fault(driver)
            recoveries[fault.__name__].append(_recovery(driver, fault.__name__))
            progress.update(driver.frames - progress.n)
            progress.set_postfix_str(f"{samples[-1].rss_mb:.0f} MB, {samples[-1].threads} threads")
    grown = growth(samples[WARM_UP_ROUNDS:], len(FAULTS))
    return {
        "frames": driver.frames,
        "seconds": round(time.monotonic() - begin, 1),
        "size": list(driver.size),
        "sound": all(item.is_sound for item in grown.values()),
        "growth": {name: {**asdict(item), "sound": item.is_sound} for name, item in grown.items()},
        "faults": {
            name: {"times": len(seconds), "longest_recovery_s": round(max(seconds), 2)}
            for name, seconds in recoveries.items()
        },
        "samples": [asdict(sample) for sample in samples],
    }


def _recovery(driver: SoakDriver, fault: str) -> float:
    """Return the seconds from the end of a fault until a frame sent after it is finished."""
    begin = time.monotonic()
    try:
        driver.frame()
    except GraphFailed as error:
        raise GraphFailed(f"after {fault.replace('_', ' ')}: {error}") from error
    return time.monotonic() - begin


def _sample(driver: SoakDriver, node: psutil.Process, latency_ms: float) -> NodeSample:
    with node.oneshot():
        return NodeSample(
            driver.frames,
            round(node.memory_info().rss / 1e6, 1),
            node.num_threads(),
            node.num_fds(),
            round(latency_ms, 2),
        )


def report(figures: dict) -> None:
    """Print the figures."""
    print(f"{figures['frames']} frames in {figures['seconds']:.0f} s")
    for name, found in figures["growth"].items():
        verdict = "sound" if found["sound"] else f"GREW by more than {found['limit']:g}"
        print(f"  {name:<12}{found['first']:9.1f} -> {found['last']:9.1f}  {verdict}")
    for name, found in figures["faults"].items():
        print(
            f"  {name.replace('_', ' '):<26}{found['times']:4} times, recovered within "
            f"{found['longest_recovery_s']:.2f} s"
        )


def main() -> int:
    """Soak, print, and write the figures if requested; return the exit status."""
    parser = measurement_parser(
        "scripts/soak",
        "Run the fusion node for a long time, with faults, and check that nothing grows.",
        default_size=(120, 160),
    )
    parser.add_argument("--frames", type=count, default=10_000, help="default: 10000")
    parser.add_argument("--round", type=count, default=50, help="frames between faults")
    parser.add_argument("--steps", type=count, default=1, help="diffusion steps per frame")
    given = parser.parse_args()
    options = (given.model, given.backend, given.steps, *given.size, given.frames, given.round)

    def work() -> int:
        figures = written(lambda: soak(*options), given.output)
        report(figures)
        return 0 if figures["sound"] else 1

    return run_to_end("soak", work)


if __name__ == "__main__":
    sys.exit(main())
