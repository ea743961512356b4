"""Doctor looks at a bad camera of each kind over DDS; its parameters make the node see images."""

import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from rclpy.time import Time
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from difusionseg_core.cameras.examination import report
from difusionseg_core.imaging.thermal.palettes import palette_colours
from difusionseg_ros.doctor import examine_graph, settings_for
from tools.camera_messages import compressed, mosaic, planar_yuv, raw

SIZE = HEIGHT, WIDTH = 96, 128
Y, X = np.mgrid[:HEIGHT, :WIDTH]
RGB = np.stack([X, 2 * Y, X + Y], axis=-1).astype(np.uint8)
RELIABLE = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
ARRIVAL = {"rgb_stamps": "arrival", "thermal_stamps": "arrival"}


def heat(number):
    """A hot spot that moves, on a gradient; (H, W) uint8."""
    spot = 140 * np.exp(-((X - 40 - number % 40) ** 2 + (Y - 50) ** 2) / 150)
    return (40 + 0.3 * X + spot).astype(np.uint8)


def deep(number):
    return heat(number).astype(np.uint16) * 100


def mono8(number):
    return raw(heat(number), "mono8")


def rgb8(number):
    return raw(RGB, "rgb8")


def telemetry(number):
    rows = np.random.default_rng(number).integers(0, 65535, (2, WIDTH)).astype(np.uint16)
    return raw(np.concatenate([deep(number), rows]), "mono16")


@dataclass(frozen=True)
class Kind:
    """Makers of both messages by number, what doctor must say and propose, and what pairs need."""

    rgb: object = rgb8
    thermal: object = mono8
    said: str = ""
    proposed: dict = field(default_factory=dict)
    usable: bool = True
    ahead: float | None = 0.0  # seconds that thermal stamps are ahead; None: no stamps
    qos: QoSProfile | None = None  # that of sensor data
    seconds: float = 2.0


