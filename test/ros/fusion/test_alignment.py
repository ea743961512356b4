"""Alignment in the node: the homography and the calibrations."""

from itertools import count

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo

from difusionseg_ros.common import topics
from difusionseg_ros.common.image_messages import image_message
from difusionseg_ros.fusion.diagnostics import WARN
from difusionseg_ros.fusion.parameters import Settings
from difusionseg_ros.fusion.undistortion import Undistortion

SIZE = HEIGHT, WIDTH = 48, 64
HALF_SIZE = [2.0, 0.0, 0.5, 0.0, 2.0, 0.5, 0.0, 0.0, 1.0]  # a thermal camera with half the pixels


@pytest.fixture
def start(bench):
    """`start(**parameters)`: the bench with a running node."""

    def start(**parameters):
        assert bench.make_node(log_period=0.0, **parameters).start()
        bench.watch(topics.FRAME_STATUS)
        return bench

    return start


def send(bench, rgb, thermal):
    """Send a pair of images; return the network's input."""
    header = bench.header()
    given = len(bench.predictor.inputs)
    bench.send_pair(image_message(rgb, "rgb8", header), image_message(thermal, "mono8", header))
    bench.until(lambda: len(bench.predictor.inputs) > given)
    return bench.predictor.inputs[-1]


def send_again(bench, rgb, thermal):
    """Send equal pairs until one reaches the network; return its input."""
    given = len(bench.predictor.inputs)
    polls = count()

    def sent():
        if len(bench.predictor.inputs) > given:
            return True
        if next(polls) % 20:  # what was sent is served first
            return False
        header = bench.header()
        bench.send_pair(image_message(rgb, "rgb8", header), image_message(thermal, "mono8", header))
        return False

    bench.until(sent)
    return bench.predictor.inputs[-1]


def camera_info(d, k0=50.0):
    info = CameraInfo(width=WIDTH, height=HEIGHT, distortion_model="plumb_bob", d=d)
    info.k = [k0, 0.0, WIDTH / 2, 0.0, k0, HEIGHT / 2, 0.0, 0.0, 1.0]
    info.p = [*info.k[:3], 0.0, *info.k[3:6], 0.0, *info.k[6:], 0.0]
    return info


def test_a_smaller_thermal_image_is_aligned(start):
    bench = start(thermal_to_rgb=HALF_SIZE)
    thermal = np.full((HEIGHT // 2, WIDTH // 2), 50, np.uint8)
    thermal[:, WIDTH // 4 :] = 200
    _, aligned = send(bench, np.zeros((*SIZE, 3), np.uint8), thermal)
    assert aligned.shape == SIZE
    assert (aligned[2:-2, 2 : WIDTH // 2 - 2] == 50).all()
    assert (aligned[2:-2, WIDTH // 2 + 2 : -2] == 200).all()


def test_the_homography_can_be_set_while_running(start):
    bench = start()
    thermal = np.full(SIZE, 50, np.uint8)
    thermal[:, : WIDTH // 2] = 200
    pictures = np.zeros((*SIZE, 3), np.uint8), thermal
    assert (send(bench, *pictures)[1] == thermal).all()
    parameter = bench.node.get_parameter("thermal_to_rgb")
    assert list(parameter.value) == [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    moved = type(parameter)("thermal_to_rgb", value=[1.0, 0.0, 8.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0])
    assert bench.node.set_parameters([moved])[0].successful
    _, aligned = send(bench, *pictures)
    assert (aligned[:, 8:] == thermal[:, :-8]).all()
    assert not aligned[:, :8].any()  # what the thermal camera does not see


def test_lens_distortion_is_removed(start):
    bench = start(undistort=True, camera_timeout=60.0)
    infos = bench.watch(topics.FUSED_CAMERA_INFO)
    rgb = np.zeros((*SIZE, 3), np.uint8)
    rgb[:, 4] = 255
    thermal = rgb[..., 0].copy()
    header = bench.header()
    bench.send_pair(image_message(rgb, "rgb8", header), image_message(thermal, "mono8", header))
    bench.send("rgb/camera_info", camera_info([-0.3, 0.0, 0.0, 0.0, 0.0]))
    bench.send("thermal/camera_info", camera_info([-0.2, 0.0, 0.0, 0.0, 0.0]))
    send_again(bench, rgb, thermal)
    for given in bench.predictor.inputs:  # none before the camera_infos are there
        assert not (given[0] == rgb).all() and not (given[1] == thermal).all()
    bench.until(lambda: infos and not any(infos[-1].d))
    assert list(infos[-1].k) == list(camera_info([]).k)


def broken(**fields):
    info = camera_info([-0.3, 0.0, 0.0, 0.0, 0.0])
    for name, value in fields.items():
        setattr(info, name, value)
    return info


BROKEN = {
    "empty": CameraInfo(),
    "zero": broken(k=[0.0] * 9),
    "without a size": broken(width=0),
    "of an unknown lens": broken(distortion_model="fish"),
    "missing": None,
}


@pytest.mark.parametrize("info", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("camera", ["rgb", "thermal"])
def test_with_one_useless_camera_info_neither_image_is_undistorted(start, capfd, camera, info):
    bench = start(undistort=True, camera_timeout=1.0, diagnostics_period=0.1)
    statuses = bench.watch(topics.DIAGNOSTICS)
    good = "thermal" if camera == "rgb" else "rgb"
    bench.send(f"{good}/camera_info", camera_info([-0.3, 0.0, 0.0, 0.0, 0.0]))
    if info is not None:
        bench.send(f"{camera}/camera_info", info)
    rgb, thermal = np.zeros((*SIZE, 3), np.uint8), np.full(SIZE, 50, np.uint8)
    rgb[:, 4] = 255
    logged = ""

    def warned():
        nonlocal logged
        given = send_again(bench, rgb, thermal)
        assert (given[0] == rgb).all() and (given[1] == thermal).all()
        logged += capfd.readouterr().err
        messages = [
            status.message
            for message in statuses
            for status in message.status
            if status.name.endswith(f"{camera} camera") and status.level == WARN
        ]
        named = f"{camera}/camera_info"
        return named in logged and any(named in message for message in messages)

    bench.until(warned)
    assert "neither image is undistorted" in logged


def test_slightly_late_camera_infos_are_no_fault():
    undistortion, settings = Undistortion(), Settings(undistort=True, camera_timeout=2.0)
    info = camera_info([-0.3, 0.0, 0.0, 0.0, 0.0])
    assert undistortion.alignment(settings, info, None, now=10.0).rgb is None
    assert not any(undistortion.faults.values())
    assert undistortion.waiting == ["thermal/camera_info"]
    assert undistortion.alignment(settings, info, None, now=12.5).rgb is None
    assert not undistortion.waiting
    assert undistortion.faults == {
        "rgb": "",
        "thermal": "no message has arrived on thermal/camera_info",
    }
    both = undistortion.alignment(settings, info, info, now=13.0)
    assert both.rgb is not None and both.thermal is not None
    assert not any(undistortion.faults.values())


@pytest.mark.parametrize("numbers", [[1.0] * 8, [0.0] * 9, [float("nan")] * 9])
def test_invalid_homographies_are_refused(bench, numbers):
    with pytest.raises(ValueError, match="thermal_to_rgb"):
        bench.make_node(thermal_to_rgb=numbers)
