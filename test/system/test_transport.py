"""Images between processes over Fast DDS: whole bursts of them arrive."""

import os
import subprocess
import sys
import time

import pytest
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from difusionseg_ros.common.middleware import use_image_transport

BURST = 12
QOS = QoSProfile(depth=BURST, reliability=ReliabilityPolicy.BEST_EFFORT)
VARIABLES = (
    "FASTDDS_DEFAULT_PROFILES_FILE",
    "FASTRTPS_DEFAULT_PROFILES_FILE",
    "FASTDDS_BUILTIN_TRANSPORTS",
)
SEND_BURST = f"""
import array, time
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node("sender")
qos = QoSProfile(depth={BURST}, reliability=ReliabilityPolicy.BEST_EFFORT)
publisher = node.create_publisher(Image, "burst", qos)
image = Image(height=480, width=640, encoding="rgb8", step=1920)
image.data = array.array("B", bytes(480 * 1920))
while publisher.get_subscription_count() == 0:
    time.sleep(0.01)
for number in range({BURST}):
    image.header.stamp.sec = number
    publisher.publish(image)
input()  # what was sent is gone with the sender
"""


@pytest.fixture
def unset(monkeypatch):
    """Whatever this process was told about Fast DDS, and what the test tells it, is undone."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "")  # so that it is restored
        monkeypatch.delenv(name)
    return monkeypatch


def test_a_burst_of_best_effort_images_arrives_whole(unset):
    if not rclpy.get_rmw_implementation_identifier().startswith("rmw_fastrtps"):
        pytest.skip("the middleware is not Fast DDS")
    use_image_transport()
    if not set(VARIABLES) & set(os.environ):
        pytest.skip("there is little shared memory here")
    sender = subprocess.Popen([sys.executable, "-c", SEND_BURST], stdin=subprocess.PIPE)
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("receiver", context=context)
    executor = rclpy.executors.SingleThreadedExecutor(context=context)
    executor.add_node(node)
    received = []
    node.create_subscription(Image, "burst", received.append, QOS)
    deadline = time.monotonic() + 30
    while len(received) < BURST and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()
    node.destroy_node()
    context.try_shutdown()
    sender.communicate(b"\n", timeout=20)
    assert sender.returncode == 0
    assert [image.header.stamp.sec for image in received] == list(range(BURST))


@pytest.mark.parametrize("name", VARIABLES)
def test_what_the_user_set_stays(unset, name):
    unset.setenv(name, "mine")
    use_image_transport()
    assert {key: os.environ.get(key) for key in VARIABLES} == {
        key: "mine" if key == name else None for key in VARIABLES
    }


def test_scarce_shared_memory_is_left_alone(unset):
    unset.setattr("difusionseg_ros.common.middleware._LEAST_FREE", 2**62)
    use_image_transport()
    assert not set(VARIABLES) & set(os.environ)
