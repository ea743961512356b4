"""The doctor's report for several kinds of cameras, and whether its proposals work."""

from types import SimpleNamespace

import numpy as np
import pytest

from difusionseg_core.cameras.camera_watch import RGB, THERMAL
from difusionseg_core.cameras.examination import Examination, report
from difusionseg_core.cameras.pairing import NearestStampPairer
from difusionseg_core.imaging.codec.camera_images import IMAGE, rgb_array, thermal_pixels
from difusionseg_core.imaging.thermal.conversion import ThermalConversion, ThermalOptions
from tools.camera_messages import compressed, mosaic, planar_yuv, raw

SECOND = 10**9
START = 1_700_000_000 * SECOND
RANDOM = np.random.default_rng(0)
Y, X = np.mgrid[:96, :128]


def colours(number):
    image = np.stack([X + number, 2 * Y, X + Y], axis=-1)
    return image.astype(np.uint8)


def heat(number):
    bump = 100 * np.exp(-((X - 40 - number) ** 2 + (Y - 50) ** 2) / 150)
    return (60 + 0.3 * X + bump + RANDOM.normal(0, 1, X.shape)).astype(np.uint8)


def examined(rgb, thermal, ahead=0.0, frames=30):
    """Both cameras after some frames; `rgb` and `thermal` make the message of a number."""
    cameras = Examination(RGB, "/rgb/image", IMAGE), Examination(THERMAL, "/thermal/image", IMAGE)
    messages = ([], [])
    for number in range(frames):
        arrived = START + number * SECOND // 10
        for place, (camera, make) in enumerate(zip(cameras, (rgb, thermal), strict=True)):
            message = make(number)
            stamp = arrived + round(ahead * SECOND) * place
            if getattr(message, "stamp", None) == 0:
                stamp = 0
            message.header = SimpleNamespace(
                stamp=SimpleNamespace(sec=stamp // SECOND, nanosec=stamp % SECOND)
            )
            camera.add(message, arrived)
            messages[place].append((stamp, message))
    return cameras, messages


def rgb8(number):
    return raw(colours(number), "rgb8")


def mono8(number):
    return raw(heat(number), "mono8")


def test_sound_cameras_need_nothing():
    (rgb, thermal), _ = examined(rgb8, mono8)
    lines, parameters = report(rgb, thermal)
    assert not parameters
    assert rgb.usable and thermal.usable
    text = "\n".join(lines)
    for words in ("encoding         rgb8", "size             128x96", "10.0 Hz, 30 messages"):
        assert words in text
    assert "clocks and sizes agree" in text
    assert "!" not in text


def test_a_camera_that_sends_nothing():
    cameras = Examination(RGB, "/rgb/image", IMAGE), Examination(THERMAL, "/heat", IMAGE)
    lines, _ = report(*cameras)
    assert sum("no messages: check that the driver runs" in line for line in lines) == 2
    assert not cameras[0].usable


def test_a_refused_encoding_is_named():
    (rgb, thermal), _ = examined(lambda n: raw(colours(n).astype("f4"), "32FC3"), mono8)
    assert any("refused 30x: encoding '32FC3' is not one of" in line for line in rgb.lines())
    assert not rgb.usable


@pytest.mark.parametrize("ahead", [37.0, -2.5])
def test_the_proposed_offset_makes_pairs(ahead):
    (rgb, thermal), (visible, hot) = examined(rgb8, mono8, ahead)
    _, parameters = report(rgb, thermal)
    offset = parameters["thermal_time_offset"]
    pairer = NearestStampPairer(50_000_000, 10, round(offset * SECOND))
    for (rgb_stamp, message), (thermal_stamp, other) in zip(visible, hot, strict=True):
        pairer.add_rgb(rgb_stamp, message)
        pairer.add_thermal(thermal_stamp, other)
    assert pairer.counts.paired == 30


def test_foreign_and_absent_stamps_propose_arrival():
    (rgb, thermal), _ = examined(rgb8, mono8, ahead=-1_699_000_000.0)
    arrival = {"rgb_stamps": "arrival", "thermal_stamps": "arrival"}
    assert report(rgb, thermal)[1] == arrival

    def unstamped(number):
        message = mono8(number)
        message.stamp = 0
        return message

    (rgb, thermal), _ = examined(rgb8, unstamped)
    lines, parameters = report(rgb, thermal)
    assert parameters == arrival
    assert any("30 of 30 images have no stamp" in line for line in lines)
    assert "    thermal_stamps: arrival" in lines


def test_the_proposed_crop_removes_telemetry():
    def with_telemetry(number):
        rows = RANDOM.integers(0, 65535, (2, 128)).astype(np.uint16)
        return raw(np.concatenate([heat(number).astype(np.uint16) * 30, rows]), "mono16")

    (rgb, thermal), (_, hot) = examined(rgb8, with_telemetry)
    _, parameters = report(rgb, thermal)
    crop = tuple(parameters["thermal_crop"])
    assert crop == (0, 2, 0, 0)
    grey = ThermalConversion(ThermalOptions(crop=crop))(thermal_pixels(hot[-1][1]))
    assert grey.shape == (96, 128)
    assert np.ptp(grey) == 255


def test_the_proposed_bits_brighten_the_image():
    (rgb, thermal), (visible, _) = examined(
        lambda n: raw(colours(n).astype(np.uint16) << 4, "rgb16"), mono8
    )
    bits = report(rgb, thermal)[1]["rgb_bits"]
    assert bits == 12
    image = rgb_array(visible[0][1], bits=bits)
    assert np.abs(image.astype(int) - colours(0)).max() <= 1


def test_counts_that_lost_their_depth_and_sizes_that_differ():
    (rgb, thermal), _ = examined(
        rgb8, lambda n: compressed(heat(n)[::2, ::2] >> 6, "mono16; jpeg compressed mono8")
    )
    lines, _ = report(rgb, thermal)
    text = "\n".join(lines)
    assert "set the publisher's parameter .format to png" in text
    assert "thermal images have 64x48 pixels, RGB images 128x96" in text
    assert "difusionseg register" in text


@pytest.mark.parametrize(
    "make, said",
    [
        (lambda n: raw(mosaic(colours(n), "rggb"), "bayer_rggb8"), "demosaiced"),
        (lambda n: raw(planar_yuv(colours(n), "nv12"), "nv12", height=96), "converted from YUV"),
        (lambda n: compressed(colours(n), "bgr8; jpeg compressed bgr8", "jpg"), "decoded"),
    ],
)
def test_the_report_says_what_the_node_does(make, said):
    (rgb, thermal), _ = examined(make, mono8)
    assert rgb.watch.facts()["conversion"] == said
    assert rgb.usable and thermal.usable
