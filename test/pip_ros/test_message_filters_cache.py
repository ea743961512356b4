"""The cache of the message_filters stand-in."""
# ruff: noqa: E402 (imports below the check for what may be missing)

import pytest

pytest.importorskip("rclpy", reason="needs rclpy")

from builtin_interfaces.msg import Time as TimeMsg
from message_filters import Cache, SimpleFilter
from rclpy.clock import ClockType, ROSClock
from rclpy.time import Time
from sensor_msgs.msg import Temperature
from std_msgs.msg import Header, String


def at(seconds: float) -> Time:
    return Time(seconds=seconds, clock_type=ClockType.ROS_TIME)


def message(seconds: int) -> Temperature:
    return Temperature(header=Header(stamp=TimeMsg(sec=seconds)))


def filled(stamps, cache_size: int) -> tuple[Cache, list]:
    source = SimpleFilter()
    cache = Cache(source, cache_size)
    messages = [message(stamp) for stamp in stamps]
    for each in messages:
        source.signalMessage(each)
    return cache, messages


def test_an_empty_cache_has_nothing_to_give():
    cache, _ = filled([], 3)
    assert cache.getInterval(at(0), at(9)) == []
    assert cache.getElemAfterTime(at(0)) is None
    assert cache.getElemBeforeTime(at(9)) is None
    assert cache.getOldestTime() is None
    assert cache.getLastestTime() is None
    assert cache.getLast() is None


def test_interval_holds_its_ends():
    cache, messages = filled([1, 2, 3, 4], 9)
    assert cache.getInterval(at(2), at(3)) == messages[1:3]
    assert cache.getInterval(at(2.1), at(2.9)) == []


def test_interval_that_ends_before_it_begins_is_refused():
    cache, _ = filled([1], 1)
    with pytest.raises(AssertionError):
        cache.getInterval(at(2), at(1))


def test_nearest_message_on_either_side():
    cache, messages = filled([1, 2, 3], 9)
    assert cache.getElemAfterTime(at(1.5)) is messages[1]
    assert cache.getElemAfterTime(at(2)) is messages[1]
    assert cache.getElemAfterTime(at(3.5)) is None
    assert cache.getElemBeforeTime(at(2.5)) is messages[1]
    assert cache.getElemBeforeTime(at(2)) is messages[1]
    assert cache.getElemBeforeTime(at(0.5)) is None


def test_the_first_arrival_goes_when_full():
    cache, messages = filled([1, 2, 3], 2)
    assert cache.getOldestTime() == at(2)
    assert cache.getLastestTime() == at(3)
    assert cache.getLast() is messages[-1]


def test_messages_are_passed_on():
    source, seen = SimpleFilter(), []
    Cache(source).registerCallback(seen.append)
    sent = message(1)
    source.signalMessage(sent)
    assert seen == [sent]


def test_a_message_without_a_header_is_dropped_unless_allowed():
    source, seen = SimpleFilter(), []
    strict, lenient = Cache(source, 1), Cache(source, 1, allow_headerless=True)
    strict.registerCallback(seen.append)
    before = ROSClock().now()
    source.signalMessage(String())
    assert seen == []
    assert strict.getLast() is None
    assert before <= lenient.getLastestTime() <= ROSClock().now()
