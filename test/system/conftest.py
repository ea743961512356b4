"""Fixtures: the fusion node as a process, and a node here that talks to it over DDS."""

import contextlib
import re
import signal
import subprocess
import sys
import time

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from difusionseg_ros.common.middleware import use_image_transport


class Programs:
    """Fusion nodes as processes, with their logs in `folder`."""

    def __init__(self, folder):
        self._folder = folder
        self._processes = []

    def start_node(self, *ros_arguments, program="fusion_node"):
        """Start a node of this package; its stderr is in `process.log`."""
        log = self._folder / f"stderr_{len(self._processes)}.txt"
        with log.open("w") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", f"difusionseg_ros.{program}", "--ros-args", *ros_arguments],
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
        process.log = log
        self._processes.append(process)
        return process

    def close(self):
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait(timeout=20)
            print(process.log.read_text())  # pytest shows this if a test fails


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
        """Return whether the condition becomes true within `timeout` seconds of receiving."""
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                return False
            self._executor.spin_once(timeout_sec=0.02)
        return True

    def port_of(self, viewer):
        """The port that a viewer says it serves on."""
        address = re.compile(r"watch on http://127\.0\.0\.1:(\d+)")
        self.until(lambda: address.search(viewer.log.read_text()) or viewer.poll() is not None, 200)
        return int(address.search(viewer.log.read_text())[1])

    def call(self, service, name, **request):
        """The answer of a service to a request with these fields."""
        client = self.node.create_client(service, name)
        self.until(client.service_is_ready)
        answer = client.call_async(service.Request(**request))
        self.until(answer.done)
        self.node.destroy_client(client)
        return answer.result()

    @contextlib.contextmanager
    def serving(self, node):
        """Serve another node of this process meanwhile."""
        self._executor.add_node(node)
        yield
        self._executor.remove_node(node)

    def counts(self):
        return {name: len(messages) for name, messages in self.received.items()}

    def close(self):
        self._executor.shutdown()
        self.node.destroy_node()


@contextlib.contextmanager
def system(folder, domain):
    """Programs and a Peer on a ROS domain."""
    context = rclpy.Context()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(domain))  # for the programs
        for name in ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"):
            patch.setenv(name, "")  # so that it is restored
            patch.delenv(name)
        use_image_transport()  # as camera drivers should, or one busy core loses their images
        rclpy.init(context=context, domain_id=domain)
        programs, peer = Programs(folder), Peer(context)
        yield programs, peer
        programs.close()
        peer.close()
        context.try_shutdown()


@pytest.fixture
def own_system(tmp_path, draw_ros_domain):
    with system(tmp_path, draw_ros_domain()) as own_system:
        yield own_system


@pytest.fixture
def start_node(own_system):
    """`start_node(*ros_arguments)` starts a fusion node; its stderr is in `process.log`."""
    return own_system[0].start_node


@pytest.fixture
def peer(own_system):
    """Make a node in this process."""
    return own_system[1]


@pytest.fixture(scope="module")
def lasting_system(tmp_path_factory, draw_ros_domain):
    """`(programs, peer)` that serve all tests of a file."""
    with system(tmp_path_factory.mktemp("system"), draw_ros_domain()) as lasting_system:
        yield lasting_system
