"""Images that were sent before the node started, and images that cannot arrive."""

import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile

from difusionseg_ros.common import topics
from difusionseg_ros.common.image_messages import image_message
from difusionseg_ros.fusion import camera_input

SIZE = 48, 64
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def latch(bench):
    header = bench.header()
    pictures = {
        "rgb/image": image_message(np.full((*SIZE, 3), 90, np.uint8), "rgb8", header),
        "thermal/image": image_message(np.full(SIZE, 50, np.uint8), "mono8", header),
    }
    for name, picture in pictures.items():
        bench.publishers[name] = bench.camera.create_publisher(type(picture), name, LATCHED)
        bench.publishers[name].publish(picture)
    return header


def test_a_latched_pair_from_before_the_start_is_processed(bench):
    latch(bench)
    assert bench.make_node(diagnostics_period=0.1).start()
    bench.until(lambda: len(bench.predictor.inputs) == 1)


def test_each_later_pair_is_processed_once(bench):
    latch(bench)
    assert bench.make_node(diagnostics_period=0.1).start()
    bench.until(lambda: len(bench.predictor.inputs) == 1)
    for count in (2, 3, 4):
        bench.send_pair()
        bench.until(lambda count=count: len(bench.predictor.inputs) >= count)
    assert len(bench.predictor.inputs) == 4


@pytest.mark.parametrize("users", [["root"], []])
def test_missing_images_of_another_user_are_explained(bench, monkeypatch, capfd, users):
    monkeypatch.setattr(camera_input, "other_users_of_shared_memory", lambda: users)
    bench.camera.create_publisher(topics.RGB_IMAGE.type, "rgb/image", 1)
    assert bench.make_node(diagnostics_period=0.1, camera_timeout=0.2).start()
    bench.watch(topics.DIAGNOSTICS)

    def wanted(status):
        return "no usable image on" in status.message and ("(root)" in status.message) == any(users)

    bench.diagnostics("rgb camera", wanted)
    bench.diagnostics("thermal camera", lambda status: "no usable image" in status.message)
    logged = capfd.readouterr().err
    assert logged.count("/rgb/image: it is published, but shared memory of another user") == len(
        users
    )
