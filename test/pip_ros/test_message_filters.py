"""The message_filters stand-in: a filter's callbacks, and its subscriber over real DDS."""

import random
import time

import pytest
import rclpy
from builtin_interfaces.msg import Time as TimeMsg
from message_filters import SimpleFilter, Subscriber
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.task import Future
from sensor_msgs.msg import Temperature
from std_msgs.msg import Header

PATIENCE = 20.0  # seconds; discovery takes a fraction of one


def test_callbacks_are_called_in_order_with_their_arguments():
    source, calls = SimpleFilter(), []
    first = source.registerCallback(lambda *given: calls.append(given), "more")
    second = source.registerCallback(lambda *given: source.registerCallback(calls.append))
    source.signalMessage("left", "right")
    assert (first, second) == (0, 1)
    assert calls == [("left", "right", "more")]  # what was registered meanwhile is for the next


@pytest.fixture
def graph(monkeypatch):
    """A node and the executor that spins it, alone in a domain of its own."""
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    context = Context()
    rclpy.init(context=context, domain_id=random.randint(1, 101))
    node = Node("stand_in_test", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    yield node, executor
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)


def wait_for_subscriber(publisher, executor) -> None:
    deadline = time.monotonic() + PATIENCE
    while publisher.get_subscription_count() == 0:
        assert time.monotonic() < deadline, "the subscriber was not discovered"
        executor.spin_once(timeout_sec=0.05)


def next_output(source, executor) -> Future:
    """Return a future that the next output of a filter completes."""
    future = Future(executor=executor)
    source.registerCallback(lambda *msgs: future.done() or future.set_result(msgs))
    return future


def stamped(seconds: int, value: float) -> Temperature:
    return Temperature(header=Header(stamp=TimeMsg(sec=seconds)), temperature=value)


def test_messages_of_a_topic_are_emitted(graph):
    node, executor = graph
    subscriber = Subscriber(node, Temperature, "heat")
    publisher = node.create_publisher(Temperature, "heat", 10)
    wait_for_subscriber(publisher, executor)
    output = next_output(subscriber, executor)
    publisher.publish(stamped(1, 36.6))
    executor.spin_until_future_complete(output, timeout_sec=PATIENCE)
    assert output.result() == (stamped(1, 36.6),)


def test_options_reach_the_subscription(graph):
    node, _ = graph
    group = ReentrantCallbackGroup()
    subscriber = Subscriber(
        node, Temperature, "heat", qos_profile=qos_profile_sensor_data, callback_group=group
    )
    assert subscriber.sub.topic_name == "/heat"
    assert subscriber.sub.qos_profile.reliability == qos_profile_sensor_data.reliability
    assert subscriber.sub.callback_group is group


def test_an_integer_is_a_queue_depth(graph):
    node, _ = graph
    assert Subscriber(node, Temperature, "heat", 3).sub.qos_profile.depth == 3
    assert Subscriber(node, Temperature, "heat").sub.qos_profile.depth == 10
