"""Recordings: written and read back, in both storages, complete and damaged."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from difusionseg_core.imaging.codec.camera_images import (
    IMAGE,
    BadImage,
    compress,
    decode,
    mask_array,
    rgb_array,
    thermal_array,
)
from difusionseg_core.recordings.rosbag2 import (
    STORAGES,
    RecordedMessage,
    Recording,
    RecordingError,
    RecordingWriter,
)

RGB, THERMAL, MASK = "/rgb/image", "/thermal/image/compressed", "/ground_truth/mask/compressed"
SECOND = 1_000_000_000


def picture(seed, shape, dtype=np.uint8):
    high = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, high, shape, dtype, endpoint=True)


def write(path, storage="mcap", frames=5):
    with RecordingWriter(path, storage) as writer:
        for number in range(frames):
            stamp = 10 * SECOND + number * 100_000_000
            writer.write_image(RGB, stamp, "camera", picture(number, (12, 16, 3)), "rgb8")
            data, format = compress(picture(number, (12, 16), np.uint16), "png")
            writer.write_compressed(THERMAL, stamp + 7, "thermal", data, format)
            data, format = compress(picture(number, (12, 16)) % 9, "png")
            writer.write_compressed(MASK, stamp, "camera", data, format)
    return path


@pytest.mark.parametrize("storage", STORAGES)
def test_written_objects_are_read_back(tmp_path, storage):
    with Recording(write(tmp_path / "drive", storage)) as recording:
        topics = recording.choose_topics()
        assert (topics.rgb, topics.thermal, topics.mask) == (RGB, THERMAL, MASK)
        assert topics.camera_info is None
        assert recording.count(RGB) == 5
        messages = list(recording.messages([RGB, THERMAL]))
    assert [message.topic for message in messages] == [RGB, THERMAL] * 5
    last_rgb, last_thermal = messages[-2:]
    assert (last_rgb.image() == picture(4, (12, 16, 3))).all()
    assert (last_thermal.image() == picture(4, (12, 16), np.uint16)).all()
    assert last_thermal.stamp_ns == last_thermal.recorded_ns == 10 * SECOND + 400_000_007
    assert last_thermal.deserialize().header.frame_id == "thermal"
    assert last_thermal.deserialize().format == "mono16; png compressed mono16"


def test_a_single_file_is_a_recording_too(tmp_path):
    write(tmp_path / "drive")
    with Recording(tmp_path / "drive" / "drive.mcap") as recording:
        assert recording.count(MASK) == 5


def test_topics_can_be_named(tmp_path):
    with Recording(write(tmp_path / "drive")) as recording:
        swapped = recording.choose_topics(rgb=THERMAL, thermal="rgb/image")
        assert (swapped.rgb, swapped.thermal) == (THERMAL, RGB)
        with pytest.raises(RecordingError, match="no topic /nothing .* are /ground_truth/mask"):
            recording.choose_topics(rgb="/nothing")


def test_a_missing_or_ambiguous_camera_is_an_error(tmp_path):
    image = picture(0, (4, 4))
    with RecordingWriter(tmp_path / "one") as writer:
        writer.write_image("/front/rgb/image", SECOND, "", image, "mono8")
        writer.write_image("/rear/rgb/image", SECOND, "", image, "mono8")
        writer.write_image("/top/image", SECOND, "", image, "mono8")
    with Recording(tmp_path / "one") as recording:
        with pytest.raises(RecordingError, match="several topics rgb/image: /front/rgb/image, /re"):
            recording.choose_topics(thermal="/top/image")
        with pytest.raises(RecordingError, match="no thermal topic thermal/image, .* /top/image"):
            recording.choose_topics(rgb="/rear/rgb/image")


def test_other_files_are_refused_as_recordings(tmp_path):
    with pytest.raises(RecordingError, match="nowhere does not exist"):
        Recording(tmp_path / "nowhere")
    with pytest.raises(RecordingError, match="no metadata.yaml and no .mcap"):
        Recording(tmp_path)
    text = tmp_path / "notes.mcap"
    text.write_text("no recording at all")
    with pytest.raises(RecordingError, match="notes.mcap cannot be read"):
        Recording(text)
    with RecordingWriter(tmp_path / "empty"):
        pass
    with pytest.raises(RecordingError, match="empty holds no messages"):
        Recording(tmp_path / "empty")


def test_incomplete_recordings_are_removed(tmp_path):
    with pytest.raises(RuntimeError), RecordingWriter(tmp_path / "drive") as writer:
        writer.write_image(RGB, SECOND, "", picture(0, (4, 4, 3)), "rgb8")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path):
    write(tmp_path / "drive")
    with (
        pytest.raises(FileExistsError, match="drive exists"),
        RecordingWriter(tmp_path / "drive"),
    ):
        pass
    with pytest.raises(ValueError, match="mcap, sqlite3"):
        RecordingWriter(tmp_path / "other", "zip")


def test_a_damaged_message_is_named():
    for data in (b"", b"\x00\x01\x00\x00\x05"):
        message = RecordedMessage(RGB, IMAGE, 0, data)
        with pytest.raises(RecordingError, match="a message on /rgb/image is damaged"):
            message.stamp_ns  # noqa: B018
        with pytest.raises(RecordingError, match="a message on /rgb/image is damaged"):
            message.image()


def test_the_sample_is_complete_and_small(root):
    with Recording(root / "sample") as recording:
        topics = recording.choose_topics()
        images = (topics.rgb, topics.thermal, topics.mask)
        counts = {recording.count(topic) for topic in (*images, topics.true_objects)}
        shapes = {message.image().shape for message in recording.messages(images)}
    assert counts == {44} and shapes == {(480, 640), (480, 640, 3)}
    assert sum(file.stat().st_size for file in (root / "sample").iterdir()) < 8_000_000


def image_message(image, encoding, big_endian=False, padding=0):
    """An Image as rosbags gives it, with rows padded by some bytes."""
    stored = image.astype(image.dtype.newbyteorder(">" if big_endian else "<"))
    rows = np.frombuffer(stored.tobytes(), np.uint8).reshape(image.shape[0], -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    return SimpleNamespace(
        height=image.shape[0],
        width=image.shape[1],
        encoding=encoding,
        step=rows.shape[1],
        is_bigendian=int(big_endian),
        data=rows.ravel(),
    )


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize(
    ("encoding", "dtype"),
    [("mono8", "u1"), ("8UC1", "u1"), ("mono16", "u2"), ("16UC1", "u2"), ("32FC1", "f4")],
)
def test_grey_encodings(encoding, dtype, big_endian, padding):
    image = picture(1, (5, 7), np.uint8).astype(dtype) * (100 if dtype == "u2" else 1)
    decoded = decode(image_message(image, encoding, big_endian, padding))
    assert decoded.dtype == np.dtype(dtype) and decoded.dtype.isnative
    assert (decoded == image).all()
    assert (thermal_array(image_message(image, encoding)) == image).all()


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize(
    ("encoding", "order"),
    [
        ("rgb8", [0, 1, 2]),
        ("bgr8", [2, 1, 0]),
        ("8UC3", [2, 1, 0]),
        ("rgba8", [0, 1, 2, 0]),
        ("bgra8", [2, 1, 0, 0]),
    ],
)
def test_colour_encodings(encoding, order, padding):
    image = picture(2, (5, 7, 3))
    message = image_message(np.ascontiguousarray(image[..., order]), encoding, padding=padding)
    assert (rgb_array(message) == image).all()
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    assert (thermal_array(message) == grey).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"encoding": "yuv9"}, "encoding 'yuv9' is not one of"),
        ({"width": 0}, "empty, 0x5"),
        ({"step": 20}, "needs a step of 21 bytes"),
        ({"height": 9}, "the data has 105 bytes"),
    ],
)
def test_inconsistent_messages_are_refused(change, words):
    message = image_message(picture(3, (5, 7, 3)), "rgb8")
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(BadImage, match=words):
        decode(message)


@pytest.mark.parametrize("encoding", ["jpeg", "png"])
def test_compressed_images(encoding):
    image = cv2.GaussianBlur(picture(4, (40, 60, 3)), (0, 0), 5)
    data, format = compress(image, encoding, quality=95)
    message = SimpleNamespace(format=format, data=np.frombuffer(data, np.uint8))
    difference = np.abs(rgb_array(message).astype(int) - image)
    assert difference.mean() < (2 if encoding == "jpeg" else 1e-9)
    with pytest.raises(BadImage, match="a mask has one 8-bit channel"):
        mask_array(message)
    message.data = message.data[: len(data) // 2]
    with pytest.raises(BadImage, match="cut off after"):
        decode(message)
    message.data = message.data[:0]
    with pytest.raises(BadImage, match="is empty"):
        decode(message)
