"""The viewer: cameras, fused image, classes and state of the fusion node in a browser.

    ros2 run difusionseg_ros viewer

Then open http://127.0.0.1:8080. The viewer subscribes to images and encodes them only while a page
shows them. It uses a camera's compressed topic if the raw topic has no publisher. If the fusion
node ends, the viewer continues and reports that.
"""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import asdict
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message

from difusionseg_ros.common import topics
from difusionseg_ros.common.clock_watch import ClockWatch
from difusionseg_ros.common.fixed_parameters import Parameter, declare, described
from difusionseg_ros.common.program import Program, run, spin_until
from difusionseg_ros.common.throttled_log import ThrottledLog
from difusionseg_ros.msg import ClassColors, FrameStatus
from difusionseg_ros.viewer_page import images
from difusionseg_ros.viewer_page.feeds import TopicFeed
from difusionseg_ros.viewer_page.health import (
    Reported,
    classes_entry,
    entries,
    frame_entry,
    overall,
)
from difusionseg_ros.viewer_page.node_settings import NodeSettings
from difusionseg_ros.viewer_page.server import ViewerServer
from difusionseg_ros.viewer_page.streams import ImageStream, Stream, ValueFeeds, ValueStream

PARAMETERS = (
    Parameter(
        "host",
        "127.0.0.1",
        "address to serve on; 0.0.0.0 exposes the page to the whole network without authentication",
    ),
    Parameter("port", 8080, "port to serve on; 0: any free port, reported in the log", 0, 65535),
    Parameter(
        "control", False, "allow the page to change steps, opacity and slop of the fusion node"
    ),
)
PROGRAM = Program("viewer", __doc__, described(PARAMETERS))
IMAGES = {
    "rgb": (topics.RGB_IMAGE, images.color_image),
    "thermal": (topics.THERMAL_IMAGE, images.thermal_image),
    "thermal-1": (topics.THERMAL_IMAGE, images.stretched(1)),
    "thermal-5": (topics.THERMAL_IMAGE, images.stretched(5)),
    "fused": (topics.FUSED, images.color_image),
    "overlay": (topics.OVERLAY, images.color_image),
    "color": (topics.COLOR, images.color_image),
    "confidence": (topics.CONFIDENCE, images.confidence_image),
}
"""Streams of the page by name: a topic and how its messages are drawn."""
_LOG_PERIOD = 5.0  # seconds between two log lines about bad images of one topic
_FOLLOW_PERIOD = 0.2  # seconds between checks of the watched streams
_SETTINGS_PERIOD = 2.0  # seconds between two requests for the node's parameters


