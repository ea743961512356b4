"""Findings about a camera: frozen images, shutters, telemetry, bits, other clocks."""

import numpy as np
import pytest

from difusionseg_core.cameras.camera_watch import RGB, THERMAL, CameraWatch
from difusionseg_core.cameras.frozen_frames import FrozenFrames
from difusionseg_core.cameras.image_contents import significant_bits, telemetry_rows
from difusionseg_core.cameras.stamp_quality import ARRIVAL, StampQuality, clock_advice
from difusionseg_core.imaging.codec.camera_images import thermal_pixels
from difusionseg_core.imaging.thermal.conversion import ThermalConversion, ThermalOptions
from difusionseg_core.imaging.thermal.palettes import palette_colours
from tools.camera_messages import compressed, raw

SECOND = 10**9
RANDOM = np.random.default_rng(0)


def scene(number=0, dtype=np.uint16):
    """(96, 128) counts: a smooth scene with a warm object, a little noise."""
    y, x = np.mgrid[:96, :128]
    heat = 100 * np.exp(-((x - 60 - number) ** 2 + (y - 40) ** 2) / 200)
    image = 40 + 0.3 * x + 0.2 * y + heat + RANDOM.normal(0, 1, x.shape)
    scale = 30 if np.dtype(dtype) != np.uint8 else 1
    return (image * scale + (8000 if scale > 1 else 0)).astype(dtype)


def followed(messages, role=THERMAL, conversion=None, timeout=2.0, **options):
    watch = CameraWatch(role)
    for number, message in enumerate(messages):
        watch.received(message, (number + 1) * SECOND, (number + 1) * SECOND)
        watch.accepted(message, number / 10)
        pixels = thermal_pixels(message)
        if conversion is not None:
            conversion(pixels)
        watch.inspect(message, pixels, conversion)
    return watch, {item.kind: item for item in watch.findings(timeout, **options)}


def test_a_sound_camera_has_no_findings():
    watch, found = followed([raw(scene(n), "mono16") for n in range(5)])
    assert not found
    facts = watch.facts()
    assert facts["encoding"] == "mono16"
    assert facts["size"] == "128x96"
    assert facts["conversion"] == "scaled to grey by thermal_mode"
    assert facts["stamps"].endswith("arrival")


@pytest.mark.parametrize(
    "message",
    [raw(scene(), "mono16"), compressed(scene(), "mono16; png compressed mono16")],
    ids=["raw", "compressed"],
)
def test_an_image_that_does_not_change_is_found(message):
    _, found = followed([message] * 60)
    assert found["frozen"].text == (
        "thermal image has not changed for 6 s: stuck shutter or driver?"
    )
    assert found["frozen"].warning


def closed(kind):
    return {
        "uniform": raw(8000 + RANDOM.integers(0, 4, (96, 128)).astype(np.uint16), "mono16"),
        "repeated": raw(scene(), "mono16"),
    }[kind]


@pytest.mark.parametrize("kind", ["uniform", "repeated"])
@pytest.mark.parametrize("frames, events", [(5, 2), (18, 2), (30, 0)])
def test_shutter_events_are_counted(kind, frames, events):
    frozen = FrozenFrames()
    now = 0.0
    for _ in range(2):
        shutter = closed(kind)
        before = [raw(scene(n), "mono16") for n in range(4)]
        for message in [*before, *[shutter] * frames, raw(scene(9), "mono16")]:
            now += 0.1
            frozen.add(message, now)
    assert frozen.shutter_events == events
    assert frozen.unchanged == 0.0


