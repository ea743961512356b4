"""The viewer's streams: JPEG images, and the values of pixels."""

import zlib

import cv2
import numpy as np
import pytest
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from difusionseg_core.classes import MSRS
from difusionseg_core.imaging.codec.camera_images import BadImage
from difusionseg_core.objects import DetectedObject
from difusionseg_core.objects.frame_objects import FrameObjects
from difusionseg_core.objects.object_temperature import ObjectTemperature
from difusionseg_ros.common.image_messages import image_message
from difusionseg_ros.fusion.object_outputs import detections_message, temperatures_message
from difusionseg_ros.viewer_page import clip, images
from difusionseg_ros.viewer_page.feeds import Received
from difusionseg_ros.viewer_page.streams import ImageStream, ValueFeeds, ValueStream

SIZE = 48, 64
SECOND = 1_000_000_000


class Feed:
    """A feed with given messages."""

    topic = "/topic"

    def __init__(self, *received):
        self.received = list(received)

    def recent(self):
        return self.received


def header(stamp_ns):
    stamped = Header()
    stamped.stamp.sec, stamped.stamp.nanosec = divmod(stamp_ns, SECOND)
    return stamped


def received(image, encoding, stamp_ns=5 * SECOND, arrived=0.0):
    message = image_message(image, encoding, header(stamp_ns))
    return Received(1, Image, serialize_message(message), arrived, stamp_ns + 20_000_000)


def decoded(jpeg, flags=cv2.IMREAD_COLOR):
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), flags)
    return image[..., ::-1] if image.ndim == 3 else image


def ignore(topic, text):
    pass


def test_an_image_becomes_a_jpeg_with_its_stamp_and_latency():
    red = np.full((*SIZE, 3), (200, 30, 40), np.uint8)
    packet = ImageStream("rgb", Feed(), images.color_image, ignore).make(received(red, "rgb8"))
    assert packet.header == {
        "stream": "rgb",
        "number": 1,
        "stamp_ns": str(5 * SECOND),
        "latency_ms": 20.0,
        "width": 64,
        "height": 48,
    }
    assert np.abs(decoded(packet.payload).astype(int) - red).max() < 8


def test_a_large_image_is_scaled_down():
    wide = images.jpeg(np.zeros((1000, 4000), np.uint8))
    assert decoded(wide, cv2.IMREAD_GRAYSCALE).shape == (320, images.MAX_WIDTH)


def test_thermal_counts_are_stretched_and_8_bits_stay():
    ramp = np.linspace(7000, 7400, SIZE[1]).astype(np.uint16)[None].repeat(SIZE[0], axis=0)
    grey = images.thermal_image(image_message(ramp, "mono16", Header()))
    assert grey[:, 0].max() < 30 and grey[:, -1].min() > 225
    dark = np.full(SIZE, 22, np.uint8)
    assert (images.thermal_image(image_message(dark, "mono8", Header())) == 22).all()


@pytest.mark.parametrize("percent", [1, 5])
def test_contrast_spans_two_percentiles(percent):
    dark = np.linspace(20, 30, 100).astype(np.uint8)[None].repeat(SIZE[0], axis=0)
    grey = images.stretched(percent)(image_message(dark, "mono8", Header()))
    assert grey.min() == 0 and grey.max() == 255
    flat = images.stretched(percent)(image_message(np.full(SIZE, 7, np.uint8), "mono8", Header()))
    assert (flat == 0).all()
    empty = np.full(SIZE, np.nan, np.float32)
    assert (images.stretched(percent)(image_message(empty, "32FC1", Header())) == 0).all()


@pytest.mark.parametrize("encoding", ["32FC1", "mono8"])
def test_confidence_is_dark_where_it_is_low(encoding):
    values = np.array([[0.0, 0.5, 1.0]], np.float32)
    if encoding == "mono8":
        values = (255 * values).astype(np.uint8)
    low, middle, high = images.confidence_image(image_message(values, encoding, Header()))[0]
    assert low.sum() < middle.sum() < high.sum()


def test_a_bad_message_is_refused_in_one_line():
    message = image_message(np.zeros((3, 3), np.float32), "32FC1", Header())
    with pytest.raises(BadImage):
        images.color_image(message)
    cut_off = CompressedImage(format="png", data=b"\x89PNG\r\n")
    with pytest.raises(BadImage):
        images.color_image(cut_off)


