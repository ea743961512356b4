"""The replay node: plays a recording or a data-set folder as camera topics.

    ros2 run difusionseg_ros replay --ros-args -p input:=sample

A recording's messages are published as they were recorded, stamps included; played in a loop, its
stamps go back at the end of each pass. The images of a folder get the time of publishing.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from tqdm import tqdm

from difusionseg_core.recordings.playback import Item, instants, open_source
from difusionseg_core.recordings.rosbag2 import MASK, RGB, THERMAL
from difusionseg_ros.common.clock_watch import ClockWatch
from difusionseg_ros.common.fixed_parameters import Parameter, declare, described
from difusionseg_ros.common.image_messages import image_message
from difusionseg_ros.common.program import Program, run

# Sensors usually publish best effort (REP-2003); a replay should lose nothing.
QOS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
_TYPES = {f"sensor_msgs/msg/{kind.__name__}": kind for kind in (Image, CompressedImage, CameraInfo)}
_ENCODINGS = {("uint8", 3): "rgb8", ("uint8", 2): "mono8", ("uint16", 2): "mono16"}
_FRAME_ID = "camera"
_LAST_DELIVERY = Duration(seconds=2)  # how long subscribers may take over the last messages


PARAMETERS = (
    Parameter("input", "", "recording (its folder, .mcap or .db3), or data-set folder with vi, ir"),
    Parameter("loop", False, "begin again at the end, instead of ending the process"),
    Parameter("rate", 10.0, "frames per second of a data-set folder [Hz]", 0.01, 1000.0),
    Parameter("speed", 1.0, "pace of a recording; 2 is twice as fast", 0.01, 100.0),
    Parameter(
        "wait_for_subscribers",
        10.0,
        "time to wait for a subscriber to both cameras before starting anyway [s]",
        0.0,
        3600.0,
    ),
    Parameter("wait_for_mask_subscriber", False, "wait for one to the ground truth, too"),
    Parameter("rgb_topic", "", "RGB images in the recording; empty: rgb/image"),
    Parameter("thermal_topic", "", "thermal images in the recording; empty: thermal/image"),
    Parameter("mask_topic", "", "class ids in the recording; empty: ground_truth/mask, if any"),
    Parameter("camera_info_topic", "", "in the recording; empty: rgb/camera_info, if any"),
)


PROGRAM = Program("replay", __doc__, described(PARAMETERS))


@dataclass(frozen=True)
class PublishedPair:
    """A pair of RGB and thermal images that went out."""

    name: str  # file name without ending, or the RGB stamp
    stamp_ns: int  # of the RGB image


class ReplayNode(Node):
    """Publishes the source's messages, either in time (`play`) or pair by pair (`publish_next`).

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
                **{
                    camera: self.values[f"{camera}_topic"] or None
                    for camera in ("rgb", "thermal", "mask", "camera_info")
                },
            )
        except (ValueError, OSError):
            self.destroy_node()
            raise
        ClockWatch(self)
        self._outputs = {
            topic: self.create_publisher(_TYPES[kind], topic, QOS)
            for topic, kind in self.source.topics.items()
        }
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
        """Publish everything in time, with a progress bar, until the end or until `stopped()`.

        In a loop there is no end.
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
        """The source's items, over and over in a loop, with `due` counting on."""
        passed = 0.0
        while True:
            last = frames = 0
            for item in self.source.items():
                last, frames = item.due, frames + (item.camera == RGB)
                yield item if passed == 0 else replace(item, due=passed + item.due)
            if not self.values["loop"]:
                return
            # The next pass follows after one more frame's time.
            passed += last * frames / (frames - 1) if last and frames > 1 else 1.0

    def _publish(self, item: Item) -> int:
        """Publish; returns the stamp in nanoseconds."""
        if item.stamp_ns is not None:
            self._outputs[item.topic].publish(item.content)
            return item.stamp_ns
        if item.camera == RGB:  # the first image of a frame, whose others share its stamp
            self._stamp_ns = self.get_clock().now().nanoseconds
        stamp = Time(nanoseconds=self._stamp_ns).to_msg()
        encoding = _ENCODINGS[item.content.dtype.name, item.content.ndim]
        header = Header(stamp=stamp, frame_id=_FRAME_ID)
        self._outputs[item.topic].publish(image_message(item.content, encoding, header))
        return self._stamp_ns

    def has_subscribers(self) -> bool:
        """Whether somebody listens to both cameras, and to the ground truth where that is asked."""
        awaited = {RGB, THERMAL} | ({MASK} if self.values["wait_for_mask_subscriber"] else set())
        return all(
            output.get_subscription_count()
            for topic, output in self._outputs.items()
            if topic.removesuffix("/compressed") in awaited
        )

    def _wait_for_subscribers(self, stopped: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self.values["wait_for_subscribers"]
        while not self.has_subscribers() and not stopped():
            if time.monotonic() >= deadline:
                self.get_logger().warning("not every camera has a subscriber; playing anyway")
                return
            self._spin_until(time.monotonic() + 0.02, stopped)

    def _spin_until(self, moment: float, stopped: Callable[[], bool]) -> None:
        """Answer ROS until a time of the monotonic clock, or until `stopped()`."""
        while not stopped():
            left = moment - time.monotonic()
            if left <= 0:
                return
            # Waits for events, at most this long: long pauses still notice a stop.
            self._executor.spin_once(timeout_sec=min(left, 0.2))


def main(args: list[str] | None = None) -> int:
    """Play until the end, SIGINT or SIGTERM; returns the exit status, 1 for unusable input."""
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
