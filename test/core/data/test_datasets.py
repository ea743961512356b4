"""Generated data sets in every layout: their frames, and refusals."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from difusionseg_core.classes import FMB, IGNORE, MSRS, label_set_of
from difusionseg_core.data.boxes import Box
from difusionseg_core.data.folder import find_data_set, list_splits, open_data_set
from difusionseg_core.data.frames import read_frame
from difusionseg_core.data.image_files import DataError, read_rgb, read_thermal

SIZE = (6, 8)
RGB = np.dstack([np.full(SIZE, value, np.uint8) for value in (10, 20, 30)])
THERMAL = np.arange(48, dtype=np.uint8).reshape(SIZE)
BGR = np.ascontiguousarray(RGB[..., ::-1])


def write(path, image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def make_separate(folder, parts, names=("a", "b"), label=1) -> None:
    visible, thermal, labels = parts
    for name in names:
        write(folder / visible / f"{name}.png", BGR)
        write(folder / thermal / f"{name}.png", THERMAL)
        write(folder / labels / f"{name}.png", np.full(SIZE, label, np.uint8))


def make_msrs(root, **splits) -> None:
    for split, names in splits.items():
        make_separate(root / split, ("vi", "ir", "Segmentation_labels"), names)


def make_fmb(root, label=14) -> None:
    for split in ("train", "test"):
        make_separate(root / split, ("Visible", "Infrared", "Label"), label=label)


def make_mfnet(root) -> None:
    for name in ("00001D", "00002N", "00003N"):
        write(root / "images" / f"{name}.png", np.dstack([BGR, THERMAL]))
        write(root / "labels" / f"{name}.png", np.full(SIZE, 8, np.uint8))
    (root / "train.txt").write_text("00002N\n00001D\n\n")
    (root / "test.txt").write_text("00003N.png\n")
    (root / "test_night.txt").write_text("00003N")


def read_first(data_set):
    return read_frame(data_set.pairs[0], data_set.label_set)


@pytest.mark.parametrize("how", ["split's folder", "root and split"])
def test_msrs(tmp_path, how) -> None:
    make_msrs(tmp_path, train=("a", "b"), test_day=("c",))
    assert list_splits(tmp_path) == ["train", "test_day"]
    if how == "root and split":
        data_set = open_data_set(tmp_path, "train")
    else:
        data_set = open_data_set(tmp_path / "train")
    assert data_set.layout.name == "MSRS" and data_set.label_set == MSRS
    assert [pair.name for pair in data_set.pairs] == ["a", "b"]
    frame = read_first(data_set)
    assert (frame.rgb == RGB).all() and (frame.thermal == THERMAL).all()
    assert (frame.labels == 1).all() and frame.boxes is None


def test_boxes_come_with_their_frames(tmp_path) -> None:
    make_msrs(tmp_path, val=("a", "b"))
    (tmp_path / "val" / "boxes").mkdir()
    (tmp_path / "val" / "boxes" / "a.txt").write_text("2 0.5 0.5 0.5 1.0\n")
    data_set = open_data_set(tmp_path, "val")
    with_boxes, without = (read_frame(pair, MSRS).boxes for pair in data_set.pairs)
    assert with_boxes == [Box(1, 2, 0, 6, 6)] and without is None


def test_fmb(tmp_path) -> None:
    make_fmb(tmp_path)
    assert list_splits(tmp_path) == ["train", "test"]
    data_set = open_data_set(tmp_path, "test")
    assert data_set.layout.name == "FMB" and data_set.label_set == FMB
    frame = read_first(data_set)
    assert (frame.thermal == THERMAL).all() and (frame.labels == 14).all()


@pytest.mark.parametrize("path", ["train", "train.txt", ("", "train")])
def test_mfnet(tmp_path, path) -> None:
    make_mfnet(tmp_path)
    path, split = path if isinstance(path, tuple) else (path, None)
    data_set = open_data_set(tmp_path / path, split)
    assert data_set.layout.name == "MFNet" and data_set.label_set.has_same_classes(MSRS)
    assert [pair.name for pair in data_set.pairs] == ["00001D", "00002N"]
    frame = read_first(data_set)
    assert (frame.rgb == RGB).all() and (frame.thermal == THERMAL).all()
    assert (frame.labels == 8).all()


def test_mfnet_files_are_read_one_camera_at_a_time_too(tmp_path) -> None:
    make_mfnet(tmp_path)
    (pair,) = open_data_set(tmp_path / "test").pairs
    assert (read_rgb(pair.visible) == RGB).all()
    assert (read_thermal(pair.thermal) == THERMAL).all()


def test_mfnet_without_lists_is_one_data_set(tmp_path) -> None:
    make_mfnet(tmp_path)
    for file in tmp_path.glob("*.txt"):
        file.unlink()
    assert len(open_data_set(tmp_path).pairs) == 3


def test_an_opaque_fourth_channel_is_no_thermal_image(tmp_path) -> None:
    opaque = np.full(SIZE, 255, np.uint8)
    write(tmp_path / "grey.png", np.dstack([THERMAL, THERMAL, THERMAL, opaque]))
    assert (read_thermal(tmp_path / "grey.png") == THERMAL).all()


def test_masks_with_three_equal_channels_are_read(tmp_path) -> None:
    make_msrs(tmp_path, train=("a",))
    file = tmp_path / "train" / "Segmentation_labels" / "a.png"
    write(file, np.full((*SIZE, 3), 5, np.uint8))
    assert (read_first(open_data_set(tmp_path, "train")).labels == 5).all()
    write(file, BGR)
    with pytest.raises(
        DataError,
        match=r"a.png is in colours that the palette of MSRS does not have: \(10, 20, 30\)",
    ):
        read_first(open_data_set(tmp_path, "train"))


def test_label_sets_are_found_by_their_number_of_classes() -> None:
    assert label_set_of(9) is MSRS and label_set_of(15) is FMB
    for label_set in (MSRS, FMB, label_set_of(4)):
        assert len(label_set.palette) == len(set(label_set.palette)) == label_set.num_classes


def refusal(path, split=None) -> str:
    """Return the one-line message that refuses a data set or its first frame."""
    with pytest.raises(DataError) as caught:
        read_first(open_data_set(path, split))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_split_must_be_named_and_must_exist(tmp_path) -> None:
    make_msrs(tmp_path / "msrs", train=("a",), test=("b",))
    make_mfnet(tmp_path / "mfnet")
    assert refusal(tmp_path / "msrs").endswith("holds the splits train, test; name one of them")
    assert "the splits train, test, test_night" in refusal(tmp_path / "mfnet")
    for root in ("msrs", "mfnet"):
        assert "has no split 'val'" in refusal(tmp_path / root, "val")


def test_other_folders_are_refused(tmp_path) -> None:
    (tmp_path / "JPEGImages").mkdir()
    (tmp_path / "readme.md").touch()
    said = refusal(tmp_path)
    assert "no folder of RGB images (rgb, vi, " in said and "found JPEGImages, readme.md" in said
    assert "--rgb-dir" in said and "data.yaml" in said


def test_images_without_a_thermal_channel_are_not_mfnet(tmp_path) -> None:
    write(tmp_path / "images" / "a.png", BGR)
    assert "a.png: expected four 8-bit channels, RGB and thermal; found" in refusal(tmp_path)


def test_missing_files_are_named(tmp_path) -> None:
    make_msrs(tmp_path, train=("a", "b", "c", "d"))
    for file in ("vi/a.png", "ir/b.png", "ir/c.png", "Segmentation_labels/d.png"):
        (tmp_path / "train" / file).unlink()
    assert refusal(tmp_path, "train").endswith(
        "train: vi lacks a, ir lacks b, ir lacks c, and 1 more"
    )
    data_set = find_data_set(tmp_path, "train")
    assert data_set.missing[-1] == "Segmentation_labels lacks d" and data_set.pairs == []


def test_names_in_a_list_must_exist(tmp_path) -> None:
    make_mfnet(tmp_path)
    (tmp_path / "train.txt").write_text("00001D\n00009D\n")
    (tmp_path / "labels" / "00001D.png").unlink()
    assert refusal(tmp_path, "train").endswith(
        "images lacks 00009D, labels lacks 00001D, labels lacks 00009D"
    )
    (tmp_path / "val.txt").write_text("\n")
    assert refusal(tmp_path, "val").endswith("val.txt names no images")


@pytest.mark.parametrize(
    ("part", "what"), [("ir", "thermal image"), ("Segmentation_labels", "mask")]
)
def test_sizes_must_agree(tmp_path, part, what) -> None:
    make_msrs(tmp_path, train=("a",))
    write(tmp_path / "train" / part / "a.png", np.zeros((3, 4), np.uint8))
    assert f"a: expected images of one size, found RGB image 6x8 and {what} 3x4" in refusal(
        tmp_path / "train"
    )


@pytest.mark.parametrize(("make", "most"), [(make_fmb, 14), (make_mfnet, 8)])
def test_labels_out_of_range(tmp_path, make, most) -> None:
    make(tmp_path)
    pair = open_data_set(tmp_path, "train").pairs[0]
    labels = np.full(SIZE, IGNORE, np.uint8)
    labels[0, :3] = most, most + 1, 200
    write(pair.labels, labels)
    said = refusal(tmp_path, "train")
    assert f"{pair.labels}: expected labels 0 to {most} " in said
    assert said.endswith(f"found {most + 1}, 200")


def test_a_damaged_file_is_named(tmp_path) -> None:
    make_msrs(tmp_path, train=("a",))
    (tmp_path / "train" / "ir" / "a.png").write_bytes(b"\x89PNG but no more")
    assert "a.png cannot be read" in refusal(tmp_path, "train")
