"""The fusion node as a separate process, over DDS."""

import signal

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from difusionseg_ros.common import topics
from difusionseg_ros.common.image_messages import image_message

PICTURES = {
    topics.FUSED: ("rgb8", np.uint8, 3),
    topics.MASK: ("mono8", np.uint8, 1),
    topics.COLOR: ("rgb8", np.uint8, 3),
    topics.OVERLAY: ("rgb8", np.uint8, 3),
    topics.CONFIDENCE: ("32FC1", np.float32, 1),
}
CAMERA_INFOS = (topics.FUSED_CAMERA_INFO, topics.SEGMENTATION_CAMERA_INFO)


class Cameras:
    """Publishes pairs of images of a street at night, each pair with a new stamp."""

    def __init__(self, peer, width, height):
        self._peer = peer
        self._rgb = peer.publisher(topics.RGB_IMAGE)
        self._thermal = peer.publisher(topics.THERMAL_IMAGE)
        self._info = peer.publisher(topics.RGB_CAMERA_INFO)
        self.size = width, height
        y, x = np.mgrid[:height, :width]
        self._colors = np.stack([x % 256, y % 256, (x + y) % 256], axis=-1).astype(np.uint8)
        self._heat = (7000 + 3 * x + 2 * y).astype(np.uint16)

    def send(self):
        """Publish a pair and the camera info now; return the RGB image's header."""
        header = Header(frame_id="rgb_optical", stamp=self._peer.node.get_clock().now().to_msg())
        thermal_header = Header(frame_id="thermal_optical", stamp=header.stamp)
        width, height = self.size
        self._info.publish(CameraInfo(header=header, width=width, height=height))
        self._rgb.publish(image_message(self._colors, "rgb8", header))
        self._thermal.publish(image_message(self._heat, "16UC1", thermal_header))
        return header

    def send_malformed(self):
        """Publish inconsistent images of several kinds to both topics."""
        header = self.send()
        for change in (
            {"encoding": "nonsense"},
            {"data": b"\0" * 10},
            {"width": 0, "height": 0},
            {"step": 1},
        ):
            message = image_message(self._heat, "16UC1", header)
            for field, value in change.items():
                setattr(message, field, value)
            self._rgb.publish(message)
            self._thermal.publish(message)


@pytest.mark.parametrize("width, height", [(640, 480), (101, 75)])
def test_every_output_arrives_with_the_rgb_header_and_size(
    start_node, peer, untrained_weights, width, height
):
    temperatures = ("-p", "thermal_unit:=linear", "-p", "hot_spot_threshold:=1.0")
    start_node("-p", f"model:={untrained_weights}", "-p", "steps:=1", *temperatures)
    # Noise may contain no objects, and then there are no markers.
    outputs = [topic for topic in topics.OUTPUTS if topic is not topics.OBJECT_MARKERS]
    for topic in outputs:
        peer.listen(topic)
    peer.until(lambda: all(peer.node.count_publishers(topic.name) for topic in outputs))
    cameras = Cameras(peer, width, height)

    sent = []
    # Inputs are best effort, and outputs are discovered one by one: send until all arrived.
    while not all(peer.received.values()):
        assert len(sent) < 60, f"outputs that did not come: {peer.counts()}"
        sent.append(cameras.send())
        peer.holds(lambda: all(peer.received.values()), timeout=1.0)

    for topic, (encoding, dtype, channels) in PICTURES.items():
        for message in peer.received[topic.name]:
            assert message.header in sent
            assert (message.width, message.height) == (width, height)
            assert message.encoding == encoding
            assert message.step == width * channels * np.dtype(dtype).itemsize
            assert len(message.data) == message.step * height
    (mask, *_) = peer.received[topics.MASK.name]
    assert max(mask.data) < 9
    (confidence, *_) = peer.received[topics.CONFIDENCE.name]
    values = np.frombuffer(confidence.data, np.float32)
    assert 0.0 <= values.min() <= values.max() <= 1.0
    for topic in CAMERA_INFOS:
        for info in peer.received[topic.name]:
            assert info.header in sent
            assert (info.width, info.height) == (width, height)
    (label_info,) = peer.received[topics.LABEL_INFO.name]
    assert [entry.class_name for entry in label_info.class_map][1:4] == ["car", "person", "bike"]
    (status, *_) = peer.received[topics.FRAME_STATUS.name]
    assert status.header in sent
    assert 0 < status.latency.inference < status.latency.total


def test_malformed_images_are_counted_and_the_node_continues(start_node, peer, untrained_weights):
    process = start_node("-p", f"model:={untrained_weights}", "-p", "diagnostics_period:=0.1")
    peer.listen(topics.DIAGNOSTICS)
    peer.listen(topics.FRAME_STATUS)
    cameras = Cameras(peer, 64, 48)
    diagnostics = peer.received[topics.DIAGNOSTICS.name]

    def bad_messages():
        values = {
            status.name.removeprefix("fusion_node: "): {v.key: v.value for v in status.values}
            for status in diagnostics[-1].status
        }
        return [int(values[f"{camera} camera"]["bad messages"]) for camera in ("rgb", "thermal")]

    while not (diagnostics and min(bad_messages()) >= 4):
        cameras.send_malformed()
        peer.holds(lambda: diagnostics and min(bad_messages()) >= 4, timeout=1.0)
    statuses = peer.received[topics.FRAME_STATUS.name]
    header = cameras.send()
    peer.until(lambda: statuses and statuses[-1].header.stamp == header.stamp)
    assert statuses[-1].bad_messages >= 8
    assert process.poll() is None
    log = process.log.read_text()
    for topic in ("/rgb/image", "/thermal/image"):
        assert log.count(f"{topic}: image refused: ") >= 1


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("-p", "steps:=0"), "parameter 'steps' is 0; allowed: 1 to 20"),
        (("-p", "slop:=soon"), "parameter 'slop' has the wrong type"),
        (("-p", "model:=absent.safetensors"), "there is no model file absent.safetensors"),
        (("-p", "model:=paper"), "no weights for 'paper' are shipped"),
        (("--params-file", "absent.yaml"), "absent.yaml"),
    ],
)
def test_a_node_that_cannot_start_reports_the_reason(start_node, arguments, said):
    process = start_node(*arguments)
    assert process.wait(timeout=60) == 1
    lines = [line for line in process.log.read_text().splitlines() if "[rcl]" not in line]
    assert len(lines) == 1
    assert said in lines[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_inference_ends_the_node_cleanly(
    start_node, peer, untrained_weights, number
):
    process = start_node("-p", f"model:={untrained_weights}", "-p", "steps:=20")
    peer.listen(topics.FRAME_STATUS)
    statuses = peer.received[topics.FRAME_STATUS.name]
    cameras = Cameras(peer, 320, 240)
    while not statuses:  # from now on, the next pair keeps the network busy
        cameras.send()
        peer.holds(lambda: statuses, timeout=1.0)
    cameras.send()
    process.send_signal(number)
    process.send_signal(number)  # a launch file may send it twice
    assert process.wait(timeout=30) == 0
    assert "Traceback" not in process.log.read_text()
    assert "failed" not in process.log.read_text()
