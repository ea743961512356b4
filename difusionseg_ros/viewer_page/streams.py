"""The streams of the page: images of topics, and pixel values of a frame.

A stream makes a `Packet` of the newest messages, once for all pages.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from time import monotonic
from typing import Any

import numpy as np

from difusionseg_core.imaging.codec.camera_images import BadImage, mask_array
from difusionseg_ros.common.image_messages import stamp_ns as stamp_ns_of
from difusionseg_ros.viewer_page.feeds import Received, TopicFeed
from difusionseg_ros.viewer_page.images import (
    MAX_BYTES,
    Draw,
    confidence_bytes,
    jpeg,
    one_channel,
)

CLIP_SECONDS = 10.0
_NEAR_NS = 100_000_000  # largest time between a frame and the thermal image shown for it
_UNITS = {"temperature": "°C"}

Log = Callable[[str, str], None]
"""Called with a topic and why its message cannot be shown."""


@dataclass(frozen=True)
class Packet:
    """Data for the page: `header` as JSON, and the bytes that it describes."""

    header: dict[str, object]
    payload: bytes

    def encoded(self) -> bytes:
        """Return the length of the header (4 bytes, big-endian), header, payload."""
        header = json.dumps(self.header, allow_nan=False).encode()
        return len(header).to_bytes(4, "big") + header + self.payload


class Stream(ABC):
    """Packets made of the messages of some feeds; a message of the last feed makes a new one."""

    def __init__(self, name: str, feeds: Sequence[TopicFeed], log: Log) -> None:
        self.name = name
        self.feeds = feeds
        self._log = log
        self._made: tuple[int, asyncio.Future[Packet | None]] | None = None

    def start_watching(self) -> None:
        """Subscribe to the feeds, until `stop_watching` has been called as often."""
        for feed in self.feeds:
            feed.acquire()

    def stop_watching(self) -> None:
        """See `start_watching`."""
        for feed in self.feeds:
            feed.release()

    async def after(self, number: int, executor: Executor) -> tuple[int, Packet | None]:
        """Return number and packet of the newest messages after `number`; None if undrawable.

        Start with `newest`. Packets are made in the executor.
        """
        received = await self.feeds[-1].after(number)
        if self._made is None or self._made[0] != received.number:
            loop = asyncio.get_running_loop()
            made = asyncio.ensure_future(loop.run_in_executor(executor, self._try, received))
            self._made = received.number, made
        # Shielded: other pages may wait for the same packet when one of them leaves.
        return received.number, await asyncio.shield(self._made[1])

    @property
    def newest(self) -> int:
        """Number of the newest message."""
        return self.feeds[-1].number

    @abstractmethod
    def make(self, received: Received) -> Packet | None:
        """Return the packet of a message, or None if there is none. Raises BadImage."""

    def _try(self, received: Received) -> Packet | None:
        try:
            return self.make(received)
        except BadImage as error:
            self._log(self.feeds[-1].topic, f"image skipped: {error}")
            return None


class ImageStream(Stream):
    """The images of a topic as JPEG; `clip` returns those shown in the last seconds."""

    def __init__(self, name: str, feed: TopicFeed, draw: Draw, log: Log) -> None:
        super().__init__(name, [feed], log)
        self._draw = draw
        self._clip: deque[tuple[float, int, bytes]] = deque()

    def clip(self) -> list[tuple[float, int, bytes]]:
        """Return (arrival by time.monotonic(), stamp [ns], JPEG) of the last 10 s, oldest first."""
        begin = monotonic() - CLIP_SECONDS
        return [item for item in self._clip.copy() if item[0] >= begin]

    def make(self, received: Received) -> Packet:
        """Return a JPEG of the message."""
        message = received.message()
        image = self._draw(message)
        encoded = jpeg(image)
        stamp_ns = stamp_ns_of(message.header)
        self._clip.append((received.arrived, stamp_ns, encoded))
        while self._clip[0][0] < received.arrived - CLIP_SECONDS:
            self._clip.popleft()
        header = {
            "stream": self.name,
            "number": received.number,
            "stamp_ns": str(stamp_ns),  # too large for a number in JavaScript
            "latency_ms": (received.arrived_ns - stamp_ns) / 1e6,
            "width": image.shape[1],
            "height": image.shape[0],
        }
        return Packet(header, encoded)


@dataclass(frozen=True)
class ValueFeeds:
    """The topics with pixel values and objects of a frame."""

    mask: TopicFeed
    confidence: TopicFeed
    thermal: TopicFeed
    temperature: TopicFeed
    objects: TopicFeed
    object_temperatures: TopicFeed


class ValueStream(Stream):
    """Class, confidence, thermal counts and temperature of every pixel of a frame.

    The payload, compressed with zlib, is the planes listed in the header, each row by row. The
    header also lists the objects.
    """

    def __init__(self, feeds: ValueFeeds, log: Log) -> None:
        # The node publishes the confidence last: the rest of its frame has arrived by then.
        others = (feeds.objects, feeds.object_temperatures, feeds.thermal, feeds.temperature)
        super().__init__("values", [*others, feeds.mask, feeds.confidence], log)
        self._from = feeds

    def make(self, received: Received) -> Packet | None:
        """Return the planes of the confidence's frame; None if its mask has not arrived."""
        feeds = self._from
        confidence_message = received.message()
        stamp_ns = stamp_ns_of(confidence_message.header)
        mask_message = _nearest(feeds.mask, stamp_ns, 0)
        if mask_message is None:
            return None
        planes = {
            "class": mask_array(mask_message, MAX_BYTES),
            "confidence": confidence_bytes(one_channel(confidence_message)),
        }
        thermal_message = _nearest(feeds.thermal, stamp_ns, _NEAR_NS)
        if thermal_message is not None:
            planes["thermal"] = one_channel(thermal_message)
        temperature_message = _nearest(feeds.temperature, stamp_ns, _NEAR_NS)
        if temperature_message is not None:
            planes["temperature"] = one_channel(temperature_message)
        header: dict[str, object] = {
            "stream": self.name,
            "stamp_ns": str(stamp_ns),
            "objects": self._objects(stamp_ns),
            "planes": [
                {
                    "name": name,
                    "type": plane.dtype.name,
                    "unit": _UNITS.get(name, ""),
                    "width": plane.shape[1],
                    "height": plane.shape[0],
                }
                for name, plane in planes.items()
            ],
        }
        little_endian = (plane.astype(plane.dtype.newbyteorder("<")) for plane in planes.values())
        data = b"".join(np.ascontiguousarray(plane).tobytes() for plane in little_endian)
        return Packet(header, zlib.compress(data, 1))

    def _objects(self, stamp_ns: int) -> list[dict[str, object]]:
        """Return class, id, score, box [pixels] and any temperatures of a frame's objects."""
        detections = _nearest(self._from.objects, stamp_ns, _NEAR_NS)
        if detections is None:
            return []
        warm = _nearest(self._from.object_temperatures, stamp_ns, _NEAR_NS)
        # In the order of the detections, if they are of the same frame.
        matching = warm is not None and warm.header.stamp == detections.header.stamp
        entries = []
        for index, one in enumerate(detections.detections):
            centre, width, height = one.bbox.center.position, one.bbox.size_x, one.bbox.size_y
            entry: dict[str, object] = {
                "class": one.results[0].hypothesis.class_id,
                "id": one.id,
                "score": one.results[0].hypothesis.score,
                "box": [centre.x - width / 2, centre.y - height / 2, width, height],
            }
            if matching and warm.objects[index].pixels:
                entry |= {"mean": warm.objects[index].mean, "maximum": warm.objects[index].maximum}
            entries.append(entry)
        return entries


def _nearest(feed: TopicFeed, stamp_ns: int, tolerance_ns: int) -> Any:
    """Return the recent message with the nearest stamp; None if none is within the tolerance."""
    messages = [received.message() for received in feed.recent()]
    nearest = min(messages, key=lambda each: abs(stamp_ns_of(each.header) - stamp_ns), default=None)
    if nearest is None or abs(stamp_ns_of(nearest.header) - stamp_ns) > tolerance_ns:
        return None
    return nearest
