"""Image topics that the viewer subscribes to only while a page shows them."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from dataclasses import dataclass
from time import monotonic
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

_KEPT = 6  # newest messages of a feed, searched for the one nearest to a stamp


@dataclass(frozen=True)
class Received:
    """A serialized message of type `kind`. `number` counts the feed's messages, from 1.

    `arrived` is the time of arrival by `time.monotonic()` [s], `arrived_ns` by the node's clock,
    which may be simulated.
    """

    number: int
    kind: type
    data: bytes
    arrived: float
    arrived_ns: int

    def message(self) -> Any:
        """Deserialize the message, which is slow in Python."""
        return deserialize_message(self.data, self.kind)


class TopicFeed:
    """The newest messages of a topic; images raw or, if the raw topic has no publisher, compressed.

    The ROS thread calls `follow_users` and receives; `acquire`, `release` and `after` belong to
    the event loop that is given to `attach`.
    """

    def __init__(self, node: Node, topic: str, kind: type = Image) -> None:
        self.topic = node.resolve_topic_name(topic)
        self._node = node
        self._names = {kind: self.topic}
        if kind is Image:
            self._names[CompressedImage] = f"{self.topic}/compressed"
        self._kind: type | None = None
        self._subscription: Subscription | None = None
        self._users = 0
        self._numbers = itertools.count(1)
        self._kept: deque[Received] = deque(maxlen=_KEPT)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._arrival = asyncio.Event()

    def attach(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Wake the waiters of `after` in `loop` from now on; None: no one."""
        self._loop = loop

    def follow_users(self) -> None:
        """Subscribe or unsubscribe as needed."""
        kind = self._wanted()
        if kind is self._kind:
            return
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
        if kind is not None:
            # Serialized: only images that are shown get deserialized.
            self._subscription = self._node.create_subscription(
                kind,
                self._names[kind],
                lambda data: self._receive(kind, data),
                QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT),
                raw=True,
            )
        self._kind = kind

    def acquire(self) -> None:
        """Keep the topic subscribed until `release` has been called as often."""
        self._users += 1

    def release(self) -> None:
        """See `acquire`."""
        self._users -= 1

    @property
    def number(self) -> int:
        """Number of the newest message, 0 before the first."""
        kept = self.recent()
        return kept[-1].number if kept else 0

    def recent(self) -> list[Received]:
        """Return the last few messages, oldest first."""
        return list(self._kept)

    async def after(self, number: int) -> Received:
        """Return the newest message, as soon as there is one with a higher number."""
        while self.number <= number:
            await self._arrival.wait()
        return self._kept[-1]

    def _wanted(self) -> type | None:
        if self._users == 0:
            return None
        sent = [kind for kind, name in self._names.items() if self._node.count_publishers(name)]
        return sent[0] if sent else next(iter(self._names))

    def _receive(self, kind: type, data: bytes) -> None:
        now_ns = self._node.get_clock().now().nanoseconds
        self._kept.append(Received(next(self._numbers), kind, data, monotonic(), now_ns))
        loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._arrival.set()
        self._arrival.clear()
