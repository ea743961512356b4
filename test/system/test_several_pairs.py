"""Two pairs of cameras: two nodes with namespaces, in two processes or in one."""

import numpy as np
import pytest
from std_msgs.msg import Header

from difusionseg_ros.common import topics
from difusionseg_ros.common.image_messages import image_message

PAIRS = ("front", "rear")
HEIGHT, WIDTH = 48, 64


class Pair:
    """Cameras in a namespace, and the outputs of the node there."""

    def __init__(self, peer, namespace):
        self._peer = peer
        self._namespace = namespace
        self._rgb, self._thermal = (
            peer.node.create_publisher(topic.type, f"/{namespace}/{topic.name}", 5)
            for topic in (topics.RGB_IMAGE, topics.THERMAL_IMAGE)
        )
        self.masks, self.statuses = [], []
        for topic, received in ((topics.MASK, self.masks), (topics.FRAME_STATUS, self.statuses)):
            name = f"/{namespace}/{topic.name}"
            peer.node.create_subscription(topic.type, name, received.append, topic.qos())
        peer.until(lambda: self._rgb.get_subscription_count())
        peer.until(lambda: self._thermal.get_subscription_count())
        peer.until(lambda: peer.node.count_publishers(f"/{namespace}/{topics.MASK.name}"))

    def send(self, rgb=True, thermal=True, encoding="rgb8"):
        header = Header(frame_id=f"{self._namespace}_camera")
        header.stamp = self._peer.node.get_clock().now().to_msg()
        if rgb:
            picture = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
            self._rgb.publish(image_message(picture, encoding, header))
        if thermal:
            self._thermal.publish(
                image_message(np.full((HEIGHT, WIDTH), 50, np.uint8), "mono8", header)
            )

    def until_processed(self, send, count):
        """Send until `count` more frames are processed."""
        wanted = len(self.statuses) + count
        for _ in range(100):
            send()
            if self._peer.holds(lambda: len(self.statuses) >= wanted, timeout=0.3):
                return
        raise AssertionError(f"{self._namespace}: {len(self.statuses)} of {wanted} frames")


@pytest.fixture(params=["two processes", "one process"])
def pairs(request, start_node, peer, untrained_weights):
    common = ("-p", f"model:={untrained_weights}", "-p", "backend:=torch", "-p", "steps:=1")
    if request.param == "one process":
        start_node(*common, "-p", "pairs:=[front, rear]", program="multi_fusion_node")
    else:
        for name in PAIRS:
            start_node(*common, "-r", f"__ns:=/{name}")
    return [Pair(peer, name) for name in PAIRS]


def test_pairs_run_side_by_side_and_fail_independently(pairs, peer):
    front, rear = pairs

    def both():
        front.send()
        rear.send()

    front.until_processed(both, 3)
    rear.until_processed(both, 3)
    peer.until(lambda: front.masks and rear.masks)
    for name, pair in zip(PAIRS, pairs, strict=True):
        assert {mask.header.frame_id for mask in pair.masks} == {f"{name}_camera"}
        assert {status.header.frame_id for status in pair.statuses} == {f"{name}_camera"}

    # Bad messages, then a camera that stops: the other pair continues.
    def front_is_malformed():
        front.send(encoding="nonsense")
        rear.send()

    def front_is_blind():
        front.send(rgb=False)
        rear.send()

    rear.until_processed(front_is_malformed, 3)
    before = len(front.statuses)
    rear.until_processed(front_is_blind, 3)
    assert len(front.statuses) == before
    front.until_processed(both, 1)
    assert front.statuses[-1].bad_messages > 0
    assert rear.statuses[-1].bad_messages == 0


def test_namespace_and_remaps_of_the_one_process(start_node, peer, untrained_weights):
    start_node(
        *("-p", f"model:={untrained_weights}", "-p", "backend:=torch", "-p", "pairs:=[left]"),
        *("-r", "__ns:=/robot", "-r", "/robot/left/rgb/image:=/camera/image_raw"),
        program="multi_fusion_node",
    )
    rgb = peer.node.create_publisher(topics.RGB_IMAGE.type, "/camera/image_raw", 5)
    peer.until(lambda: rgb.get_subscription_count())
    peer.until(lambda: peer.node.count_subscribers("/robot/left/thermal/image"))


@pytest.mark.parametrize("pairs", ["front", "['']", "[a, a]", "[a/b]"])
def test_impossible_pairs_are_named(start_node, pairs):
    process = start_node("-p", f"pairs:={pairs}", program="multi_fusion_node")
    assert process.wait(timeout=60) == 1
    (line,) = process.log.read_text().splitlines()
    assert "parameter 'pairs'" in line and "[front, rear]" in line
