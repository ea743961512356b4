"""The demo: replays a recording into bringup's processes and writes their images to a folder.

    scripts/demo --input RECORDING_OR_FOLDER --output DIR

The replay runs in this process and waits for the results of each frame, so that every pair is
processed even on a slow machine. The output folder, with the images, `contact_sheet.png` and
`summary.json`, appears only if the run succeeds.
"""

from __future__ import annotations

import argparse
import socket
import sys
import tempfile
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from tqdm import tqdm

from difusionseg_core.recordings.topic_choice import RGB, THERMAL
from difusionseg_ros.bringup import processes
from difusionseg_ros.bringup.arguments import read_arguments
from difusionseg_ros.bringup.description import BRINGUP_ARGUMENTS, bringup_processes
from difusionseg_ros.common.middleware import use_image_transport
from difusionseg_ros.common.topics import FUSED, MASK, OVERLAY
from difusionseg_ros.replay import PublishedPair, ReplayNode
from tools.command import run_to_end
from tools.demo_output import Album, replaced
from tools.demo_recorder import Recorder
from tools.ros_graph import Graph, GraphFailed, use_own_domain

START_TIMEOUT = 120.0  # seconds until the node has loaded its network and subscribed
VIEW_TIMEOUT = 60.0  # seconds to open the viewer's page
FIRST_FRAME_TIMEOUT = 60.0  # seconds; the first frame takes longer
FRAME_TIMEOUT = 10.0
# Seconds without any result after which an error in the node's diagnostics ends the demo.
USELESS_AFTER = 7.0
# Without a result for this long, one more pair is sent: with unequal stamps, the next image may be
# needed to decide a pair (see NearestStampPairer). Seconds for the first frame; then a factor on
# the longest time of a frame, and its minimum [s].
FIRST_PATIENCE = 5.0
PATIENCE_FACTOR = 4.0
LEAST_PATIENCE = 0.5
SHEET_ROWS = 8
SAMPLE = Path(__file__).resolve().parents[1] / "sample"
SAMPLE_IOU = 0.52


@dataclass
class Figures:
    """Counts of a run; latencies in seconds, from a pair's later image to its outputs."""

    sent: int = 0
    paired: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)  # one per processed frame

    def summary(self) -> dict:
        """Return the content of summary.json."""
        median, p95 = 1000 * np.percentile(self.latencies, (50, 95))
        return {
            "frames_sent": self.sent,
            "pairs": self.paired,
            "processed": len(self.latencies),
            "dropped": self.sent - len(self.latencies),
            "frames_per_second": round(len(self.latencies) / self.seconds, 2),
            "latency_ms": {"median": round(median, 1), "p95": round(p95, 1)},
        }


class Player:
    """Sends the pairs of a replay one by one and stores the results."""

    def __init__(self, graph: Graph, replay: ReplayNode, recorder: Recorder, album: Album) -> None:
        self._graph = graph
        self._replay = replay
        self._recorder = recorder
        self._album = album
        self._figures = Figures()
        self._in_flight: deque[tuple[int, PublishedPair]] = deque()  # with their numbers
        self._patience = FIRST_PATIENCE
        self._longest = 0.0
        self._begin = 0.0
        rows = min(SHEET_ROWS, replay.source.frames)
        self._sheet_frames = set(np.linspace(0, replay.source.frames - 1, rows).astype(int))

    def play(self) -> Figures:
        """Play everything. Raises GraphFailed if no pair gets a result."""
        begin = self._begin = time.monotonic()
        with tqdm(total=self._replay.source.frames, unit="frame", desc="demo") as progress:
            while (pair := self._replay.publish_next()) is not None:
                self._in_flight.append((self._figures.sent, pair))
                self._figures.sent += 1
                self._wait_for(pair, self._patience)
                # The newest may stay in flight: its pairing may need the next image.
                while len(self._in_flight) > (
                    0 if self._recorder.is_complete(pair.stamp_ns) else 1
                ):
                    self._finish_oldest()
                    progress.update()
            while self._in_flight:
                self._finish_oldest()
                progress.update()
        self._figures.seconds = time.monotonic() - begin
        if not self._figures.latencies:
            raise GraphFailed(
                self._graph.with_log(
                    f"the fusion node published nothing for {self._figures.sent} pairs"
                )
            )
        return self._figures

    def _end_if_useless(self) -> None:
        """Raise GraphFailed, with the reason in the diagnostics, if the source is unusable."""
        if self._figures.latencies or any(f.is_complete() for f in self._recorder.frames.values()):
            return
        complaints = self._recorder.complaints
        waited = time.monotonic() - self._begin > USELESS_AFTER
        reason = complaints.error() if waited else complaints.refusal()
        if reason:
            raise GraphFailed(f"the fusion node cannot use the source: {reason}")

    def _wait_for(self, pair: PublishedPair, timeout: float) -> None:
        begin = time.monotonic()

        def is_complete() -> bool:
            self._end_if_useless()
            return self._recorder.is_complete(pair.stamp_ns)

        if self._graph.spin_until(is_complete, timeout):
            self._longest = max(self._longest, time.monotonic() - begin)
            self._patience = max(LEAST_PATIENCE, PATIENCE_FACTOR * self._longest)

    def _finish_oldest(self) -> None:
        """Wait for the results of the oldest pair in flight and store them; else it is dropped."""
        index, pair = self._in_flight.popleft()
        timeout = FRAME_TIMEOUT if self._figures.latencies else FIRST_FRAME_TIMEOUT

        def is_decided() -> bool:
            # Results arrive in order: after one of a later pair, this pair's will not arrive.
            self._end_if_useless()
            later = (other.stamp_ns for _, other in self._in_flight)
            return any(map(self._recorder.is_complete, (pair.stamp_ns, *later)))

        self._graph.spin_until(is_decided, timeout)
        if self._recorder.is_complete(pair.stamp_ns):
            self._store(index, pair)

    def _store(self, index: int, pair: PublishedPair) -> None:
        frame = self._recorder.frames.pop(pair.stamp_ns)
        labels, truth = frame.image(MASK), frame.true_labels()
        images = frame.image(FUSED), frame.image(OVERLAY)
        self._album.add(pair.name, images[0], labels, images[1])
        if truth is not None:
            self._album.score(truth, labels)
        if index in self._sheet_frames:
            thermal = self._recorder.thermal_image(pair.stamp_ns)
            self._album.add_to_sheet(frame.rgb_image(), thermal, *images, truth)
        self._figures.paired = max(self._figures.paired, frame.status.paired)
        stages = frame.status.latency
        self._figures.latencies.append(
            stages.pairing
            + stages.waiting
            + stages.conversion
            + stages.preprocess
            + stages.inference
            + stages.postprocess
            + stages.publish
        )


