"""Pairing of two camera streams by time stamp: stamps in, pairs and counts out. No ROS."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

# The next interval of a camera is assumed to be at least this share of its shortest recent one.
_INTERVALS_KEPT = 8
_SHORTEST_NEXT = 0.75


@dataclass(frozen=True)
class Pair:
    """An RGB and a thermal message that belong together.

    `offset_ns` is the thermal stamp, corrected by the pairer's `thermal_offset_ns`, minus the RGB
    stamp, in nanoseconds: positive if the thermal image is the later one.
    """

    rgb: Any
    thermal: Any
    offset_ns: int


@dataclass
class PairingCounts:
    """Total numbers of messages by outcome.

    `dropped_rgb`, `dropped_thermal`: without a partner. `late`: not newer than the previous message
    of the stream (a stamp sent twice, or out of order). `unstamped`: stamp 0. `jumps`: number of
    backward jumps in time of a stream.
    """

    paired: int = 0
    dropped_rgb: int = 0
    dropped_thermal: int = 0
    late: int = 0
    unstamped: int = 0
    jumps: int = 0


@dataclass
class _Stream:
    """Waiting messages of one camera, oldest first, and its latest intervals."""

    waiting: deque[tuple[int, Any]] = field(default_factory=deque)
    newest: int | None = None
    intervals: deque[int] = field(default_factory=lambda: deque(maxlen=_INTERVALS_KEPT))
    dropped: int = 0

    def head(self) -> int:
        return self.waiting[0][0]

    def drop_head(self) -> None:
        self.waiting.popleft()
        self.dropped += 1

    def drop_all(self) -> None:
        self.dropped += len(self.waiting)
        self.waiting.clear()

    def restart(self) -> None:
        self.drop_all()
        self.newest = None
        self.intervals.clear()

    def append(self, stamp: int, message: Any) -> None:
        if self.newest is not None:
            self.intervals.append(stamp - self.newest)
        self.newest = stamp
        self.waiting.append((stamp, message))

    def may_bring_nearer(self, target: int) -> bool:
        """Return whether another message than the head is, or may come, nearer to `target`."""
        distance = abs(target - self.head())
        if len(self.waiting) > 1:
            return abs(target - self.waiting[1][0]) < distance
        soonest = self.head()
        if self.intervals:
            soonest += int(_SHORTEST_NEXT * min(self.intervals))
        return soonest < target + distance


class NearestStampPairer:
    """Pairs the messages of an RGB and a thermal camera by nearest stamp.

    `add_rgb` and `add_thermal` take a stamp in integer nanoseconds and any message, in the order
    of arrival, and return the pairs that became certain, oldest first. Guarantees for pairs:

    - its stamps differ by at most `slop_ns` (0 pairs equal stamps only);
    - no message was in two pairs, and pairs come in the order of time, for both cameras;
    - no unused message of either camera was nearer in time to one of the two than its partner. Of
      two equally near ones the earlier is taken.

    A pair is returned as soon as no nearer partner can come. Stamps of one camera rise, so that is
    at once for equal stamps, and else at the latest with the next message of the camera whose
    image is the older one of the pair. To wait less, the next interval of a camera is taken to be
    at least 0.75 of the shortest of its last 8; if it is shorter, the pair was the nearest of those
    available. Nothing depends on the time of a call: a recording gives the same pairs every time.

    A message is dropped when it can no longer be in a pair, or as the oldest of more than
    `queue_size` waiting ones; an oldest one that only awaits certainty is paired instead. A camera
    that stops therefore costs no memory. A message not newer than the one before it is late and
    left out; one older by more than `slop_ns` means that time jumped back (a recording that
    loops): all waiting messages are dropped, and pairing starts from scratch with it.

    `thermal_offset_ns` is added to every thermal stamp, for clocks that differ by a constant. It
    and `slop_ns` may be set at any time. Amortised constant time per message, at most `2 *
    queue_size` messages kept. Not thread-safe. Raises ValueError for a negative slop or an empty
    queue.
    """

    def __init__(self, slop_ns: int, queue_size: int, thermal_offset_ns: int = 0) -> None:
        if slop_ns < 0:
            raise ValueError(f"slop_ns must not be negative, but is {slop_ns}")
        if queue_size < 1:
            raise ValueError(f"queue_size must be at least 1, but is {queue_size}")
        self.slop_ns = slop_ns
        self.thermal_offset_ns = thermal_offset_ns
        self._queue_size = queue_size
        self._rgb = _Stream()
        self._thermal = _Stream()
        self._counts = PairingCounts()

    @property
    def counts(self) -> PairingCounts:
        """Totals so far; a snapshot."""
        totals = PairingCounts(**vars(self._counts))
        totals.dropped_rgb, totals.dropped_thermal = self._rgb.dropped, self._thermal.dropped
        return totals

    @property
    def newest_apart_ns(self) -> int | None:
        """The newest thermal stamp, corrected, minus the newest RGB stamp; None before both came.

        Shows a constant offset of the clocks if nothing pairs.
        """
        if self._rgb.newest is None or self._thermal.newest is None:
            return None
        return self._thermal.newest - self._rgb.newest

    def add_rgb(self, stamp_ns: int, message: Any) -> list[Pair]:
        """Take the next RGB message; return the pairs that are certain now."""
        return self._add(self._rgb, stamp_ns, 0, message)

    def add_thermal(self, stamp_ns: int, message: Any) -> list[Pair]:
        """Take the next thermal message; return the pairs that are certain now."""
        return self._add(self._thermal, stamp_ns, self.thermal_offset_ns, message)

    def flush(self) -> list[Pair]:
        """Return the pairs among the waiting messages at the end of input; drop the others."""
        pairs: list[Pair] = []
        while self._rgb.waiting and self._thermal.waiting:
            pairs += self._step(certain=True) or []
        self._rgb.drop_all()
        self._thermal.drop_all()
        return pairs

    def _add(self, stream: _Stream, stamp: int, correction: int, message: Any) -> list[Pair]:
        if stamp == 0:
            self._counts.unstamped += 1
            return []
        stamp += correction
        if stream.newest is not None and stamp <= stream.newest:
            if stamp >= stream.newest - self.slop_ns:
                self._counts.late += 1
                return []
            self._counts.jumps += 1
            self._rgb.restart()
            self._thermal.restart()
        stream.append(stamp, message)

        pairs: list[Pair] = []
        while self._rgb.waiting and self._thermal.waiting:
            full = len(stream.waiting) > self._queue_size
            settled = self._step(certain=full)
            if settled is None:
                return pairs
            pairs += settled
        if len(stream.waiting) > self._queue_size:
            stream.drop_head()
        return pairs

    def _step(self, certain: bool) -> list[Pair] | None:
        """Settle the oldest waiting message: [pair], [] if it was dropped, None if it has to wait.

        `certain` says that nothing nearer will come beyond what waits already.
        """
        older, newer = self._rgb, self._thermal
        if newer.head() < older.head():
            older, newer = newer, older
        stamp, partner = older.head(), newer.head()
        # All earlier partners are used or dropped, and no nearer one can come: this is the nearest.
        if partner - stamp > self.slop_ns:
            older.drop_head()
            return []
        if older.may_bring_nearer(partner):
            if len(older.waiting) > 1:
                older.drop_head()
                return []
            if not certain:
                return None
        self._counts.paired += 1
        rgb_stamp, rgb = self._rgb.waiting.popleft()
        thermal_stamp, thermal = self._thermal.waiting.popleft()
        return [Pair(rgb, thermal, thermal_stamp - rgb_stamp)]