class Viewer(Node):
    """Collects the data of the page: `streams` by name, `status()`, and the node's `settings`.

    `node_arguments` are those of rclpy's Node. Raises ValueError, in one line, for a parameter that
    cannot be used.
    """

    def __init__(self, **node_arguments: Any) -> None:
        super().__init__("viewer", **node_arguments)
        try:
            self.values = declare(self, PARAMETERS)
        except ValueError:
            self.destroy_node()
            raise
        ClockWatch(self)
        self._log = ThrottledLog(self.get_logger(), lambda: _LOG_PERIOD)
        names = [topic.name for topic, _ in IMAGES.values()]
        names += [topics.MASK.name, topics.THERMAL_TEMPERATURE.name]
        self._feeds = {name: TopicFeed(self, name) for name in names}
        for topic in (topics.OBJECTS, topics.OBJECT_TEMPERATURES):
            self._feeds[topic.name] = TopicFeed(self, topic.name, topic.type)
        self.streams = self._make_streams()
        self._classes: list[dict[str, object]] = []
        self._frame: tuple[float, bytes] | None = (
            None  # (time of arrival [s], serialized FrameStatus)
        )
        self._reported: dict[str, Reported] = {}
        namespace = self.get_namespace().strip("/")
        self._diagnosed = f"{namespace}/fusion_node".lstrip("/")
        self.settings = NodeSettings(self, f"/{self._diagnosed}")

        colors, frames, diagnostics = topics.CLASS_COLORS, topics.FRAME_STATUS, topics.DIAGNOSTICS
        self.create_subscription(colors.type, colors.name, self._take_classes, colors.qos())
        self.create_subscription(
            diagnostics.type, diagnostics.name, self._take_diagnostics, _best_effort(10)
        )
        self.create_subscription(
            frames.type, frames.name, self._take_frame, _best_effort(1), raw=True
        )
        # Not the node's clock, which stops with simulated time.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_FOLLOW_PERIOD, self._follow_watchers, clock=steady)
        self.create_timer(_SETTINGS_PERIOD, self.settings.request_values, clock=steady)

    def status(self) -> dict[str, object]:
        """Return all data except the images, for JSON; ages are in seconds."""
        now = time.monotonic()
        frame, reported = self._frame, self._reported
        statuses = entries(list(reported.values()), now)
        return {
            "node": self._diagnosed,
            "overall": overall(self._diagnosed, statuses),
            "classes": self._classes,
            "frame": frame
            and frame_entry(deserialize_message(frame[1], FrameStatus), now - frame[0]),
            "diagnostics": [asdict(entry) for entry in statuses],
            "settings": self.settings.describe(),
            "control": self.values["control"],
        }

    def _make_streams(self) -> dict[str, Stream]:
        streams: list[Stream] = [
            ImageStream(name, self._feeds[topic.name], draw, self._log.error)
            for name, (topic, draw) in IMAGES.items()
        ]
        feeds = ValueFeeds(
            mask=self._feeds[topics.MASK.name],
            confidence=self._feeds[topics.CONFIDENCE.name],
            thermal=self._feeds[topics.THERMAL_IMAGE.name],
            temperature=self._feeds[topics.THERMAL_TEMPERATURE.name],
            objects=self._feeds[topics.OBJECTS.name],
            object_temperatures=self._feeds[topics.OBJECT_TEMPERATURES.name],
        )
        streams.append(ValueStream(feeds, self._log.error))
        return {stream.name: stream for stream in streams}

    def _follow_watchers(self) -> None:
        for feed in self._feeds.values():
            feed.follow_users()

    # Threads of the server read these values, so each is set in one step.

    def _take_classes(self, message: ClassColors) -> None:
        self._classes = classes_entry(message)

    def _take_frame(self, data: bytes) -> None:
        self._frame = time.monotonic(), data

    def _take_diagnostics(self, message: DiagnosticArray) -> None:
        now = time.monotonic()
        reported = dict(self._reported)
        for status in message.status:
            if status.name.startswith(f"{self._diagnosed}: "):
                before = reported.get(status.name)
                period = 0.0 if before is None else now - before.arrived
                reported[status.name] = Reported(now, period, status)
        self._reported = reported


def main(args: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the exit status, 1 if it cannot serve."""
    return run(PROGRAM, args, _serve_until)


def _serve_until(stop: threading.Event, _: list[str]) -> int:
    node = Viewer()
    server = None
    try:
        server = _serve(node)
        spin_until(stop.is_set, node)
    finally:
        if server is not None:
            server.stop()
        node.destroy_node()
    return 0


def _serve(node: Viewer) -> ViewerServer:
    host, port = node.values["host"], node.values["port"]
    try:
        change = node.settings.set if node.values["control"] else None
        server = ViewerServer(host, port, node.streams, node.status, change)
    except OSError as error:
        raise ValueError(
            f"cannot serve on {host}:{port}: {error.strerror or error}; choose another with "
            "-p port:=PORT or -p host:=HOST"
        ) from error
    server.start()
    node.get_logger().info(f"watch on http://{host}:{server.port}")
    return server


def _best_effort(depth: int) -> QoSProfile:
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT)


if __name__ == "__main__":
    sys.exit(main())
