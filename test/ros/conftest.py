"""Fixtures for tests within one process: ROS contexts, and a bench for the fusion node."""

import copy
import threading
import time
from importlib.util import find_spec

import numpy as np
import pytest
import rclpy
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from std_msgs.msg import Header

from difusionseg_core import Predictor
from difusionseg_ros.common import topics
from difusionseg_ros.common.image_messages import image_message
from difusionseg_ros.fusion_node import FusionNode

SIZE = 48, 64


@pytest.fixture
def context(draw_ros_domain):
    """Open a ROS context on a separate domain for each test."""
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=draw_ros_domain())
    yield context
    context.try_shutdown()


@pytest.fixture
def spin_until(context):
    """`spin_until(condition, *nodes)` serves the nodes until the condition holds, 20 s at most."""
    executor = SingleThreadedExecutor(context=context)

    def spin_until(condition, *nodes, timeout=20.0):
        for node in nodes:
            executor.add_node(node)  # does nothing for a node that was added before
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, "timed out while spinning"
            executor.spin_once(timeout_sec=0.05)

    yield spin_until
    executor.shutdown()


@pytest.fixture(scope="module")
def predictor():
    """The small network: untrained where PyTorch is installed, otherwise the shipped weights."""
    if find_spec("torch") is None:
        return Predictor.from_pretrained("lite", device="cpu")
    from difusionseg_core import create_model

    return Predictor(create_model("lite"), device="cpu", steps=1)


class TappedPredictor:
    """A predictor that records its input, can be held at a gate, and can fail once."""

    def __init__(self, predictor):
        self._predictor = predictor
        self.inputs = []
        self.gate = threading.Event()
        self.gate.set()
        self.error = None

    def __getattr__(self, name):
        return getattr(self._predictor, name)

    def __call__(self, rgb, thermal):
        self.inputs.append((copy.copy(rgb), copy.copy(thermal)))
        assert self.gate.wait(timeout=20)
        error, self.error = self.error, None
        if error is not None:
            raise error
        return self._predictor(rgb, thermal)


class Bench:
    """A fusion node, a node that plays the cameras, and the messages on watched topics."""

    def __init__(self, context, spin, predictor):
        self.context, self.spin, self.predictor = context, spin, predictor
        self.camera = Node("camera", context=context)
        self.node = None
        self.received = {}
        self.publishers = {}
        self.stamp = int(time.time()) - 1000  # latencies of years would be NaN

    def make_node(self, arguments=None, make_predictor=None, **parameters):
        """Make the fusion node, unconfigured, and return it."""
        self.node = FusionNode(
            make_predictor or (lambda settings: self.predictor),
            context=self.context,
            cli_args=arguments,
            parameter_overrides=[Parameter(name, value=v) for name, v in parameters.items()],
        )
        return self.node

    def watch(self, topic):
        messages = self.received.setdefault(topic.name, [])
        self.camera.create_subscription(topic.type, topic.name, messages.append, topic.qos())
        self.until(lambda: self.camera.count_publishers(topic.name) > 0)
        return messages

    def until(self, condition):
        self.spin(condition, self.node, self.camera)

    def send(self, name, message):
        """Publish once the node listens; the publisher is kept."""
        if name not in self.publishers:
            publisher = self.camera.create_publisher(type(message), name, qos_profile_sensor_data)
            self.until(lambda: publisher.get_subscription_count() > 0)
            self.publishers[name] = publisher
        self.publishers[name].publish(message)

    def header(self):
        self.stamp += 1
        header = Header(frame_id="rgb_optical")
        header.stamp.sec = self.stamp
        return header

    def send_pair(self, rgb=None, thermal=None):
        """Publish a pair with a new stamp, grey unless messages are given; return its header."""
        header = self.header()
        rgb = rgb or image_message(np.full((*SIZE, 3), 90, np.uint8), "rgb8", header)
        thermal = thermal or image_message(np.full(SIZE, 50, np.uint8), "mono8", header)
        rgb.header = thermal.header = header
        self.send("rgb/image", rgb)
        self.send("thermal/image", thermal)
        return header

    def next_status(self):
        """Send a frame and return its status."""
        statuses = self.received[topics.FRAME_STATUS.name]
        count = len(statuses)
        self.send_pair()
        self.until(lambda: len(statuses) > count)
        return statuses[-1]

    def diagnostics(self, part, wanted):
        """Values of the first diagnostics about `part` for which `wanted(status)` holds."""
        found = []

        def look():
            for message in self.received[topics.DIAGNOSTICS.name]:
                found.extend(s for s in message.status if s.name.endswith(part) and wanted(s))
            return found

        self.until(look)
        return found[0]

    def lifecycle(self):
        return Lifecycle(self)

    def close(self):
        if self.node is not None:
            self.node.close()
            self.node.destroy_node()
        self.camera.destroy_node()


class Lifecycle:
    """The lifecycle services of the node on the bench, as an operator calls them."""

    def __init__(self, bench):
        self._bench = bench
        self._change = bench.camera.create_client(ChangeState, "fusion_node/change_state")
        self._get = bench.camera.create_client(GetState, "fusion_node/get_state")
        bench.until(lambda: self._change.service_is_ready() and self._get.service_is_ready())

    def change(self, transition):
        request = ChangeState.Request()
        request.transition.id = transition
        return self._call(self._change, request).success

    def state(self):
        return self._call(self._get, GetState.Request()).current_state.id

    def _call(self, client, request):
        answer = client.call_async(request)
        self._bench.until(answer.done)
        return answer.result()


@pytest.fixture
def tap():
    """`tap(predictor)` is a predictor that can be watched, held and made to fail."""
    return TappedPredictor


@pytest.fixture
def bench(context, spin_until, predictor, tap):
    """A fusion node to be made, and the cameras in front of it."""
    bench = Bench(context, spin_until, tap(predictor))
    yield bench
    bench.close()


@pytest.fixture
def running(bench):
    """The bench with a node that has processed its first pair."""
    assert bench.make_node(diagnostics_period=0.1, log_period=0.0).start()
    bench.watch(topics.FRAME_STATUS)
    bench.next_status()
    return bench