def value_stream(
    mask_stamp=5 * SECOND,
    thermal_stamp=5 * SECOND,
    temperature=None,
    objects=(),
    object_temperatures=(),
):
    mask = received(np.full(SIZE, 2, np.uint8), "mono8", mask_stamp)
    thermal = received(np.full((24, 32), 7312, np.uint16), "mono16", thermal_stamp)
    warm = None if temperature is None else np.full(SIZE, temperature, np.float32)
    temperatures = Feed() if warm is None else Feed(received(warm, "32FC1"))
    feeds = ValueFeeds(
        mask=Feed(mask),
        confidence=Feed(),
        thermal=Feed(thermal),
        temperature=temperatures,
        objects=Feed(*objects),
        object_temperatures=Feed(*object_temperatures),
    )
    return ValueStream(feeds, ignore)


def test_values_of_a_frame_come_together():
    confidence = np.full(SIZE, 0.5, np.float32)
    packet = value_stream(thermal_stamp=5 * SECOND + 30_000_000).make(received(confidence, "32FC1"))
    kinds = [(plane["name"], plane["type"], plane["width"]) for plane in packet.header["planes"]]
    assert kinds == [("class", "uint8", 64), ("confidence", "uint8", 64), ("thermal", "uint16", 32)]
    data = zlib.decompress(packet.payload)
    pixels = SIZE[0] * SIZE[1]
    assert data[:pixels] == b"\x02" * pixels and data[pixels : 2 * pixels] == b"\x80" * pixels
    assert (np.frombuffer(data[2 * pixels :], "<u2") == 7312).all()


def test_temperatures_come_with_their_unit_if_they_are_known():
    confidence = received(np.full(SIZE, 0.5, np.float32), "32FC1")
    packet = value_stream(temperature=34.5).make(confidence)
    plane = packet.header["planes"][-1]
    assert (plane["name"], plane["type"], plane["unit"]) == ("temperature", "float32", "°C")
    pixels = SIZE[0] * SIZE[1]
    assert (np.frombuffer(zlib.decompress(packet.payload)[-4 * pixels :], "<f4") == 34.5).all()


def a_person(stamp_ns=5 * SECOND):
    """The messages of a person of 34.1 degrees Celsius, as the node sends them."""
    found = FrameObjects(
        [DetectedObject(2, 0.5, 10.0, 20.0, 8.0, 24.0)],
        [7],
        [ObjectTemperature(100, 34.125, 36.5, 14, 30)],
    )
    messages = (
        detections_message(found, MSRS, header(stamp_ns)),
        temperatures_message(found, MSRS, header(stamp_ns)),
    )
    return [Received(1, type(each), serialize_message(each), 0.0, stamp_ns) for each in messages]


def test_objects_come_with_their_temperatures():
    confidence = received(np.full(SIZE, 0.5, np.float32), "32FC1")
    objects, temperatures = a_person()
    known = {"class": "person", "id": "7", "score": 0.5, "box": [10.0, 20.0, 8.0, 24.0]}
    packet = value_stream(objects=[objects], object_temperatures=[temperatures]).make(confidence)
    assert packet.header["objects"] == [{**known, "mean": 34.125, "maximum": 36.5}]
    _, of_another_frame = a_person(5 * SECOND + 1)
    for warm in ([], [of_another_frame]):
        packet = value_stream(objects=[objects], object_temperatures=warm).make(confidence)
        assert packet.header["objects"] == [known]
    assert value_stream().make(confidence).header["objects"] == []


def test_values_of_different_frames_are_not_mixed():
    confidence = received(np.full(SIZE, 0.5, np.float32), "32FC1")
    assert value_stream(mask_stamp=6 * SECOND).make(confidence) is None
    packet = value_stream(thermal_stamp=6 * SECOND).make(confidence)
    assert [plane["name"] for plane in packet.header["planes"]] == ["class", "confidence"]


def test_a_clip_shows_the_streams_side_by_side(tmp_path):
    black, white = (images.jpeg(np.full((*SIZE, 3), grey, np.uint8)) for grey in (0, 255))
    made = clip.make_clip(
        {"rgb": [(0.0, SECOND, black), (1.0, 2 * SECOND, white)], "fused": [(0.0, SECOND, black)]}
    )
    path = tmp_path / "clip.mp4"
    path.write_bytes(made)
    video = cv2.VideoCapture(str(path))
    frames = []
    while (frame := video.read()) and frame[0]:
        frames.append(frame[1])
    assert len(frames) == 11 and frames[0].shape == (480, 1284, 3)
    assert frames[0][200, 320].max() < 30 and frames[-1][200, 320].min() > 225
    assert frames[-1][200, 900].max() < 30
    assert clip.make_clip({"rgb": []}) is None
