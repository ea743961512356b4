"""Receive messages that a publisher latched before the node started.

The camera's subscription is volatile, as live cameras need it. So it misses images that a publisher
sent once and keeps for late subscribers (transient local durability).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription


class Latched:
    """Passes the last message of a transient local publisher to `callback`, once.

    Call `look` periodically until another message arrives on the topic.
    """

    def __init__(self, node: Node, kind: type, topic: str, callback: Callable[[Any], None]) -> None:
        self._node = node
        self._kind = kind
        self._topic = topic
        self._callback = callback
        self._subscription: Subscription | None = None
        self._is_over = False

    def look(self) -> None:
        """Subscribe if there is such a publisher; unsubscribe after its message."""
        if self._is_over:
            self.close()
        elif self._subscription is None and self._is_offered():
            qos = QoSProfile(
                depth=1,
                durability=DurabilityPolicy.TRANSIENT_LOCAL,
                reliability=ReliabilityPolicy.RELIABLE,
            )
            self._subscription = self._node.create_subscription(
                self._kind, self._topic, self._take, qos
            )

    def give_up(self) -> None:
        """Stop waiting: the topic has live messages."""
        self._is_over = True

    def close(self) -> None:
        """Unsubscribe."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _is_offered(self) -> bool:
        return any(
            publisher.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
            for publisher in self._node.get_publishers_info_by_topic(self._topic)
        )

    def _take(self, message: Any) -> None:
        if not self._is_over:
            self._is_over = True
            self._callback(message)