def run(source: Path, output: Path, model: str, device: str, view: bool = False) -> None:
    """Replay `source` into bringup's processes and write their results to the folder `output`.

    With `view`, a viewer runs beside them, and the replay begins when its page is open.
    Raises GraphFailed, OutputRefused, and ValueError or OSError for an unusable source.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(replaced(output))
        use_own_domain()
        use_image_transport()
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        stack.callback(rclpy.try_shutdown)
        replay = ReplayNode(parameter_overrides=[Parameter("input", value=str(source))])
        stack.callback(replay.source.close)
        recorder = Recorder(replay.source.topics)
        executor = SingleThreadedExecutor()
        executor.add_node(recorder)

        given = {"model": model, "device": device, "bag": str(source)}
        if view:
            port = _free_port()
            given |= {"viewer": "true", "viewer_port": str(port)}
        started = bringup_processes({**read_arguments((), BRINGUP_ARGUMENTS), **given})
        started = [
            process for process in started if process.executable != "replay"
        ]  # runs in this process
        log = stack.enter_context(tempfile.TemporaryFile())
        children = processes.start(started, log)
        stack.callback(processes.end, children)
        graph = Graph(executor, children, log)

        print("demo: starting the fusion node", file=sys.stderr)
        cameras = [
            publisher
            for publisher in replay.publishers
            if publisher.topic_name.removesuffix("/compressed").endswith((RGB, THERMAL))
        ]

        def are_subscribed() -> bool:
            # The recorder subscribes to each camera, and so does the node when it is active.
            subscribed = all(camera.get_subscription_count() >= 2 for camera in cameras)
            return recorder.label_set is not None and subscribed

        if not graph.spin_until(are_subscribed, START_TIMEOUT):
            raise GraphFailed(graph.with_log("the fusion node did not subscribe to the cameras"))
        if view:
            if not graph.spin_until(lambda: _is_served(port), START_TIMEOUT):
                raise GraphFailed(graph.with_log("the viewer did not start"))
            print(f"demo: open http://127.0.0.1:{port}; the replay then begins", file=sys.stderr)
            watched = graph.spin_until(
                lambda: all(camera.get_subscription_count() >= 3 for camera in cameras),
                VIEW_TIMEOUT,
            )
            if not watched:
                print("demo: the page was not opened; starting without it", file=sys.stderr)
        album = Album(folder, recorder.label_set)
        summary = Player(graph, replay, recorder, album).play().summary()
        summary = {"input": str(source), "model": model, **summary}
        is_sample = source.resolve() == SAMPLE and model == "lite"
        score = album.finish(summary, SAMPLE_IOU if is_sample else None)
        processes.end(children)
    report(summary, score, output)


def _free_port() -> int:
    """Return an unused TCP port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _is_served(port: int) -> bool:
    """Whether a program accepts connections on the port."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def report(summary: dict, score: float | None, output: Path) -> None:
    """Print a summary and the path of the images."""
    latency = summary["latency_ms"]
    print(
        f"{summary['processed']} of {summary['frames_sent']} pairs processed, "
        f"{summary['frames_per_second']:.1f} frames/s, "
        f"latency {latency['median']:.0f} ms (95 %: {latency['p95']:.0f} ms)"
        + ("" if score is None else f", mean IoU {score:.2f}")
    )
    print(f"images are in {output.absolute()}; see contact_sheet.png first")


def main() -> int:
    """Run the demo; return the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--input", type=Path, help="recording, or folder with vi and ir (default: sample/)"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("demo_output"), help="folder (default: demo_output)"
    )
    parser.add_argument("--model", default="lite", help="lite, or a .safetensors file")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument(
        "--view", action="store_true", help="show it in a browser; begins when the page is open"
    )
    options = parser.parse_args()

    def work() -> int:
        run(options.input, options.output, options.model, options.device, options.view)
        return 0

    return run_to_end("demo", work)


if __name__ == "__main__":
    sys.exit(main())
