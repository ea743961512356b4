"""The viewer: cameras, fused image, classes and health of the fusion node in a browser.

    ros2 run difusionseg_ros viewer

Then open http://127.0.0.1:8080. Pictures are subscribed to and encoded only while somebody watches
them; a camera's compressed topic is taken where nobody publishes the raw one.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import cv2
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from difusionseg_core.imaging.camera_images import RGB_ENCODINGS, BadImage
from difusionseg_core.imaging.thermal import to_uint8
from difusionseg_ros.common import topics
from difusionseg_ros.common.clock_watch import ClockWatch
from difusionseg_ros.common.fixed_parameters import Parameter, declare, described
from difusionseg_ros.common.image_messages import rgb_array
from difusionseg_ros.common.program import Program, run
from difusionseg_ros.common.throttled_log import ThrottledLog
from difusionseg_ros.fusion.camera_input import RGB, THERMAL, Camera
from difusionseg_ros.msg import ClassColors, FrameStatus, StageLatency
from difusionseg_ros.viewer_page.server import Stream, ViewerServer

PARAMETERS = (
    Parameter("host", "127.0.0.1", "address to serve on; 0.0.0.0 lets other machines watch"),
    Parameter("port", 8080, "port to serve on; 0: any free one, which the log names", 0, 65535),
)
PROGRAM = Program("viewer", __doc__, described(PARAMETERS))
PICTURES = {
    "rgb": RGB,
    "thermal": THERMAL,
    "fused": Camera(topics.FUSED, RGB_ENCODINGS, rgb_array),
    "overlay": Camera(topics.OVERLAY, RGB_ENCODINGS, rgb_array),
}
_MODES = {
    FrameStatus.BOTH: "both cameras",
    FrameStatus.RGB_ONLY: "RGB only",
    FrameStatus.THERMAL_ONLY: "thermal only",
}
_TOTALS = (
    "paired",
    "processed",
    "dropped_rgb",
    "dropped_thermal",
    "dropped_pairs",
    "bad_messages",
)
_LEVELS = {
    DiagnosticStatus.OK: "OK",
    DiagnosticStatus.WARN: "WARN",
    DiagnosticStatus.ERROR: "ERROR",
    DiagnosticStatus.STALE: "STALE",
}
_MAX_BYTES = 100_000_000
_JPEG_QUALITY = 80
_LOG_PERIOD = 5.0  # seconds between two lines about bad images of one topic
_FOLLOW_PERIOD = 0.2  # seconds until somebody who begins to watch is served
_STOP_CHECK_PERIOD = 0.1  # seconds


class Picture:
    """A topic's images as a stream, subscribed to while that is watched."""

    def __init__(self, node: Node, camera: Camera, log: ThrottledLog) -> None:
        self.stream = Stream(self._jpeg)
        self._node = node
        self._camera = camera
        self._log = log
        raw = node.resolve_topic_name(camera.topic.name)
        self._topics = {Image: raw, CompressedImage: f"{raw}/compressed"}
        self._kind: type | None = None
        self._subscription: Subscription | None = None

    def follow_watchers(self) -> None:
        """Subscribe or unsubscribe, as is due."""
        kind = self._wanted()
        if kind is self._kind:
            return
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
        if kind is not None:
            self._subscription = _subscribe_serialized(
                self._node,
                kind,
                self._topics[kind],
                lambda data: self.stream.put((kind, data)),
            )
        self._kind = kind

    def _wanted(self) -> type | None:
        if not self.stream.is_watched:
            return None
        sent = [kind for kind, name in self._topics.items() if self._node.count_publishers(name)]
        return sent[0] if sent else Image

    def _jpeg(self, received: tuple[type, bytes]) -> bytes | None:
        kind, data = received
        message = deserialize_message(data, kind)
        try:
            image = self._camera.to_array(message, _MAX_BYTES)
            image = to_uint8(image) if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
            done, jpeg = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
            if not done:
                raise BadImage(f"JPEG has no room for {image.shape[1]}x{image.shape[0]} pixels")
        except BadImage as error:
            self._log.error(self._topics[kind], f"image skipped: {error}")
            return None
        return jpeg.tobytes()


