"""The doctor examines a running graph, and recordings."""

import threading
import time

import numpy as np
import pytest
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from difusionseg_core.cameras.examination import report
from difusionseg_core.recordings.rosbag2 import RecordingWriter
from difusionseg_ros.common.image_messages import image_message
from difusionseg_ros.doctor import (
    examine_graph,
    examine_recording,
    settings_for,
    topic_lines,
)


@pytest.fixture
def cameras(context):
    """An RGB camera, and a thermal one that sets no stamps, publishing in a thread."""
    node = Node("cameras", context=context)
    rgb = node.create_publisher(Image, "/front/color/image_raw", qos_profile_sensor_data)
    thermal = node.create_publisher(Image, "/lepton/image", qos_profile_sensor_data)
    ended = threading.Event()

    def send():
        number = 0
        while not ended.wait(0.05):
            number += 1
            header = Header(stamp=node.get_clock().now().to_msg())
            colours = np.full((48, 64, 3), number % 250, np.uint8)
            heat = np.full((48, 64), 7000 + 7 * number, np.uint16)
            rgb.publish(image_message(colours, "bgr8", header))
            thermal.publish(image_message(heat, "mono16", Header()))

    thread = threading.Thread(target=send)
    thread.start()
    yield node
    ended.set()
    thread.join()
    node.destroy_node()


def test_a_running_graph(context, cameras):
    node = Node("doctor", context=context)
    began = time.monotonic()
    rgb, thermal = examine_graph(node, 2.0, threading.Event(), rgb=None, thermal=None)
    node.destroy_node()
    assert time.monotonic() - began < 60
    assert (rgb.topic, thermal.topic) == ("/front/color/image_raw", "/lepton/image")
    lines, parameters = report(rgb, thermal)
    text = "\n".join(lines)
    assert "encoding         bgr8" in text
    assert "encoding         mono16" in text
    assert "best effort, volatile (ours: best effort, volatile: compatible)" in text
    assert parameters == {"rgb_stamps": "arrival", "thermal_stamps": "arrival"}


def test_a_recording(tmp_path):
    second = 10**9
    with RecordingWriter(tmp_path / "drive") as writer:
        for number in range(10):
            stamp = 100 * second + number * second // 10
            image = np.full((48, 64, 3), number, np.uint8)
            writer.write_image("/rgb/image", stamp, "", image, "rgb8")
            writer.write_image("/thermal/image", stamp, "", image[..., 0].copy(), "mono8")
    rgb, thermal = examine_recording(tmp_path / "drive", 10.0, rgb=None, thermal=None)
    assert rgb.received == thermal.received == 10
    assert rgb.usable and thermal.usable
    assert not report(rgb, thermal)[1]


def test_parameters_and_commands_for_the_topics():
    topics = "/front/color/compressed", "/lepton/image/compressedDepth"
    assert settings_for(*topics) == {
        "rgb_transport": "compressed",
        "thermal_transport": "compressedDepth",
    }
    assert topic_lines(*topics)[-1].endswith("rgb_topic:=/front/color thermal_topic:=/lepton/image")
    assert topic_lines("/rgb/image", "/thermal/image/compressed") == []
