"""When was a message made, and what time is it now?"""

from rclpy.clock import ROSClock
from rclpy.logging import get_logger
from rclpy.time import Time


def as_time(stamp) -> Time:
    """Return a `builtin_interfaces/Time`, or an rclpy `Time`, as an rclpy `Time`."""
    return stamp if hasattr(stamp, "nanoseconds") else Time.from_msg(stamp)


def stamp_or_now(msg, allow_headerless: bool, logger_name: str) -> Time | None:
    """Return the header's stamp of `msg`.

    A message without one is stamped with the ROS time now if `allow_headerless`; if not, a
    warning goes to the log and None comes back.
    """
    if hasattr(msg, "header") and hasattr(msg.header, "stamp"):
        return as_time(msg.header.stamp)
    if allow_headerless:
        return ROSClock().now()
    get_logger(logger_name).warning(
        f"dropped a {type(msg).__name__}: it has no header.stamp, and allow_headerless is off"
    )
    return None