KINDS = {
    "jet": Kind(thermal=lambda n: raw(palette_colours("jet")[heat(n)], "rgb8"), said="palette jet"),
    "mono16 jpeg": Kind(
        thermal=lambda n: compressed(heat(n) // 2, "mono16; jpeg compressed mono8", "jpg"),
        said="set the publisher's parameter .format to png",
        proposed={"thermal_transport": "compressed"},
    ),
    "compressedDepth": Kind(
        thermal=lambda n: compressed(deep(n), "16UC1; compressedDepth png", header=bytes(12)),
        said="scaled to grey by thermal_mode",
        proposed={"thermal_transport": "compressedDepth"},
    ),
    "unstamped": Kind(said="images have no stamp", ahead=None, proposed=ARRIVAL),
    "clock since boot": Kind(
        said="a clock that counts from its start?", ahead=-1.7e9, proposed=ARRIVAL
    ),
    "TAI": Kind(said="set thermal_time_offset to -3", ahead=37.0),
    "frozen": Kind(
        thermal=lambda n: mono8(0), said="thermal image has not changed for", seconds=4.0
    ),
    "telemetry": Kind(
        thermal=telemetry, said="telemetry?", proposed={"thermal_crop": [0, 2, 0, 0]}
    ),
    "12 of 16 bits": Kind(
        rgb=lambda n: raw(RGB.astype(np.uint16) << 4, "rgb16"),
        said="use 12 of 16 bits",
        proposed={"rgb_bits": 12},
    ),
    "bayer png": Kind(
        rgb=lambda n: compressed(mosaic(RGB, "rggb"), "bayer_rggb8; png compressed "),
        said="decoded, demosaiced",
        proposed={"rgb_transport": "compressed"},
    ),
    "nv12": Kind(
        rgb=lambda n: raw(planar_yuv(RGB, "nv12"), "nv12", height=HEIGHT), said="converted from YUV"
    ),
    "latched and reliable": Kind(qos=RELIABLE, said="reliable, transient local (ours: best effort"),
    "refused": Kind(
        rgb=lambda n: raw(RGB.astype("f4"), "32FC3"),
        said="encoding '32FC3' is not one of",
        usable=False,
    ),
}
BY_THE_PROGRAM = ("unstamped", "telemetry", "bayer png", "refused")


def message(fields, stamp):
    """The fields as a message of ROS."""
    header = Header(stamp=stamp)
    if hasattr(fields, "format"):
        return CompressedImage(header=header, format=fields.format, data=fields.data.tobytes())
    plain = {name: int(getattr(fields, name)) for name in ("height", "width", "step")}
    return Image(
        header=header,
        encoding=fields.encoding,
        is_bigendian=fields.is_bigendian,
        data=fields.data.tobytes(),
        **plain,
    )


def ending(fields):
    """What image_transport appends to the topic of such messages."""
    if not hasattr(fields, "format"):
        return ""
    return "/compressedDepth" if "compressedDepth" in fields.format else "/compressed"


def stamps(kind, now):
    """Of the RGB and the thermal message."""
    if kind.ahead is None:
        return Time(nanoseconds=now).to_msg(), Time().to_msg()
    return tuple(Time(nanoseconds=now + round(s * 1e9)).to_msg() for s in (0.0, kind.ahead))


@pytest.fixture
def publishing(context):
    """`publishing.start(kind)` publishes both cameras in a thread until `publishing.stop()`.

    Then their publishers are gone, so that none gives an old image to a new subscriber.
    """
    ended, threads = threading.Event(), []
    node = Node("bad_cameras", context=context)

    def publishing(kind):
        outputs = []
        for base, make in (("/rgb/image", kind.rgb), ("/thermal/image", kind.thermal)):
            fields = make(0)
            sort = CompressedImage if hasattr(fields, "format") else Image
            output = node.create_publisher(
                sort, base + ending(fields), kind.qos or qos_profile_sensor_data
            )
            outputs.append((output, make))

        def send():
            number = 0
            while not ended.wait(0.05):
                number += 1
                times = stamps(kind, node.get_clock().now().nanoseconds)
                for (output, make), stamp in zip(outputs, times, strict=True):
                    output.publish(message(make(number), stamp))

        threads.append(threading.Thread(target=send))
        threads[-1].start()

    def stop():
        ended.set()
        for thread in threads:
            thread.join()
        node.destroy_node()

    yield SimpleNamespace(start=publishing, stop=stop)
    stop()


def examined(context, kind):
    """Text, proposed parameters and whether both cameras are usable, of the running graph."""
    node = Node("doctor", context=context)
    rgb, thermal = examine_graph(node, kind.seconds, threading.Event(), rgb=None, thermal=None)
    node.destroy_node()
    lines, parameters = report(rgb, thermal, settings_for(rgb.topic, thermal.topic))
    text = "\n".join(lines)
    assert parameters == proposals(text)
    return text, parameters, rgb.usable and thermal.usable


def proposals(text):
    """The parameter file in the text."""
    _, found, file = text.partition("/**/fusion_node:")
    if not found:
        return {}
    block = [line for line in file.splitlines() if not line or line.startswith(" ")]
    return yaml.safe_load("\n".join(block))["ros__parameters"]


def check_proposals(kind, parameters):
    """What is exact is compared; an offset was measured."""
    parameters = dict(parameters)
    offset = parameters.pop("thermal_time_offset", 0.0)
    assert parameters == kind.proposed
    if kind.ahead is not None and abs(kind.ahead) < 1000:
        assert offset == pytest.approx(-kind.ahead, abs=1.0)


@pytest.mark.parametrize("name", KINDS)
def test_its_parameters_make_the_node_see_images(context, bench, publishing, name):
    kind = KINDS[name]
    publishing.start(kind)
    text, parameters, usable = examined(context, kind)
    publishing.stop()
    assert kind.said in text, text
    assert usable == kind.usable, text
    check_proposals(kind, parameters)
    if not kind.usable:
        return
    # A slow computer takes long between two messages.
    assert bench.make_node(log_period=0.0, slop=2.0, **parameters).start()
    inputs, number = bench.predictor.inputs, 7
    sides = (("rgb/image", kind.rgb), ("thermal/image", kind.thermal))
    for _ in range(3):  # times of arrival differ: the next images make a pair certain
        times = stamps(kind, bench.node.get_clock().now().nanoseconds)
        for (base, make), stamp in zip(sides, times, strict=True):
            fields = make(number)
            bench.send(base + ending(fields), message(fields, stamp))
    bench.until(lambda: inputs)
    rgb, thermal = inputs[0]
    wanted = heat(0 if name == "frozen" else number)
    assert np.corrcoef(thermal.ravel(), wanted.ravel())[0, 1] > 0.95
    # Demosaicing and chroma of half the size blur the wrap of a channel.
    assert np.median(np.abs(rgb.astype(int) - RGB)) <= 4


@pytest.mark.slow
@pytest.mark.parametrize("name", BY_THE_PROGRAM)
def test_the_program_says_the_same(context, publishing, name):
    kind = KINDS[name]
    publishing.start(kind)
    done = subprocess.run(
        [sys.executable, "-m", "difusionseg_ros.doctor", "--ros-args", "-p", "seconds:=2.0"],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "ROS_DOMAIN_ID": str(context.get_domain_id())},
    )
    assert kind.said in done.stdout, done.stdout + done.stderr
    check_proposals(kind, proposals(done.stdout))
    asked = set(kind.proposed) - {"rgb_transport", "thermal_transport"}
    assert done.returncode == (0 if kind.usable and not asked else 1)
