"""The bond of nav2's lifecycle manager: heartbeats that show that an active node is alive.

The protocol is that of ROS's package bond: both sides publish bond/msg/Status on the topic `bond`
of their namespace, with the node's name as id, and a last message, not active, when they end the
bond. As in nav2's own nodes, only the manager reacts to missing heartbeats.
"""

from __future__ import annotations

import uuid
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

PERIOD = 0.1  # seconds between heartbeats, as in nav2
TIMEOUT = 4.0  # seconds without one until a bond counts as broken, nav2's default
_TOPIC = "bond"
_DEPTH = 10


class Bond:
    """Publishes heartbeats for the node from creation until `close`.

    The node's executor publishes them, so they stop when it hangs. Raises ImportError, in one line,
    if the package bond is not installed.
    """

    def __init__(self, node: Node) -> None:
        try:
            from bond.msg import Status
        except ImportError:
            raise ImportError(
                "parameter 'bond' is true, but the ROS package bond is not installed: apt install "
                "ros-$ROS_DISTRO-bond, or set bond to false and the lifecycle manager's "
                "bond_timeout to 0.0"
            ) from None
        self._node = node
        self._status = Status
        self._instance = str(uuid.uuid4())
        self._active = True
        self._publisher = node.create_publisher(Status, _TOPIC, _DEPTH)
        self._subscription = node.create_subscription(Status, _TOPIC, self._answer, _DEPTH)
        # A steady clock: heartbeats continue if simulated time stops.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(PERIOD, self._beat, clock=steady)
        self._beat()

    def close(self) -> None:
        """End the bond, so that the manager does not assume a crash."""
        self._send(active=False)
        self._node.destroy_timer(self._timer)
        self._node.destroy_subscription(self._subscription)
        self._node.destroy_publisher(self._publisher)

    def _beat(self) -> None:
        if self._active:
            self._send(active=True)

    def _answer(self, status: Any) -> None:
        """End the bond when the manager does."""
        if status.id != self._node.get_name() or status.instance_id == self._instance:
            return
        if not status.active and self._active:
            self._active = False
            self._node.get_logger().info("the lifecycle manager has ended the bond")
            self._send(active=False)

    def _send(self, active: bool) -> None:
        status = self._status(
            id=self._node.get_name(),
            instance_id=self._instance,
            active=active,
            heartbeat_timeout=TIMEOUT,
            heartbeat_period=PERIOD,
        )
        status.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(status)
