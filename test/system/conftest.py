"""The fusion node as a process of its own, and a node in this process that talks to it over DDS."""

import random
import signal
import subprocess
import sys
import time

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node


@pytest.fixture
def domain(monkeypatch):
    """A ROS domain of each test's own, for this process and its children."""
    domain = random.randint(1, 100)
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
    return domain


@pytest.fixture
def start_node(domain, tmp_path):
    """`start_node(*ros_arguments)` starts a fusion node; its stderr is in `process.log`."""
    processes = []

    def start_node(*ros_arguments):
        log = tmp_path / f"stderr_{len(processes)}.txt"
        with log.open("w") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "difusionseg_ros.fusion_node", "--ros-args", *ros_arguments],
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
        process.log = log
        processes.append(process)
        return process

    yield start_node
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait(timeout=20)
        print(process.log.read_text())  # pytest shows it where a test fails


class Peer:
    """A node in this process, with the messages that it received by topic."""

    def __init__(self, context):
        self.node = Node("peer", context=context)
        self.received = {}
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)

    def listen(self, topic):
        messages = self.received.setdefault(topic.name, [])
        self.node.create_subscription(topic.type, topic.name, messages.append, topic.qos())

    def publisher(self, topic):
        """A publisher to an input of the fusion node, once that listens."""
        publisher = self.node.create_publisher(topic.type, topic.name, 5)
        self.until(lambda: publisher.get_subscription_count() > 0)
        return publisher

    def until(self, condition, timeout=60.0):
        """Receive until the condition holds."""
        assert self.holds(condition, timeout), f"timed out; received {self.counts()}"

    def holds(self, condition, timeout):
        """Whether the condition comes to hold within `timeout` seconds of receiving."""
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                return False
            self._executor.spin_once(timeout_sec=0.02)
        return True

    def counts(self):
        return {name: len(messages) for name, messages in self.received.items()}

    def close(self):
        self._executor.shutdown()
        self.node.destroy_node()


@pytest.fixture
def peer(domain):
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    peer = Peer(context)
    yield peer
    peer.close()
    context.try_shutdown()
