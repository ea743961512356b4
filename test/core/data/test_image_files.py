"""Image and label files of every kind that cameras and annotation programs write."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from difusionseg_core.classes import MSRS, LabelSet
from difusionseg_core.classes.class_colors import display_palette
from difusionseg_core.cli.main import main
from difusionseg_core.data.image_files import (
    DataError,
    exif_orientation,
    read_rgb,
    read_rgb_thermal,
    read_thermal,
)
from difusionseg_core.data.label_files import LabelCoding, read_labels

IDS = np.arange(48, dtype=np.uint8).reshape(6, 8) % 9
NOISE = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
ROTATED = 6  # EXIF: rotate by 90 degrees


def write(path, image, *options):
    assert cv2.imwrite(str(path), image, *options)
    return path


def write_rotated(path, image):
    exif = Image.Exif()
    exif[0x0112] = ROTATED
    Image.fromarray(image).save(path, exif=exif)
    return path


@pytest.mark.parametrize("read", [read_rgb, read_thermal])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.999])
@pytest.mark.parametrize("fill", [0, 1])
@pytest.mark.parametrize("options", [[], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]])
def test_truncated_jpeg_files_are_refused(tmp_path, read, share, fill, options) -> None:
    whole = write(tmp_path / "a.jpg", NOISE, options).read_bytes()
    assert read(tmp_path / "a.jpg").shape[:2] == (60, 80)
    kept = whole[: int(len(whole) * share)]
    (tmp_path / "a.jpg").write_bytes(kept + bytes(len(whole) - len(kept)) * fill)
    with pytest.raises(DataError, match="a.jpg cannot be read as an image: it is a truncated JPEG"):
        read(tmp_path / "a.jpg")


def test_bytes_after_the_end_of_a_jpeg_file_are_ignored(tmp_path) -> None:
    file = write(tmp_path / "a.jpg", NOISE)
    expected = read_rgb(file)
    file.write_bytes(file.read_bytes() + b"trailing bytes of a camera")
    assert np.array_equal(read_rgb(file), expected)


def test_a_thumbnail_does_not_hide_that_a_jpeg_file_is_truncated(tmp_path) -> None:
    thumbnail = cv2.imencode(".jpg", NOISE[:16, :16])[1].tobytes()
    whole = write(tmp_path / "a.jpg", NOISE).read_bytes()
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    with_thumbnail = whole[:2] + segment + whole[2:]
    (tmp_path / "a.jpg").write_bytes(with_thumbnail)
    assert read_rgb(tmp_path / "a.jpg").shape == (60, 80, 3)
    (tmp_path / "a.jpg").write_bytes(with_thumbnail[: -len(whole) // 2])
    with pytest.raises(DataError, match="truncated"):
        read_rgb(tmp_path / "a.jpg")


@pytest.mark.parametrize("ending", ["png", "bmp", "tif"])
def test_other_truncated_files_are_refused(tmp_path, ending) -> None:
    file = write(tmp_path / f"a.{ending}", NOISE)
    file.write_bytes(file.read_bytes()[: -len(file.read_bytes()) // 3])
    for read in (read_rgb, read_thermal, read_labels):
        with pytest.raises(DataError, match=f"a.{ending} cannot be read as an image"):
            read(file)


def test_missing_and_empty_files_are_named(tmp_path) -> None:
    with pytest.raises(DataError, match="a.png cannot be read as an image: No such file"):
        read_rgb(tmp_path / "a.png")
    (tmp_path / "a.png").touch()
    with pytest.raises(DataError, match="a.png cannot be read as an image: it is empty"):
        read_thermal(tmp_path / "a.png")


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    kind=st.sampled_from([".png", ".jpg", ".bmp", ".tif"]),
    start=st.integers(0, 200),
    content=st.binary(max_size=40),
)
def test_any_damage_is_read_or_refused_in_one_line(tmp_path_factory, kind, start, content) -> None:
    file = tmp_path_factory.mktemp("fuzz") / f"a{kind}"
    whole = cv2.imencode(kind, NOISE[:9, :12, 0] % 9)[1].tobytes()
    file.write_bytes(whole[:start] + content + whole[start + len(content) :])
    for read in (read_rgb, read_thermal, read_rgb_thermal, read_labels, exif_orientation):
        try:
            read(file)
        except DataError as error:
            assert str(file) in str(error) and "\n" not in str(error)


def test_exif_orientations_are_never_applied(tmp_path) -> None:
    stored = np.full((6, 8, 3), 100, np.uint8)
    stored[0] = 0
    file = write_rotated(tmp_path / "a.jpg", stored)
    assert read_rgb(file).shape == (6, 8, 3) and read_thermal(file).shape == (6, 8)
    assert read_rgb(file)[0].max() < 50
    assert exif_orientation(file) == ROTATED
    png = write_rotated(tmp_path / "a.png", stored)
    assert np.array_equal(read_rgb(png), stored) and read_labels(png).shape == (6, 8)
    assert exif_orientation(write(tmp_path / "b.png", stored)) == 1


def test_check_data_notes_exif_orientations(tmp_path, capsys) -> None:
    for part in ("rgb", "thermal"):
        (tmp_path / part).mkdir()
    write_rotated(tmp_path / "rgb" / "1.jpg", NOISE)
    write(tmp_path / "thermal" / "1.png", NOISE[..., 0])
    assert main(["check-data", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "note: 1 of 1 pairs have an EXIF orientation, which is not applied" in said


@pytest.mark.parametrize("kind", ["uint8", "uint16", "int16", "int32", "float32", "float64"])
def test_thermal_tiff_files_of_any_number_type(tmp_path, kind) -> None:
    counts = (np.arange(48).reshape(6, 8) * (4 if kind == "uint8" else 300)).astype(kind)
    thermal = read_thermal(write(tmp_path / "a.tif", counts))
    assert thermal.dtype in (np.uint8, np.uint16, np.float32)
    assert np.array_equal(thermal.astype(np.float64), counts.astype(np.float64))


@pytest.mark.parametrize("kind", ["int16", "int32", "float64"])
def test_thermal_images_below_zero_keep_their_values(tmp_path, kind) -> None:
    celsius = (np.arange(48).reshape(6, 8) - 20).astype(kind)
    thermal = read_thermal(write(tmp_path / "a.tif", celsius))
    assert thermal.dtype == np.float32 and np.array_equal(thermal, celsius)


@pytest.mark.parametrize("ending", ["png", "jpg"])
@pytest.mark.parametrize("colormap", ["INFERNO", "JET", "HOT"])
def test_pseudo_colours_become_the_ramp_of_their_palette(tmp_path, ending, colormap) -> None:
    ramp = np.tile(np.linspace(0, 255, 160).astype(np.uint8), (120, 1))
    coloured = cv2.applyColorMap(ramp, getattr(cv2, f"COLORMAP_{colormap}"))
    thermal = read_thermal(write(tmp_path / f"a.{ending}", coloured)).astype(int)
    limit = 6 if ending == "png" else 30
    assert np.median(np.abs(thermal - ramp)) <= limit / 3
    assert np.percentile(np.abs(thermal - ramp), 95) <= limit


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_deep_rgb_images_are_scaled_by_the_bits_they_use(tmp_path, bits) -> None:
    share = np.linspace(0, 1, 48).reshape(6, 8, 1) * [1, 0.5, 0.25]
    deep = np.rint(share * (2**bits - 1)).astype(np.uint16)
    rgb = read_rgb(write(tmp_path / "a.png", deep[..., ::-1]))
    assert rgb.dtype == np.uint8 and np.abs(rgb - share * 255).max() <= 1
    with pytest.raises(DataError, match="expected an RGB image of 8 or 16 bits, found float32"):
        read_rgb(write(tmp_path / "a.tif", share.astype(np.float32)))


def palette_png(path) -> None:
    image = Image.fromarray(IDS, mode="P")
    image.putpalette([7, 7, 7, *range(1, 200)])
    image.save(path)


def grey_png(bits: int):
    def save(path) -> None:
        """Encode a PNG of few bits per pixel; OpenCV can only write 1 bit."""
        import struct
        import zlib

        ids = IDS % 2**bits
        rows = []
        for row in ids:
            packed = np.packbits((row[:, None] >> np.arange(bits - 1, -1, -1)) & 1)
            rows.append(b"\0" + packed.tobytes())

        def chunk(name: bytes, content: bytes) -> bytes:
            checksum = struct.pack(">I", zlib.crc32(name + content))
            return struct.pack(">I", len(content)) + name + content + checksum

        header = struct.pack(">IIBBBBB", 8, 6, bits, 0, 0, 0, 0)
        parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"".join(rows)))
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b""))

    return save


def in_colours(alpha: bool):
    def save(path) -> None:
        colours = np.array(MSRS.palette, np.uint8)[IDS][..., ::-1]
        opaque = np.full((*IDS.shape, 1), 255, np.uint8)
        write(path, np.concatenate([colours, opaque], axis=2) if alpha else colours)

    return save


@pytest.mark.parametrize(
    ("save", "classes"),
    [
        (palette_png, 9),
        (grey_png(1), 2),
        (grey_png(2), 4),
        (grey_png(4), 9),
        (lambda path: write(path, IDS), 9),
        (lambda path: write(path, IDS.astype(np.uint16)), 9),
        (lambda path: write(path, np.dstack([IDS] * 3)), 9),
        (lambda path: Image.fromarray(IDS % 2 == 1).save(path), 2),
        (in_colours(alpha=False), 9),
        (in_colours(alpha=True), 9),
    ],
    ids=["palette", "1 bit", "2 bits", "4 bits", "8", "16", "RGB grey", "bool", "colour", "RGBA"],
)
def test_masks_of_every_kind(tmp_path, save, classes) -> None:
    save(tmp_path / "a.png")
    names = MSRS.class_names[:classes]
    label_set = LabelSet("any", names, MSRS.palette[:classes])
    labels = read_labels(tmp_path / "a.png", label_set)
    assert labels.dtype == np.uint8
    assert np.array_equal(labels, IDS % classes if classes < 9 else IDS)


def test_white_is_ignored_in_coloured_masks_unless_it_is_a_class(tmp_path) -> None:
    colours = np.zeros((6, 8, 3), np.uint8)
    colours[0], colours[1] = 255, (10, 0, 0)
    file = write(tmp_path / "a.png", colours)
    two = LabelSet("two", ("a", "b"), ((0, 0, 0), (0, 0, 10)))
    assert read_labels(file, two)[:3, 0].tolist() == [255, 1, 0]
    three = LabelSet("three", ("a", "b", "c"), ((0, 0, 0), (0, 0, 10), (255, 255, 255)))
    assert read_labels(file, three)[:3, 0].tolist() == [2, 1, 0]
    same = LabelSet("same", ("a", "b"), ((0, 0, 0), (0, 0, 0)))
    with pytest.raises(DataError, match="a and b of same have the same colour"):
        read_labels(file, same)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.full((6, 8), 9, np.uint8), r"expected labels 0 to 8 \(MSRS\) or 255, found 9"),
        (np.full((6, 8), 300, np.uint16), "found 300"),
        (np.full((6, 8, 3), (1, 2, 3), np.uint8), r"palette of MSRS does not have: \(3, 2, 1\)"),
        (np.full((6, 8, 3), (1, 2, 3), np.uint16), "is no mask: found uint16 colours"),
        (np.full((6, 8, 4), 9, np.uint8), "transparent in places"),
    ],
)
def test_invalid_masks_are_refused(tmp_path, image, said) -> None:
    file = write(tmp_path / "a.png", image)
    with pytest.raises(DataError, match=said):
        read_labels(file, MSRS)


def test_other_files_are_refused_as_masks(tmp_path) -> None:
    with pytest.raises(DataError, match="JPEG changes class ids"):
        read_labels(write(tmp_path / "a.jpg", IDS), MSRS)
    with pytest.raises(DataError, match="expected whole numbers"):
        read_labels(write(tmp_path / "a.tif", np.ones((6, 8), np.float32)), MSRS)
    with pytest.raises(DataError, match="found -1|expected whole numbers"):
        read_labels(write(tmp_path / "a.tif", np.full((6, 8), -1, np.int16)), MSRS)


def test_a_mask_of_0_and_255_is_explained_if_255_means_nothing(tmp_path) -> None:
    mask = np.zeros((6, 8), np.uint8)
    mask[0] = 255
    file = write(tmp_path / "a.png", mask)
    two = LabelSet("two", ("a", "b"), display_palette(("a", "b")))
    with pytest.raises(DataError, match="add 'map: {255: 1}' to data.yaml"):
        read_labels(file, two, LabelCoding(ignore=()))
    assert read_labels(file, two, LabelCoding(map={255: 1}))[0, 0] == 1
    assert read_labels(file, two)[0, 0] == 255
