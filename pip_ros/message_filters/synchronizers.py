"""Filters that join messages of several filters by their time."""

import itertools
import threading

from rclpy.clock import ROSClock
from rclpy.duration import Duration

from message_filters.simple_filter import SimpleFilter
from message_filters.stamps import as_time, stamp_or_now


class TimeSynchronizer(SimpleFilter):
    """Emits one message of each filter in `fs` once all of them have the same stamp.

    The latest `queue_size` messages (by stamp) of each filter wait for their partners.
    `queues` holds them: a dict for each filter, from the stamp in nanoseconds to the message.

    Callbacks run while the lock is held, so they must not feed the same synchronizer.
    An exception in a callback reaches the caller, and the set that it was called with is spent.
    """

    def __init__(self, fs, queue_size):
        super().__init__()
        self.queue_size = queue_size
        self.lock = threading.Lock()
        self.connectInput(fs)

    def connectInput(self, fs) -> None:
        """Take the messages of these filters, one queue for each."""
        self.queues = [{} for _ in fs]
        self.input_connections = [
            f.registerCallback(self.add, queue, index)
            for index, (f, queue) in enumerate(zip(fs, self.queues, strict=True))
        ]

    def add(self, msg, my_queue, my_queue_index=None) -> None:
        """Take a message for `my_queue`, and emit the set if it is the last one missing."""
        stamp = as_time(msg.header.stamp).nanoseconds
        with self.lock:
            self._enqueue(msg, stamp, my_queue)
            if not all(stamp in queue for queue in self.queues):
                return
            messages = [queue.pop(stamp) for queue in self.queues]
            # Whoever was overtaken in this queue is given up, as releases since 2026 do. The other
            # queues are kept: releases before 2026 still pair what comes out of order.
            for overtaken in [other for other in my_queue if other < stamp]:
                del my_queue[overtaken]
            self.signalMessage(*messages)

    def _enqueue(self, msg, stamp: int, queue: dict) -> None:
        queue[stamp] = msg
        while len(queue) > self.queue_size:
            del queue[min(queue)]


class ApproximateTimeSynchronizer(TimeSynchronizer):
    """Emits one message of each filter in `fs` once all are less than `slop` seconds apart.

    An arriving message takes the first set that fits, starting from the messages nearest to
    itself; it does not wait for a nearer one. The limit is exclusive: a slop of 0 never matches.

    Args:
        fs: the filters to join.
        queue_size: how many messages of each filter wait for their partners.
        slop: the limit between the earliest and the latest stamp of a set, in seconds.
        queue_offset: nanoseconds for each filter, subtracted from its stamps.
        allow_headerless: stamp messages without a header with the time of their arrival; without
            it they are dropped with a warning.
        sync_arrival_time: use the time of arrival for all messages.

    Up to Jazzy the fourth argument is `allow_headerless`: give it by name.
    """

    def __init__(
        self,
        fs,
        queue_size,
        slop,
        queue_offset=None,
        allow_headerless=False,
        sync_arrival_time=False,
    ):
        super().__init__(fs, queue_size)
        self.slop = Duration(seconds=slop)
        self.queue_offset = queue_offset
        self.allow_headerless = allow_headerless
        self.sync_arrival_time = sync_arrival_time

    def add(self, msg, my_queue, my_queue_index=None) -> None:
        """Take a message for `my_queue`, and emit the first set that it completes."""
        if self.sync_arrival_time:
            time = ROSClock().now()
        else:
            time = stamp_or_now(msg, self.allow_headerless, "message_filters_approx")
        if time is None:
            return
        stamp = time.nanoseconds
        if self.queue_offset and my_queue_index is not None:
            stamp -= self.queue_offset[my_queue_index]

        with self.lock:
            self._enqueue(msg, stamp, my_queue)
            if stamp not in my_queue:  # older than all that wait in a full queue
                return
            matched = self._match(stamp, my_queue_index)
            if matched:
                pairs = zip(self.queues, matched, strict=True)
                self.signalMessage(*[queue.pop(its_stamp) for queue, its_stamp in pairs])

    def _match(self, stamp: int, my_queue_index) -> tuple | None:
        """Return the stamps (ns), one of each queue, that `stamp` goes with, or None."""
        slop = self.slop.nanoseconds
        candidates = [
            [stamp]
            if index == my_queue_index
            else sorted(
                (other for other in queue if abs(other - stamp) <= slop),
                key=lambda other: abs(other - stamp),
            )
            for index, queue in enumerate(self.queues)
        ]
        sets = itertools.product(*candidates)
        return next((stamps for stamps in sets if max(stamps) - min(stamps) < slop), None)