class Viewer(Node):
    """Collects what the browser shows: `streams` of pictures by name, and `status()`.

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
        log = ThrottledLog(self.get_logger(), lambda: _LOG_PERIOD)
        self._pictures = {name: Picture(self, camera, log) for name, camera in PICTURES.items()}
        self._classes: list[dict[str, object]] = []
        self._frame: tuple[float, bytes] | None = None  # when it came, and a FrameStatus
        self._diagnostics: dict[str, tuple[float, DiagnosticStatus]] = {}
        namespace = self.get_namespace().strip("/")
        self._diagnosed = f"{namespace}/fusion_node: ".lstrip("/")

        info, diagnostics = topics.CLASS_COLORS, topics.DIAGNOSTICS
        self.create_subscription(info.type, info.name, self._take_classes, info.qos())
        self.create_subscription(
            diagnostics.type, diagnostics.name, self._take_diagnostics, _best_effort(10)
        )
        _subscribe_serialized(self, FrameStatus, topics.FRAME_STATUS.name, self._take_frame)
        # Not the node's clock, which stands still where the time of a simulation does.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_FOLLOW_PERIOD, self._follow_watchers, clock=steady)

    @property
    def streams(self) -> dict[str, Stream]:
        return {name: picture.stream for name, picture in self._pictures.items()}

    def status(self) -> dict[str, object]:
        """Classes, the last frame and the last diagnostics, for JSON; ages in seconds."""
        now = time.monotonic()
        return {
            "classes": self._classes,
            "frame": self._frame and _frame_entry(now, *self._frame),
            "diagnostics": [_diagnostic_entry(now, *each) for each in self._diagnostics.values()],
        }

    def _follow_watchers(self) -> None:
        for picture in self._pictures.values():
            picture.follow_watchers()

    # Threads of the server read what these set, so each sets it in one step.

    def _take_classes(self, message: ClassColors) -> None:
        self._classes = [
            {
                "id": each.class_id,
                "name": each.class_name,
                "color": [_finite(value) for value in (each.color.r, each.color.g, each.color.b)],
            }
            for each in message.class_map
        ]

    def _take_frame(self, data: bytes) -> None:
        self._frame = time.monotonic(), data

    def _take_diagnostics(self, message: DiagnosticArray) -> None:
        now = time.monotonic()
        own = {s.name: (now, s) for s in message.status if s.name.startswith(self._diagnosed)}
        self._diagnostics = {**self._diagnostics, **own}


def main(args: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit status, 1 if it cannot serve."""
    return run(PROGRAM, args, _serve_until)


def _serve_until(stop: threading.Event, _: list[str]) -> int:
    node = Viewer()
    server = None
    try:
        server = _serve(node)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        while not stop.is_set():
            executor.spin_once(timeout_sec=_STOP_CHECK_PERIOD)
    finally:
        if server is not None:
            server.stop()
        node.destroy_node()
    return 0


def _serve(node: Viewer) -> ViewerServer:
    host, port = node.values["host"], node.values["port"]
    try:
        server = ViewerServer((host, port), node.streams, node.status)
    except OSError as error:
        raise ValueError(
            f"cannot serve on {host}:{port}: {error.strerror}; choose another by -p port:=PORT or "
            "-p host:=HOST"
        ) from error
    server.start()
    node.get_logger().info(f"watch on http://{host}:{server.server_address[1]}")
    return server


def _best_effort(depth: int) -> QoSProfile:
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT)


def _subscribe_serialized(
    node: Node, kind: type, topic: str, callback: Callable[[bytes], None]
) -> Subscription:
    # Python needs long to make a message of bytes: that is done only for those that are shown.
    return node.create_subscription(kind, topic, callback, _best_effort(1), raw=True)


def _frame_entry(now: float, arrived: float, data: bytes) -> dict[str, object]:
    message = deserialize_message(data, FrameStatus)
    return {
        "age": now - arrived,
        "mode": _MODES.get(message.mode, "unknown"),
        "time_offset_ms": _finite(1e3 * message.time_offset),
        "latency_ms": {
            stage: _finite(1e3 * getattr(message.latency, stage))
            for stage in StageLatency.get_fields_and_field_types()
        },
        "class_shares": [_finite(share) for share in message.class_shares],
        "totals": {name: getattr(message, name) for name in _TOTALS},
    }


def _diagnostic_entry(now: float, arrived: float, status: DiagnosticStatus) -> dict[str, object]:
    return {
        "age": now - arrived,
        "name": status.name,
        "level": _LEVELS.get(status.level, "unknown"),
        "message": status.message,
        "values": {item.key: item.value for item in status.values},
    }


def _finite(value: float) -> float | None:
    """The number as JSON can hold it."""
    return float(value) if math.isfinite(value) else None


if __name__ == "__main__":
    sys.exit(main())
