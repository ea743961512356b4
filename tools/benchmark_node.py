"""Measure the fusion node in real time: cameras, node and listener over DDS, a process each.

    scripts/benchmark_node --output FILE.json
    scripts/benchmark_node --rate 30 --steps 1 --size 240x320

The node starts twice: the first start fills caches (exported model, files in memory), the second
is measured. All three processes share the same cores, by default two.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import psutil
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.time import Time

from difusionseg_core.cli.options import count, positive
from difusionseg_core.evaluation.machine import machine
from difusionseg_ros.bringup import processes
from difusionseg_ros.bringup.arguments import read_arguments
from difusionseg_ros.bringup.description import BRINGUP_ARGUMENTS, bringup_processes
from difusionseg_ros.common.complaints import Complaints
from difusionseg_ros.common.middleware import use_image_transport
from difusionseg_ros.common.topics import DIAGNOSTICS, FRAME_STATUS, FUSED, MASK
from difusionseg_ros.msg import FrameStatus, StageLatency
from tools.command import measurement_parser, run_to_end, written
from tools.ros_graph import Graph, GraphFailed, use_own_domain
from tools.synthetic_cameras import SyntheticCameras

START_TIMEOUT = 300.0  # seconds; the first start may have to export a model
WARM_UP_FRAMES = 20
FRAME_TIMEOUT = 30.0  # seconds without a frame after which a run has failed
# The node's own work on a frame, without the network.
OVERHEAD_STAGES = ("pairing", "conversion", "preprocess", "postprocess", "publish")
STAGES = tuple(name for name in StageLatency.get_fields_and_field_types() if name != "total")


@dataclass(frozen=True)
class Options:
    """What to measure. `steps` None means the node's default; `rate` in pairs per second."""

    model: str = "lite"
    backend: str = "auto"
    steps: int | None = None
    height: int = 480
    width: int = 640
    rate: float = 25.0
    seconds: float = 20.0
    cores: int = 2


class Listener(Node):
    """Subscribes to the mask and the fused image as a viewer would, and to status and diagnostics.

    `statuses` are those of frames stamped since `clear`; `delays` [s] are the times from the stamp
    of such a fused image to its arrival here. Images stay serialized: unpacking them is the
    viewer's cost, not the node's.
    """

    def __init__(self) -> None:
        super().__init__("benchmark_listener")
        self.clear()
        self.network: dict[str, str] = {}
        self.complaints = Complaints()
        self.create_subscription(FUSED.type, FUSED.name, self._take_fused, FUSED.qos(), raw=True)
        self.create_subscription(MASK.type, MASK.name, self._take_mask, MASK.qos(), raw=True)
        self.create_subscription(
            FRAME_STATUS.type, FRAME_STATUS.name, self._take_status, FRAME_STATUS.qos()
        )
        self.create_subscription(
            DIAGNOSTICS.type, DIAGNOSTICS.name, self._take_diagnostics, DIAGNOSTICS.qos()
        )

    def clear(self) -> None:
        """Start from scratch, and ignore frames stamped before now."""
        self._since = self.get_clock().now().nanoseconds
        self.statuses: list[FrameStatus] = []
        self.delays: list[float] = []
        self.masks = 0

    def _take_fused(self, serialized: bytes) -> None:
        # Four bytes of CDR header, then the message's first field: the stamp, in little endian.
        seconds, nanoseconds = struct.unpack_from("<iI", serialized, 4)
        stamp = Time(seconds=seconds, nanoseconds=nanoseconds).nanoseconds
        if stamp >= self._since:
            self.delays.append(1e-9 * (self.get_clock().now().nanoseconds - stamp))

    def _take_mask(self, serialized: bytes) -> None:
        self.masks += 1

    def _take_status(self, status: FrameStatus) -> None:
        if Time.from_msg(status.header.stamp).nanoseconds >= self._since:
            self.statuses.append(status)

    def _take_diagnostics(self, message: DiagnosticArray) -> None:
        self.complaints.take(message)
        for status in message.status:
            if status.name.endswith(": network"):
                self.network = {item.key: item.value for item in status.values}


