"""Cameras, subscriber and operator of the fusion node in a soak, in one process."""

from __future__ import annotations

import time
from typing import Any

from builtin_interfaces.msg import Time as TimeMessage
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

from difusionseg_ros.common.topics import FRAME_STATUS, FUSED, MASK, OVERLAY
from difusionseg_ros.msg import FrameStatus
from tools.ros_graph import Graph, GraphFailed
from tools.synthetic_cameras import SyntheticCameras

ANSWER_TIMEOUT = 30.0  # seconds for a service; loading the network is the longest
FRAME_TIMEOUT = 60.0  # seconds; a new size or number of steps may have to be compiled
RESEND_AFTER = 0.2  # seconds without a result after which the next pair is sent


class SoakDriver:
    """Sends a pair and waits until the node has finished it.

    `node` subscribes and calls services; `shift` [s] is added to all stamps; `frames` counts the
    frames that the node finished.
    """

    def __init__(
        self, node: Node, cameras: SyntheticCameras, size: tuple[int, int], steps: int
    ) -> None:
        self.cameras = cameras
        self.size = size
        self.steps = steps
        self.shift = 0.0
        self.frames = 0
        self.graph: Graph | None = None
        self._node = node
        self._finished: set[int] = set()
        self._subscriptions: list = []
        self._clients: dict[str, Any] = {}
        node.create_subscription(
            FRAME_STATUS.type, FRAME_STATUS.name, self._take, FRAME_STATUS.qos()
        )
        self.subscribe()

    def subscribe(self) -> None:
        """Subscribe to the outputs, so that the node makes them; they are ignored here."""
        self._subscriptions = [
            self._node.create_subscription(
                topic.type, topic.name, lambda _: None, topic.qos(), raw=True
            )
            for topic in (FUSED, MASK, OVERLAY)
        ]

    def unsubscribe(self) -> None:
        """Destroy the subscriptions to the outputs."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def stamp(self) -> TimeMessage:
        """Return the current time of the cameras' clock, which jumps."""
        shift = Duration(nanoseconds=round(self.shift * 1e9))
        return (self._node.get_clock().now() + shift).to_msg()

    def frame(self, timeout: float = FRAME_TIMEOUT) -> float:
        """Send pairs until the node has finished one; return the seconds that it took.

        Usually that is the first pair, but images are best effort and some get lost after a fault.
        Raises GraphFailed if none is finished within `timeout` [s].
        """
        deadline = time.monotonic() + timeout
        sent: dict[int, float] = {}
        while time.monotonic() < deadline:
            stamp = self.stamp()
            sent[Time.from_msg(stamp).nanoseconds] = time.monotonic()
            self.cameras.publish_pair(stamp)
            self._finished.clear()
            if self.graph.spin_until(lambda: bool(sent.keys() & self._finished), RESEND_AFTER):
                return time.monotonic() - max(sent[x] for x in sent.keys() & self._finished)
        raise GraphFailed(self.graph.with_log(f"no frame was finished within {timeout:g} s"))

    def wait(self, seconds: float) -> None:
        """Spin for some seconds."""
        self.graph.spin_until(lambda: False, seconds)

    def call(self, kind: type, name: str, request: Any) -> Any:
        """Return the node's answer to a request. Raises GraphFailed if there is none."""
        if name not in self._clients:
            self._clients[name] = self._node.create_client(kind, name)
        client = self._clients[name]
        if not self.graph.spin_until(client.service_is_ready, ANSWER_TIMEOUT):
            raise GraphFailed(self.graph.with_log(f"service {name} is not available"))
        answer = client.call_async(request)
        if not self.graph.spin_until(answer.done, ANSWER_TIMEOUT):
            raise GraphFailed(self.graph.with_log(f"service {name} did not answer"))
        return answer.result()

    def _take(self, status: FrameStatus) -> None:
        self.frames += 1
        self._finished.add(Time.from_msg(status.header.stamp).nanoseconds)
