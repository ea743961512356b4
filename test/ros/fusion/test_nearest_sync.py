"""The pairing filter in a chain of message filters."""

import threading

import pytest
import rclpy.logging
from builtin_interfaces.msg import Time
from message_filters import SimpleFilter
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from difusionseg_core.cameras.pairing import NearestStampPairer
from difusionseg_ros.fusion.nearest_sync import NearestSync


def image(milliseconds):
    stamp = Time(sec=milliseconds // 1000, nanosec=milliseconds % 1000 * 1_000_000)
    return Image(header=Header(stamp=stamp))


@pytest.fixture
def chain():
    rgb, thermal = SimpleFilter(), SimpleFilter()
    pairer = NearestStampPairer(slop_ns=20_000_000, queue_size=10)
    return rgb, thermal, NearestSync(rgb, thermal, pairer, rclpy.logging.get_logger("test"))


def test_emits_both_messages_with_their_offset_and_extra_arguments(chain):
    rgb, thermal, sync = chain
    pairs = []
    sync.registerCallback(lambda *arguments: pairs.append(arguments), "extra")
    first, second = image(1000), image(1007)
    rgb.signalMessage(first)
    thermal.signalMessage(second)
    rgb.signalMessage(image(1100))  # now no RGB image can be nearer to 1007
    ((first_out, second_out, timing, extra),) = pairs
    assert first_out is first
    assert second_out is second
    assert (timing.offset_ns, extra) == (7_000_000, "extra")


def test_an_exception_in_a_callback_does_not_stop_pairing(chain):
    rgb, thermal, sync = chain
    served = []

    def broken(*_):
        raise RuntimeError("consumer")

    sync.registerCallback(broken)
    sync.registerCallback(lambda rgb, thermal, timing: served.append(rgb.header.stamp.sec))
    for second in (1, 2, 3):
        rgb.signalMessage(image(1000 * second))
        thermal.signalMessage(image(1000 * second))
    assert served == [1, 2, 3]
    assert sync.consumer_errors == 3
    assert sync.counts.paired == 3


def test_a_callback_may_read_the_counts(chain):
    rgb, thermal, sync = chain
    counts = []
    sync.registerCallback(lambda *_: counts.append(sync.counts.paired))
    rgb.signalMessage(image(1000))
    thermal.signalMessage(image(1000))
    assert counts == [1]


def test_changed_slop_and_offset_apply_to_the_next_message(chain):
    rgb, thermal, sync = chain
    rgb.signalMessage(image(1000))
    sync.retune(slop_ns=0, thermal_offset_ns=-500_000_000)
    thermal.signalMessage(image(1500))
    assert sync.counts.paired == 1


def test_cameras_in_two_threads(chain):
    """Every image finds its partner, for any interleaving."""
    rgb, thermal, sync = chain
    stamps = range(1000, 1000 + 8 * 100, 100)
    together = threading.Barrier(2)

    def send(camera):
        for stamp in stamps:
            together.wait(timeout=10)
            camera.signalMessage(image(stamp))

    threads = [threading.Thread(target=send, args=(camera,)) for camera in (rgb, thermal)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sync.counts.paired == len(stamps)