class Cameras:
    """SyntheticCameras in their own process, which ends with this one."""

    def __init__(self, options: Options) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        arguments = (theirs, options.height, options.width, options.rate)
        self._process = context.Process(target=_play_cameras, args=arguments, daemon=True)
        with processes.held_signals() as held:  # else it might never get its arguments
            self._process.start()
        theirs.close()
        if held:
            signal.raise_signal(held[0])

    @property
    def pid(self) -> int:
        """Process id of the cameras."""
        return self._process.pid

    def sent(self) -> int:
        """Return the number of pairs sent so far. Raises GraphFailed if the process has ended."""
        try:
            self._pipe.send("sent")
            return self._pipe.recv()
        except (EOFError, OSError):
            raise GraphFailed("the process that plays the cameras ended") from None

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(processes.SHUTDOWN_TIMEOUT)
        if self._process.is_alive():
            self._process.kill()


def _play_cameras(pipe: Connection, height: int, width: int, rate: float) -> None:
    """Publish pairs at `rate` until the other end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process handles Ctrl-C
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    cameras = SyntheticCameras(height, width)
    sent = 0
    due = time.monotonic()
    with contextlib.suppress(EOFError):
        while True:
            if pipe.poll(max(0.0, due - time.monotonic())):
                pipe.recv()
                pipe.send(sent)
            else:
                cameras.publish_pair()
                sent += 1
                due = max(
                    due + 1 / rate, time.monotonic()
                )  # pairs that are late are not made up for
    cameras.destroy_node()
    rclpy.try_shutdown()


def measure(options: Options) -> dict:
    """Return the figures, as `--output` writes them.

    Raises GraphFailed if the node does not start or stops working, and NotInstalled.
    """
    with ExitStack() as stack:
        use_own_domain()
        use_image_transport()
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        stack.callback(rclpy.try_shutdown)
        allowed = os.sched_getaffinity(0)
        stack.callback(os.sched_setaffinity, 0, allowed)
        os.sched_setaffinity(0, sorted(allowed)[: options.cores])
        listener = Listener()
        stack.callback(listener.destroy_node)
        executor = SingleThreadedExecutor()
        executor.add_node(listener)
        stack.callback(executor.shutdown)
        cameras = Cameras(options)
        stack.callback(cameras.close)

        with _fusion_node(options, executor) as (graph, _):
            _await_frames(graph, listener, 1, START_TIMEOUT)
        listener.clear()
        begin = time.monotonic()
        with _fusion_node(options, executor) as (graph, pid):
            _await_frames(graph, listener, 1, START_TIMEOUT)
            start = time.monotonic() - begin
            _await_frames(graph, listener, WARM_UP_FRAMES, FRAME_TIMEOUT)
            graph.spin_until(lambda: bool(listener.network), FRAME_TIMEOUT)
            run = _watch(graph, listener, cameras, pid, options.seconds)
            peak = _peak_rss_mb(pid)
        network = listener.network
    return {
        "model": options.model,
        "device": network["device"],
        "backend": network["backend"],
        "steps": int(network["steps"]),
        "size": [options.height, options.width],
        "rate": options.rate,
        **run,
        "start_s": round(start, 2),
        "rss_mb": round(peak),
        "machine": {**machine(), "cores_used": options.cores},
    }


@contextmanager
def _fusion_node(options: Options, executor: SingleThreadedExecutor) -> Iterator[tuple[Graph, int]]:
    """Start the node as bringup does; yield the graph and the node's process id."""
    given = {"model": options.model, "backend": options.backend}
    if options.steps is not None:
        given["steps"] = options.steps
    (node,) = bringup_processes(read_arguments((), BRINGUP_ARGUMENTS))
    with tempfile.TemporaryFile() as log:
        children = processes.start([replace(node, parameters={**node.parameters, **given})], log)
        try:
            yield Graph(executor, children, log), children[0].pid
        finally:
            processes.end(children)


def _await_frames(graph: Graph, listener: Listener, count: int, timeout: float) -> None:
    def is_decided() -> bool:
        if listener.complaints.refusal():
            raise GraphFailed(f"the fusion node cannot run: {listener.complaints.refusal()}")
        return len(listener.delays) >= count

    if not graph.spin_until(is_decided, timeout):
        raise GraphFailed(graph.with_log(f"no fused image arrived within {timeout:.0f} s"))


