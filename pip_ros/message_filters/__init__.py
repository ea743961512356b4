"""Stand-in for the ROS package `message_filters`, for machines with only PyPI's ROS wheels."""

from message_filters.simple_filter import SimpleFilter
from message_filters.subscriber import Subscriber

__all__ = ["SimpleFilter", "Subscriber"]
