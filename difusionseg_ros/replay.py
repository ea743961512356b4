"""The replay node: plays a recording or a data-set folder on the camera topics.

    ros2 run difusionseg_ros replay --ros-args -p input:=sample

The messages of a recording are published unchanged, stamps included; in a loop, stamps jump back
after each pass. With `clock:=true` the replay publishes the time of recording on /clock, so that
nodes with `use_sim_time` measure ages and latencies in the time of the recording. Images of a
folder get the time of publishing as their stamp.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from tqdm import tqdm

from difusionseg_core.recordings.playback import LONGEST_PAUSE, Item, instants, open_source
from difusionseg_core.recordings.topic_choice import MASK, RGB, THERMAL, base_of
from difusionseg_ros.common.clock_watch import ClockWatch
from difusionseg_ros.common.fixed_parameters import Parameter, declare, described
from difusionseg_ros.common.image_messages import image_message
from difusionseg_ros.common.program import Program, run

# Cameras usually publish best effort (REP-2003); a replay must not lose messages.
QOS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
_TYPES = {f"sensor_msgs/msg/{kind.__name__}": kind for kind in (Image, CompressedImage, CameraInfo)}
_ENCODINGS = {("uint8", 3): "rgb8", ("uint8", 2): "mono8", ("uint16", 2): "mono16"}
_FRAME_ID = "camera"
_LAST_DELIVERY = Duration(seconds=2)  # longest wait for subscribers to take the last messages
_CLOCK_PERIOD = 0.01  # seconds between messages on /clock
_LATE_NS = 100_000_000
_ROLES = ("rgb", "thermal", "mask", "camera_info", "thermal_camera_info")


PARAMETERS = (
    Parameter("input", "", "recording (its folder, .mcap or .db3), or data-set folder with vi, ir"),
    Parameter("loop", False, "start again at the end, instead of ending the process"),
    Parameter("rate", 10.0, "frames per second of a data-set folder [Hz]", 0.01, 1000.0),
    Parameter("speed", 1.0, "pace of a recording; 2 is twice as fast", 0.01, 100.0),
    Parameter(
        "wait_for_subscribers",
        10.0,
        "time to wait for a subscriber to both cameras before starting anyway [s]",
        0.0,
        3600.0,
    ),
    Parameter("wait_for_mask_subscriber", False, "also wait for one to the ground truth"),
    Parameter(
        "longest_pause",
        LONGEST_PAUSE,
        "longest pause of a recording [s]; longer ones, and jumps of its clock, are cut to it",
        0.0,
        1e9,
    ),
    Parameter("clock", False, "publish the time of recording on /clock, for use_sim_time"),
    Parameter("rgb_topic", "", "RGB images in the recording; empty: found by name"),
    Parameter("thermal_topic", "", "thermal images in the recording; empty: found by name"),
    Parameter("mask_topic", "", "class ids in the recording; empty: ground_truth/mask, if any"),
    Parameter("camera_info_topic", "", "in the recording; empty: beside the RGB images, if any"),
    Parameter(
        "thermal_camera_info_topic",
        "",
        "in the recording; empty: beside the thermal images, if any",
    ),
)


PROGRAM = Program("replay", __doc__, described(PARAMETERS))


@dataclass(frozen=True)
class PublishedPair:
    """A pair of RGB and thermal images that was published."""

    name: str  # file name without ending, or the RGB stamp
    stamp_ns: int  # of the RGB image


class ReplayNode(Node):
    """Publishes the source's messages, in real time (`play`) or pair by pair (`publish_next`).

    `node_arguments` are those of rclpy's Node. Raises ValueError, in one line, for a parameter or
    an input that cannot be used.
    """

    def __init__(self, **node_arguments: Any) -> None:
        super().__init__("replay", **node_arguments)
        try:
            self.values = declare(self, PARAMETERS)
            if not self.values["input"]:
                raise ValueError("parameter 'input' is missing; name a recording or a folder")
            self.source = open_source(
                self.values["input"],
                self.values["rate"],
                self.values["speed"],
                self.values["longest_pause"],
                self.get_logger().warning,
                **{name: self.values[f"{name}_topic"] or None for name in _ROLES},
            )
        except (ValueError, OSError):
            self.destroy_node()
            raise
        ClockWatch(self)
        self._outputs = {
            topic: self.create_publisher(_TYPES[kind], topic, QOS)
            for topic, kind in self.source.topics.items()
        }
        self._simulated_time = (
            SimulatedTime(self, self.values["speed"]) if self.values["clock"] else None
        )
        self._executor = SingleThreadedExecutor(context=self.context)
        self._stamp_ns = 0
        self._instants = instants(self._items())

    def publish_next(self) -> PublishedPair | None:
        """Publish all messages up to the next pair at once; None at the end."""
        for group in self._instants:
            stamps = [(item, self._publish(item)) for item in group]
            thermal = [stamp for item, stamp in stamps if item.camera == THERMAL]
            visible = [(item, stamp) for item, stamp in stamps if item.camera == RGB]
            if thermal and visible:
                item, stamp = min(visible, key=lambda pair: abs(pair[1] - thermal[-1]))
                return PublishedPair(item.name, stamp)
        return None

    def play(self, stopped: Callable[[], bool]) -> None:
        """Publish everything in real time, with a progress bar, to the end or until `stopped()`.

        A loop has no end.
        """
        self._executor.add_node(self)
        self._wait_for_subscribers(stopped)
        total = None if self.values["loop"] else self.source.frames
        begin = time.monotonic()
        with tqdm(total=total, desc="replay", unit="frame") as progress:
            for item in self._items():
                self._spin_until(begin + item.due, stopped)
                if stopped():
                    return
                if self._simulated_time is not None:
                    self._simulated_time.set(item.recorded_ns)
                self._publish(item)
                progress.update(item.camera == RGB)
        for output in self._outputs.values():
            output.wait_for_all_acked(_LAST_DELIVERY)

    def close(self) -> None:
        """Close the source and destroy the node."""
        self.source.close()
        self._executor.shutdown()
        self.destroy_node()

    def _items(self) -> Iterator[Item]:
        """Yield the source's items with rising `due` [s], endlessly in a loop."""
        passed = 0.0
        while True:
            last, frames = 0.0, 0
            for item in self.source.items():
                last, frames = item.due, frames + (item.camera == RGB)
                yield item if passed == 0 else replace(item, due=passed + item.due)
            if not self.values["loop"]:
                return
            # The next pass starts one frame period later.
            passed += last * frames / (frames - 1) if last and frames > 1 else 1.0

    def _publish(self, item: Item) -> int:
        """Publish an item; return its stamp [ns]."""
        if item.stamp_ns is not None:
            self._outputs[item.topic].publish(item.content)
            return item.stamp_ns
        if item.camera == RGB:  # the first image of a frame; the others get the same stamp
            self._stamp_ns = self.get_clock().now().nanoseconds
        stamp = Time(nanoseconds=self._stamp_ns).to_msg()
        image = np.asarray(item.content)
        encoding = _ENCODINGS[image.dtype.name, image.ndim]
        header = Header(stamp=stamp, frame_id=_FRAME_ID)
        self._outputs[item.topic].publish(image_message(image, encoding, header))
        return self._stamp_ns

    def has_subscribers(self) -> bool:
        """Return whether both cameras have a subscriber, and the ground truth if required."""
        required = {RGB, THERMAL} | ({MASK} if self.values["wait_for_mask_subscriber"] else set())
        return all(
            output.get_subscription_count()
            for topic, output in self._outputs.items()
            if base_of(topic) in required
        )

    def _wait_for_subscribers(self, stopped: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self.values["wait_for_subscribers"]
        while not self.has_subscribers() and not stopped():
            if time.monotonic() >= deadline:
                self.get_logger().warning("not every camera has a subscriber; playing anyway")
                return
            self._spin_until(time.monotonic() + 0.02, stopped)

    def _spin_until(self, moment: float, stopped: Callable[[], bool]) -> None:
        """Spin the node until a time of the monotonic clock [s], or until `stopped()`."""
        while not stopped():
            left = moment - time.monotonic()
            if left <= 0:
                return
            if self._simulated_time is not None:
                self._simulated_time.publish()
            # Short enough to notice a stop during long pauses.
            longest = 0.2 if self._simulated_time is None else _CLOCK_PERIOD
            self._executor.spin_once(timeout_sec=min(left, longest))


class SimulatedTime:
    """Publishes the time of recording on /clock; between messages it advances at replay speed."""

    def __init__(self, node: Node, speed: float) -> None:
        self._output = node.create_publisher(Clock, "/clock", QoSProfile(depth=10))
        self._speed = speed
        self._recorded_ns: int | None = None
        self._set_at = 0.0

    def set(self, recorded_ns: int | None) -> None:
        """Set the time to that of the message due now; None (files) means the system's time."""
        recorded_ns = time.time_ns() if recorded_ns is None else recorded_ns
        # A message that is slightly late must not set the time back; the start of a pass may.
        if self._recorded_ns is None or not 0 <= self._now_ns() - recorded_ns < _LATE_NS:
            self._recorded_ns, self._set_at = recorded_ns, time.monotonic()
        self.publish()

    def publish(self) -> None:
        """Publish the current time, after the first message."""
        if self._recorded_ns is None:
            return
        self._output.publish(Clock(clock=Time(nanoseconds=self._now_ns()).to_msg()))

    def _now_ns(self) -> int:
        passed = time.monotonic() - self._set_at
        return (self._recorded_ns or 0) + round(passed * self._speed * 1e9)


def main(args: list[str] | None = None) -> int:
    """Play until the end, SIGINT or SIGTERM; return the exit status, 1 for unusable input."""
    return run(PROGRAM, args, _play_until)


def _play_until(stop: threading.Event, _: list[str]) -> int:
    node = ReplayNode()
    try:
        node.play(stop.is_set)
    finally:
        node.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