def _watch(
    graph: Graph, listener: Listener, cameras: Cameras, pid: int, seconds: float
) -> dict[str, object]:
    """Listen for `seconds` and return the figures."""
    watched = {
        "node": psutil.Process(pid),
        "cameras": psutil.Process(cameras.pid),
        "listener": psutil.Process(),
    }
    listener.clear()
    sent = cameras.sent()
    used = {name: _cpu_seconds(process) for name, process in watched.items()}
    begin = time.monotonic()
    graph.spin_until(lambda: False, seconds)
    elapsed = time.monotonic() - begin
    used = {name: _cpu_seconds(process) - used[name] for name, process in watched.items()}
    sent = cameras.sent() - sent
    if not (listener.statuses and listener.delays):
        raise GraphFailed(graph.with_log(f"no frame arrived within {seconds:g} s"))

    latencies = [status.latency for status in listener.statuses]
    by_stage = {name: 1e3 * np.array([getattr(x, name) for x in latencies]) for name in STAGES}
    total = 1e3 * np.array([latency.total for latency in latencies])
    overhead = sum(by_stage[name] for name in OVERHEAD_STAGES)
    # The time before the node's own measurement starts: sending, transport, unpacking.
    by_stage = {"transport": total - sum(by_stage.values()), **by_stage}
    first, last = listener.statuses[0], listener.statuses[-1]
    return {
        "seconds": round(elapsed, 1),
        "fps": round(len(listener.delays) / elapsed, 2),
        "latency_ms": _spread(total),
        "delivered_ms": _spread(1e3 * np.array(listener.delays)),
        "overhead_ms": round(float(np.median(overhead)), 2),
        "stages_ms": {name: _spread(values) for name, values in by_stage.items()},
        "pairs": {
            "sent": sent,
            "paired": last.paired - first.paired + 1,
            "processed": last.processed - first.processed + 1,
            "dropped": last.dropped_pairs - first.dropped_pairs,
            "fused_received": len(listener.delays),
            "masks_received": listener.masks,
        },
        "cpu_cores": {name: round(value / elapsed, 2) for name, value in used.items()},
    }


def _spread(milliseconds: np.ndarray) -> dict[str, float]:
    median, p95 = np.percentile(milliseconds, (50, 95))
    return {"median": round(median, 2), "p95": round(p95, 2)}


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _peak_rss_mb(pid: int) -> float:
    """Return the largest resident memory of a process so far, in 10^6 bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise GraphFailed("/proc does not report the peak memory of a process")


def report(figures: dict) -> None:
    """Print the figures."""
    latency, delivered, pairs = (figures[key] for key in ("latency_ms", "delivered_ms", "pairs"))
    height, width = figures["size"]
    print(
        f"{figures['model']} on {figures['device']} ({figures['backend']}), {figures['steps']} "
        f"steps, {width}x{height} at {figures['rate']:g} pairs/s for {figures['seconds']:g} s, "
        f"{figures['machine']['cores_used']} cores of {figures['machine']['cpu']}"
    )
    print(f"  {figures['fps']:.1f} frames/s of {pairs['sent'] / figures['seconds']:.1f} pairs sent")
    print(
        f"  latency, stamp to publish: median {latency['median']:.0f} ms, p95 "
        f"{latency['p95']:.0f} ms; to the listener: {delivered['median']:.0f}, "
        f"{delivered['p95']:.0f} ms"
    )
    print(f"  overhead outside the network {figures['overhead_ms']:.1f} ms per frame")
    print(f"  start to first output {figures['start_s']:.1f} s, memory {figures['rss_mb']} MB")
    for name, spread in figures["stages_ms"].items():
        print(f"    {name:<12}{spread['median']:8.1f} ms, p95 {spread['p95']:.1f} ms")
    print("  cores used: " + ", ".join(f"{k} {v:.2f}" for k, v in figures["cpu_cores"].items()))
    print("  pairs: " + ", ".join(f"{key} {value}" for key, value in pairs.items()))


def main() -> int:
    """Measure, print, and write the figures if requested; return the exit status."""
    parser = measurement_parser(
        "scripts/benchmark_node",
        "Measure the fusion node in real time, with cameras, over DDS.",
        default_size=(480, 640),
    )
    parser.add_argument(
        "--rate", type=positive, default=25.0, help="pairs per second (default: 25)"
    )
    parser.add_argument("--seconds", type=positive, default=20.0, help="duration (default: 20)")
    parser.add_argument(
        "--steps", type=count, help="diffusion steps per frame (default: the node's)"
    )
    parser.add_argument(
        "--cores", type=count, default=2, help="CPU cores for all processes (default: 2)"
    )
    given = parser.parse_args()
    options = Options(
        given.model, given.backend, given.steps, *given.size, given.rate, given.seconds, given.cores
    )

    def work() -> int:
        report(written(lambda: measure(options), given.output))
        return 0

    return run_to_end("benchmark_node", work)


if __name__ == "__main__":
    sys.exit(main())
