"""The last messages of a filter, to be asked for by time."""

from rclpy.time import Time

from message_filters.simple_filter import SimpleFilter
from message_filters.stamps import stamp_or_now


class Cache(SimpleFilter):
    """Keeps the last `cache_size` messages of the filter `f`, and passes each of them on.

    Messages are kept in the order of their arrival. Stamps are rclpy `Time`, in queries too;
    rclpy refuses to compare times of different clocks with a TypeError, and a header's stamp is
    ROS time.

    With `allow_headerless`, messages without a header are stamped with the time of their
    arrival; without it they are dropped with a warning.
    """

    def __init__(self, f, cache_size=1, allow_headerless=False):
        super().__init__()
        self.cache_size = cache_size
        self.allow_headerless = allow_headerless
        self.cache_msgs = []
        self.cache_times = []
        self.connectInput(f)

    def connectInput(self, f) -> None:
        """Take the messages of another filter."""
        self.incoming_connection = f.registerCallback(self.add)

    def add(self, msg) -> None:
        """Store `msg`, forget the oldest arrival if there are too many, and pass `msg` on."""
        stamp = stamp_or_now(msg, self.allow_headerless, "message_filters_cache")
        if stamp is None:
            return
        self.cache_msgs.append(msg)
        self.cache_times.append(stamp)
        if len(self.cache_msgs) > self.cache_size:
            del self.cache_msgs[0], self.cache_times[0]
        self.signalMessage(msg)

    def getInterval(self, from_stamp: Time, to_stamp: Time) -> list:
        """Return the messages stamped within both ends, which belong to the interval."""
        assert from_stamp <= to_stamp, "the interval ends before it begins"
        return self._messages(lambda time: from_stamp <= time <= to_stamp)

    def getElemAfterTime(self, stamp: Time):
        """Return the first arrival stamped at or after `stamp`, or None."""
        return next(iter(self._messages(lambda time: time >= stamp)), None)

    def getElemBeforeTime(self, stamp: Time):
        """Return the last arrival stamped at or before `stamp`, or None."""
        return next(reversed(self._messages(lambda time: time <= stamp)), None)

    # The real package spells it so.
    def getLastestTime(self) -> Time | None:
        """Return the stamp of the last arrival, or None."""
        return self.cache_times[-1] if self.cache_times else None

    def getOldestTime(self) -> Time | None:
        """Return the stamp of the first arrival still kept, or None."""
        return self.cache_times[0] if self.cache_times else None

    def getLast(self):
        """Return the first arrival that is not older than the last one, or None."""
        return self.getElemAfterTime(self.getLastestTime()) if self.cache_times else None

    def _messages(self, wanted) -> list:
        return [
            msg for msg, time in zip(self.cache_msgs, self.cache_times, strict=True) if wanted(time)
        ]
