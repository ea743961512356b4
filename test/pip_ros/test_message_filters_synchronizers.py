"""The synchronizers of the message_filters stand-in."""
# ruff: noqa: E402 (imports below the check for what may be missing)

import itertools
import random

import pytest

pytest.importorskip("rclpy", reason="needs rclpy")

from builtin_interfaces.msg import Time as TimeMsg
from message_filters import ApproximateTimeSynchronizer, SimpleFilter, TimeSynchronizer
from sensor_msgs.msg import Temperature
from std_msgs.msg import Header, String

MS = 1_000_000  # nanoseconds


def message(milliseconds: int) -> Temperature:
    seconds, rest = divmod(milliseconds, 1000)
    return Temperature(header=Header(stamp=TimeMsg(sec=seconds, nanosec=rest * MS)))


def milliseconds(msg: Temperature) -> int:
    return msg.header.stamp.sec * 1000 + msg.header.stamp.nanosec // MS


def joined(make, inputs: int = 2) -> tuple[list[SimpleFilter], list[tuple]]:
    """Return the inputs of `make(inputs)`, and the list that its sets of stamps (ms) go to."""
    filters, seen = [SimpleFilter() for _ in range(inputs)], []
    make(filters).registerCallback(lambda *msgs: seen.append(tuple(map(milliseconds, msgs))))
    return filters, seen


def exact(queue_size: int):
    return lambda filters: TimeSynchronizer(filters, queue_size)


def approximate(queue_size: int, slop: float, **options):
    return lambda filters: ApproximateTimeSynchronizer(filters, queue_size, slop, **options)


BOTH = [exact(10), approximate(10, 0.02)]


@pytest.mark.parametrize("make", BOTH, ids=["exact", "approximate"])
def test_equal_stamps_pair_in_any_order_of_arrival(make):
    (left, right), seen = joined(make)
    stamps = list(range(0, 1000, 100))
    shuffled = random.Random(0)
    for stamp in shuffled.sample(stamps, len(stamps)):
        left.signalMessage(message(stamp))
    assert seen == []
    for stamp in shuffled.sample(stamps, len(stamps)):
        right.signalMessage(message(stamp))
    assert sorted(seen) == [(stamp, stamp) for stamp in stamps]


@pytest.mark.parametrize("make", BOTH, ids=["exact", "approximate"])
def test_every_input_must_have_come(make):
    filters, seen = joined(make, inputs=3)
    for source in filters[:2]:
        source.signalMessage(message(100))
    assert seen == []
    filters[2].signalMessage(message(100))
    assert seen == [(100, 100, 100)]


@pytest.mark.parametrize("make", [exact(2), approximate(2, 0.02)], ids=["exact", "approximate"])
def test_a_full_queue_forgets_its_oldest_stamp(make):
    (left, right), seen = joined(make)
    for stamp in (100, 200, 300):
        left.signalMessage(message(stamp))
    for stamp in (100, 200, 300):
        right.signalMessage(message(stamp))
    assert seen == [(200, 200), (300, 300)]


@pytest.mark.parametrize("make", BOTH, ids=["exact", "approximate"])
def test_an_exception_in_a_callback_spends_the_set_and_locks_nothing(make):
    filters = [SimpleFilter(), SimpleFilter()]
    calls = []

    def fail_once(*msgs):
        calls.append(milliseconds(msgs[0]))
        if len(calls) == 1:
            raise ValueError("consumer failed")

    make(filters).registerCallback(fail_once)
    filters[0].signalMessage(message(100))
    with pytest.raises(ValueError, match="consumer failed"):
        filters[1].signalMessage(message(100))
    for source in filters:
        source.signalMessage(message(200))
    assert calls == [100, 200]


def test_exact_gives_up_what_was_overtaken():
    (left, right), seen = joined(exact(10))
    left.signalMessage(message(0))
    right.signalMessage(message(100))
    left.signalMessage(message(100))
    assert seen == [(100, 100)]
    right.signalMessage(message(0))
    assert seen == [(100, 100)]


def test_exact_ignores_near_stamps():
    (left, right), seen = joined(exact(10))
    left.signalMessage(message(100))
    right.signalMessage(message(101))
    assert seen == []


def test_the_callback_gets_its_own_arguments_after_the_messages():
    filters, seen = [SimpleFilter(), SimpleFilter()], []
    TimeSynchronizer(filters, 1).registerCallback(lambda *given: seen.append(given), "extra")
    sent = [message(100), message(100)]
    for source, msg in zip(filters, sent, strict=True):
        source.signalMessage(msg)
    assert seen == [(*sent, "extra")]


def test_approximate_takes_the_nearest_that_waits():
    (left, right), seen = joined(approximate(10, 0.05))
    for stamp in (100, 130, 160):
        left.signalMessage(message(stamp))
    right.signalMessage(message(135))
    assert seen == [(130, 135)]
    right.signalMessage(message(150))
    assert seen == [(130, 135), (160, 150)]


@pytest.mark.parametrize(("apart", "pairs"), [(19, 1), (20, 0), (21, 0)])
def test_the_slop_is_an_exclusive_limit(apart, pairs):
    for first, second in itertools.permutations([100, 100 + apart]):
        (left, right), seen = joined(approximate(10, 0.02))
        left.signalMessage(message(first))
        right.signalMessage(message(second))
        assert len(seen) == pairs


def test_a_slop_of_zero_never_matches():
    (left, right), seen = joined(approximate(10, 0.0))
    left.signalMessage(message(100))
    right.signalMessage(message(100))
    assert seen == []


def test_the_slop_limits_the_whole_set():
    filters, seen = joined(approximate(10, 0.02), inputs=3)
    for source, stamp in zip(filters, (100, 130, 115), strict=True):
        source.signalMessage(message(stamp))
    assert seen == []
    filters[1].signalMessage(message(118))
    assert seen == [(100, 118, 115)]


def test_queue_offset_moves_the_stamps_of_an_input():
    (left, right), seen = joined(approximate(10, 0.02, queue_offset=[0, 500 * MS]))
    left.signalMessage(message(100))
    right.signalMessage(message(600))
    assert seen == [(100, 600)]


def test_arrival_time_instead_of_stamps():
    (left, right), seen = joined(approximate(10, 60.0, sync_arrival_time=True))
    left.signalMessage(message(0))
    right.signalMessage(message(1_000_000))
    assert seen == [(0, 1_000_000)]


@pytest.mark.parametrize("allowed", [False, True])
def test_messages_without_a_header_pair_by_arrival_only_if_allowed(allowed):
    filters, seen = [SimpleFilter(), SimpleFilter()], []
    synchronizer = ApproximateTimeSynchronizer(filters, 10, 60.0, allow_headerless=allowed)
    synchronizer.registerCallback(lambda *msgs: seen.append(msgs))
    sent = (String(data="left"), String(data="right"))
    for source, msg in zip(filters, sent, strict=True):
        source.signalMessage(msg)
    assert seen == ([sent] if allowed else [])
