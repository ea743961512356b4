"""Images between processes over Fast DDS: complete bursts arrive."""

import os
import subprocess
import sys
import time
from xml.etree import ElementTree

import pytest
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from difusionseg_ros.common.middleware import other_users_of_shared_memory, use_image_transport

BURST = 12
QOS = QoSProfile(depth=BURST, reliability=ReliabilityPolicy.BEST_EFFORT)
MACHINE = ("ROS_LOCALHOST_ONLY", "ROS_AUTOMATIC_DISCOVERY_RANGE")
VARIABLES = (
    "FASTDDS_DEFAULT_PROFILES_FILE",
    "FASTRTPS_DEFAULT_PROFILES_FILE",
    "FASTDDS_BUILTIN_TRANSPORTS",
)
FIRST = 1000
# Send images until the receiver reports one, because it may discover the sender later than the
# sender discovers it; then send the burst.
SEND_BURST = f"""
import array, select, sys
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node("sender")
qos = QoSProfile(depth={BURST}, reliability=ReliabilityPolicy.BEST_EFFORT)
publisher = node.create_publisher(Image, "burst", qos)
image = Image(height=480, width=640, encoding="rgb8", step=1920)
image.data = array.array("B", bytes(480 * 1920))
image.header.stamp.sec = {FIRST}
while not select.select([sys.stdin], [], [], 0.1)[0]:
    publisher.publish(image)
sys.stdin.readline()
for number in range({BURST}):
    image.header.stamp.sec = number
    publisher.publish(image)
sys.stdin.readline()  # what was sent is gone with the sender
"""


def receive(sender, last):
    """The numbers of the images that arrive here, in their order, until `last`."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("receiver", context=context)
    executor = rclpy.executors.SingleThreadedExecutor(context=context)
    executor.add_node(node)
    received = []

    def take(image):
        if not received:
            sender.stdin.write(b"\n")
            sender.stdin.flush()
        received.append(image.header.stamp.sec)

    node.create_subscription(Image, "burst", take, QOS)
    deadline = time.monotonic() + 60
    while last not in received and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()
    node.destroy_node()
    context.try_shutdown()
    sender.communicate(b"\n", timeout=60)
    assert sender.returncode == 0
    return received


@pytest.fixture
def unset(monkeypatch):
    """Reset this process's settings of Fast DDS before and after the test."""
    for name in (*VARIABLES, *MACHINE):
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
    received = receive(sender, last=BURST - 1)
    assert [number for number in received if number != FIRST] == list(range(BURST))


@pytest.mark.parametrize("name", VARIABLES)
def test_settings_of_the_user_are_kept(unset, name):
    unset.setenv(name, "mine")
    use_image_transport()
    assert {key: os.environ.get(key) for key in VARIABLES} == {
        key: "mine" if key == name else None for key in VARIABLES
    }


def test_scarce_shared_memory_is_not_used(unset):
    unset.setattr("difusionseg_ros.common.middleware._LEAST_FREE", 2**62)
    use_image_transport()
    assert not set(VARIABLES) & set(os.environ)


ADDRESSES = """
import os
import psutil
import rclpy
from difusionseg_ros.common.middleware import use_image_transport
use_image_transport()
rclpy.init()
node = rclpy.create_node("quiet")
for connection in psutil.Process().net_connections("udp"):
    print(connection.laddr.ip)
"""


@pytest.mark.parametrize(
    ("name", "value"),
    [("ROS_LOCALHOST_ONLY", "1"), ("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")],
)
def test_a_local_node_opens_no_network_socket(unset, name, value):
    if not rclpy.get_rmw_implementation_identifier().startswith("rmw_fastrtps"):
        pytest.skip("the middleware is not Fast DDS")
    unset.setenv(name, value)
    done = subprocess.run(
        [sys.executable, "-c", ADDRESSES], capture_output=True, text=True, timeout=60, check=True
    )
    assert set(done.stdout.split()) == {"127.0.0.1"}


@pytest.mark.parametrize("name", VARIABLES)
def test_with_user_settings_ros_still_keeps_a_node_local(unset, name):
    unset.setenv(name, "mine")
    unset.setenv("ROS_LOCALHOST_ONLY", "1")
    use_image_transport()
    assert os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"


def test_local_nodes_find_each_other(unset):
    """One node is local through ROS, the other through our configuration file."""
    unset.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    sender = subprocess.Popen([sys.executable, "-c", SEND_BURST], stdin=subprocess.PIPE)
    use_image_transport()
    assert FIRST in receive(sender, last=FIRST)


def test_segments_of_other_users_are_found(unset, tmp_path):
    unset.setattr("difusionseg_ros.common.middleware._SHARED_MEMORY", tmp_path)
    for name in ("fastdds_12", "fastrtps_12", "other"):
        (tmp_path / name).touch()
    own = os.geteuid()
    assert other_users_of_shared_memory() == []
    unset.setattr("os.geteuid", lambda: own + 1)
    assert other_users_of_shared_memory() == [(tmp_path / "other").owner()]


@pytest.mark.parametrize("name", ["fastdds.xml", "fastdds_localhost.xml"])
def test_programs_announce_themselves_every_half_second(root, name) -> None:
    """Fast DDS may lose the first answers to a new program, which then waits for the next ones."""
    period = ElementTree.parse(root / "config" / name).find(
        ".//d:participant//d:discovery_config/d:leaseAnnouncement",
        {"d": "http://www.eprosima.com"},
    )
    assert [int(part.text) for part in period] == [0, 500_000_000]
