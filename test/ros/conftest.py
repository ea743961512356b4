"""ROS contexts of their own for tests within one process."""

import random
import time

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor


@pytest.fixture
def context():
    """A ROS context on a domain of its own: no test meets what another one left."""
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=random.randint(1, 100))
    yield context
    context.try_shutdown()


@pytest.fixture
def spin_until(context):
    """`spin_until(condition, *nodes)` serves the nodes until the condition holds, 20 s at most."""
    executor = SingleThreadedExecutor(context=context)

    def spin_until(condition, *nodes, timeout=20.0):
        for node in nodes:
            executor.add_node(node)  # does nothing for a node that is there already
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, "timed out while spinning"
            executor.spin_once(timeout_sec=0.05)

    yield spin_until
    executor.shutdown()
