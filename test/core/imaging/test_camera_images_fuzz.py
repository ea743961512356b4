"""Messages with any fields: a valid array, or BadImage in one line."""

from types import SimpleNamespace

import cv2
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from difusionseg_core.cameras.camera_watch import RGB, THERMAL
from difusionseg_core.cameras.examination import Examination, report
from difusionseg_core.imaging.codec.camera_images import (
    BadImage,
    check,
    mask_array,
    rgb_array,
    thermal_pixels,
)
from difusionseg_core.imaging.codec.encodings import ENCODINGS, RGB_ENCODINGS, THERMAL_ENCODINGS
from difusionseg_core.imaging.thermal.conversion import ThermalConversion, ThermalOptions

LIMIT = 100_000
SHORT = settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
NAMES = st.one_of(st.sampled_from(sorted(ENCODINGS)), st.text(max_size=300))
SIZES = st.one_of(st.integers(0, 12), st.sampled_from([2**16, 2**31, 2**32 - 1]))
HEADER = SimpleNamespace(stamp=SimpleNamespace(sec=1, nanosec=0))


@st.composite
def raw_messages(draw):
    """Draw random fields, or fields that are nearly consistent."""
    encoding = draw(NAMES)
    width, height = draw(SIZES), draw(SIZES)
    step, length = draw(SIZES), draw(st.integers(0, 400))
    if encoding in ENCODINGS and max(width, height) <= 12 and draw(st.booleans()):
        item = ENCODINGS[encoding]
        step = width * item.pixel_bytes + draw(st.integers(0, 3))
        length = max(0, round(step * height * item.size) + draw(st.sampled_from([0, 0, 0, 1, -1])))
    seed = draw(st.integers(0, 9))
    return SimpleNamespace(
        header=HEADER,
        encoding=encoding,
        width=width,
        height=height,
        step=step,
        is_bigendian=draw(st.sampled_from([0, 1, 255])),
        data=np.random.default_rng(seed).integers(0, 256, length, np.uint8),
    )


FORMATS = st.one_of(
    st.text(max_size=60),
    st.builds(
        "{}; {} {}".format,
        NAMES,
        st.sampled_from(
            ["jpeg", "png", "jpeg compressed", "png compressed", "compressedDepth png"]
        ),
        st.sampled_from(["", "bgr8", "rgb8", "mono8", "mono16", "bgr16"]),
    ),
)
PICTURES = [
    np.arange(48, dtype=np.uint8).reshape(6, 8),
    np.arange(48, dtype=np.uint16).reshape(6, 8) * 900,
    np.arange(144, dtype=np.uint8).reshape(6, 8, 3),
    np.arange(144, dtype=np.uint16).reshape(6, 8, 3) * 400,
    np.arange(192, dtype=np.uint8).reshape(6, 8, 4),
    np.linspace(-5, 80, 48, dtype=np.float32).reshape(6, 8),
]


@st.composite
def compressed_messages(draw):
    """Files of several kinds, whole, truncated, altered, or with compressedDepth's header."""
    picture = draw(st.sampled_from(PICTURES))
    endings = [".tiff"] if picture.dtype == np.float32 else [".png", ".jpg", ".tiff"]
    data = cv2.imencode(draw(st.sampled_from(endings)), picture)[1].tobytes()
    data = draw(st.sampled_from([b"", b"", draw(st.binary(min_size=12, max_size=12))])) + data
    if draw(st.booleans()):
        data = data[: draw(st.integers(0, len(data)))]
    if data and draw(st.booleans()):
        place = draw(st.integers(0, len(data) - 1))
        data = data[:place] + bytes([draw(st.integers(0, 255))]) + data[place + 1 :]
    return SimpleNamespace(header=HEADER, format=draw(FORMATS), data=np.frombuffer(data, np.uint8))


MESSAGES = st.one_of(raw_messages(), compressed_messages())


def tried(function, *arguments):
    """Return the result, or None for a one-line refusal."""
    try:
        return function(*arguments)
    except BadImage as error:
        assert str(error)
        assert "\n" not in str(error)
        return None


@SHORT
@given(MESSAGES)
def test_any_rgb_message_converts_or_raises_bad_image(message):
    image = tried(rgb_array, message, LIMIT)
    if image is not None:
        assert image.ndim == 3
        assert image.shape[2] == 3
        assert image.dtype == np.uint8


@SHORT
@given(MESSAGES)
def test_any_thermal_message_converts_or_raises_bad_image(message):
    pixels = tried(thermal_pixels, message, LIMIT)
    if pixels is not None:
        grey = tried(ThermalConversion(ThermalOptions()), pixels)
        assert grey.shape == pixels.shape[:2]
        assert grey.dtype == np.uint8


@SHORT
@given(MESSAGES)
def test_any_mask_message_converts_or_raises_bad_image(message):
    labels = tried(mask_array, message, LIMIT)
    assert labels is None or (labels.ndim == 2 and labels.dtype == np.uint8)


@SHORT
@given(raw_messages())
def test_checked_messages_convert_unless_their_size_is_odd(message):
    for encodings, convert in ((RGB_ENCODINGS, rgb_array), (THERMAL_ENCODINGS, thermal_pixels)):
        try:
            check(message, encodings, LIMIT)
        except BadImage:
            continue
        try:
            assert convert(message, LIMIT).shape[:2] == (message.height, message.width)
        except BadImage as error:
            assert "does not convert" in str(error)


@settings(SHORT, max_examples=40)
@given(st.lists(MESSAGES, max_size=6))
def test_the_doctor_accepts_any_message(messages):
    cameras = (Examination(RGB, "/rgb/image", ""), Examination(THERMAL, "/thermal/image", ""))
    for number, message in enumerate(messages):
        cameras[number % 2].add(message, number * 10**9)
    lines, _ = report(*cameras)
    assert all("\n" not in line for line in lines)
    assert sum(camera.received for camera in cameras) == len(messages)