def test_a_camera_that_sends_each_image_three_times_is_no_shutter():
    frozen = FrozenFrames()
    images = [raw(scene(n), "mono16") for n in range(30)]
    for number in range(90):
        frozen.add(images[number // 3], number / 27)
    assert frozen.shutter_events == 0


@pytest.mark.parametrize("top, bottom", [(2, 0), (0, 3), (1, 1), (0, 0)])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_telemetry_rows(top, bottom, dtype):
    rows = RANDOM.integers(0, 65535, (top + bottom, 128)).astype(dtype)
    framed = np.concatenate([rows[:top], scene(dtype=dtype), rows[top:]])
    assert telemetry_rows(framed) == (top, bottom)
    encoding = {np.uint16: "mono16", np.float32: "32FC1"}[dtype]
    messages = [raw(framed + n, encoding) for n in range(3)]
    _, found = followed(messages)
    if top + bottom:
        assert found["telemetry"].parameters == {"thermal_crop": [top, bottom, 0, 0]}
        options = ThermalOptions(crop=(top, bottom, 0, 0))
        assert not followed(messages, conversion=ThermalConversion(options))[1]
    else:
        assert not found


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_bits_of_colour_images(bits):
    pixels = RANDOM.integers(0, 2**bits, (20, 30, 3)).astype(np.uint16)
    for big_endian in (False, True):
        assert significant_bits(raw(pixels, "rgb16", big_endian)) == bits
    watch = CameraWatch(RGB)
    watch.inspect(raw(pixels, "rgb16"), pixels)
    (hint,) = watch.findings(2.0)
    assert hint.parameters == {"rgb_bits": bits}
    assert not watch.findings(2.0, rgb_bits=bits)


def test_counts_that_lost_their_depth():
    levels = (scene() >> 8).astype(np.uint8)
    messages = [compressed(levels, "mono16; jpeg compressed mono8") for _ in range(2)]
    _, found = followed(messages, timeout=10)
    assert f"{len(np.unique(levels[::2, ::2]))} grey levels are left" in found["lost depth"].text
    assert ".format to png" in found["lost depth"].text


def test_palettes():
    colours = palette_colours("inferno")[scene(dtype=np.uint8)]
    watch, found = followed([raw(colours, "rgb8")], conversion=ThermalConversion(ThermalOptions()))
    assert not found
    assert watch.facts()["palette"] == "inferno"
    noise = RANDOM.integers(0, 256, (40, 60, 3), np.uint8)
    _, found = followed([raw(noise, "rgb8")], conversion=ThermalConversion(ThermalOptions()))
    assert "thermal_palette" in found["palette"].text


def stamps(ahead, jitter=0.0, count=20):
    quality = StampQuality()
    for number in range(count):
        arrived = 1_700_000_000 * SECOND + number * SECOND // 10
        quality.add(round(arrived + (ahead + jitter * (number % 2)) * SECOND), arrived)
    return quality


def test_clocks_that_agree_need_no_advice():
    assert clock_advice(stamps(-0.02), stamps(-0.15), slop=0.05) is None
    assert clock_advice(stamps(-0.02), StampQuality(), slop=0.05) is None


@pytest.mark.parametrize("apart", [37.0, -0.5, 3600.0])  # TAI, a late driver, a wrong time zone
def test_a_constant_difference_becomes_an_offset(apart):
    advice = clock_advice(stamps(-0.02), stamps(apart - 0.02), slop=0.05)
    assert advice.parameters == {"thermal_time_offset": -apart}
    assert f"set thermal_time_offset to {-apart}" in advice.text
    assert clock_advice(stamps(-0.02), stamps(apart - 0.02), 0.05, -apart) is None


def test_stamps_in_seconds_since_boot_are_explained():
    advice = clock_advice(stamps(-0.02), stamps(-1_699_999_000.0), slop=0.05)
    assert "days behind" in advice.text
    assert advice.parameters == {"rgb_stamps": "arrival", "thermal_stamps": "arrival"}
    assert "thermal_time_offset to 1699998999.98" in advice.text
    assert clock_advice(ARRIVAL, ARRIVAL, slop=0.05) is None
    assert clock_advice(stamps(-1_699_999_000.0), ARRIVAL, slop=0.05) is not None


def test_a_difference_that_varies_is_no_offset():
    advice = clock_advice(stamps(-0.02), stamps(5.0, jitter=2.0), slop=0.05)
    assert advice.parameters == {"rgb_stamps": "arrival", "thermal_stamps": "arrival"}


def test_missing_stamps_are_reported():
    quality = StampQuality()
    quality.add(0, SECOND)
    assert quality.text() == "absent"
