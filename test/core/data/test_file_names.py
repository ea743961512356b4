"""Finding the files of a frame: folder names, suffixes, lists, hidden files."""

from __future__ import annotations

import codecs

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from difusionseg_core.cli.main import main
from difusionseg_core.data.data_yaml import DataSetLayout
from difusionseg_core.data.file_names import read_names
from difusionseg_core.data.folder import (
    find_data_set,
    list_splits,
    open_data_set,
    pair_images,
)
from difusionseg_core.data.image_files import DataError

COLOUR, GREY = np.ones((6, 8, 3), np.uint8), np.ones((6, 8), np.uint8)


def write(*files) -> None:
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), GREY)


def names(folder, *arguments, **options) -> list[str]:
    return [pair.name for pair in open_data_set(folder, *arguments, **options).pairs]


@pytest.mark.parametrize(
    ("visible", "thermal"),
    [
        ("vi", "ir"),
        ("VI", "IR"),
        ("visible", "infrared"),
        ("Visible", "Infrared"),
        ("Vis", "Ir"),
        ("vis", "inf"),
        ("rgb", "thermal"),
        ("RGB", "T"),
        ("visible", "lwir"),
        ("color", "tir"),
    ],
)
def test_folders_by_their_usual_names(tmp_path, visible, thermal) -> None:
    write(tmp_path / visible / "1.png", tmp_path / thermal / "1.jpg")
    data_set = open_data_set(tmp_path)
    (pair,) = data_set.pairs
    assert pair.visible == tmp_path / visible / "1.png"
    assert pair.thermal == tmp_path / thermal / "1.jpg"
    assert data_set.layout.name == f"{visible} and {thermal}" and pair.labels is None


def test_two_folders_for_one_camera_are_an_error(tmp_path, capsys) -> None:
    write(tmp_path / "rgb" / "1.png", tmp_path / "vis" / "1.png", tmp_path / "ir" / "1.png")
    with pytest.raises(DataError, match="holds rgb and vis; name one of them with --rgb-dir"):
        open_data_set(tmp_path)
    assert names(tmp_path, folders=DataSetLayout("", visible="vis")) == ["1"]
    assert main(["check-data", str(tmp_path)]) == 1
    assert main(["check-data", str(tmp_path), "--rgb-dir", "rgb"]) == 0


def test_folders_of_any_names_by_options(tmp_path, capsys) -> None:
    write(tmp_path / "left" / "1.png", tmp_path / "warm" / "1.png", tmp_path / "Mask" / "1.png")
    options = ["--rgb-dir", "left", "--thermal-dir", "WARM"]
    assert main(["check-data", str(tmp_path), *options, "--classes", "msrs"]) == 0
    assert "1 pairs in the layout of MSRS" in capsys.readouterr().out
    assert main(["check-data", str(tmp_path), *options, "--label-dir", "nowhere"]) == 1
    assert main(["check-data", str(tmp_path), "--rgb-dir", "right", "--thermal-dir", "warm"]) == 1
    assert "has no folder 'right' (visible), found" in capsys.readouterr().err


def test_splits_inside_the_folders_of_the_cameras(tmp_path) -> None:
    for part in ("visible", "infrared"):
        write(tmp_path / part / "train" / "010001.jpg", tmp_path / part / "test" / "190001.jpg")
    assert list_splits(tmp_path) == ["train", "test"]
    assert names(tmp_path, "train") == names(tmp_path / "train") == ["010001"]
    assert names(tmp_path, "test") == ["190001"]
    with pytest.raises(DataError, match="holds the splits train, test"):
        open_data_set(tmp_path)


@pytest.mark.parametrize(
    ("visible", "thermal"),
    [
        ("7_rgb", "7_ir"),
        ("7_vi", "7_ir"),
        ("7-rgb", "7-thermal"),
        ("7_color", "7_thermal"),
        ("RGB_7", "IR_7"),
        ("7", "7_T"),
        ("7.visible", "7.lwir"),
    ],
)
def test_suffixes_of_cameras(tmp_path, visible, thermal) -> None:
    write(tmp_path / "rgb" / f"{visible}.png", tmp_path / "thermal" / f"{thermal}.png")
    write(tmp_path / "rgb" / "same_rgb.png", tmp_path / "thermal" / "same_rgb.png")
    assert names(tmp_path) == ["7", "same_rgb"]


@pytest.mark.parametrize("label", ["7", "7_rgb", "7_mask", "7-labels"])
def test_labels_belong_to_frames_with_suffixes(tmp_path, label) -> None:
    write(tmp_path / "rgb" / "7_rgb.png", tmp_path / "thermal" / "7_ir.png")
    write(tmp_path / "labels" / f"{label}.png")
    (pair,) = open_data_set(tmp_path, classes="msrs").pairs
    assert pair.name == "7" and pair.labels.stem == label


def test_files_without_partner_are_listed_with_their_side(tmp_path) -> None:
    for name in ("1_rgb", "2_rgb", "4_rgb"):
        write(tmp_path / "rgb" / f"{name}.png")
    for name in ("1_ir", "3_ir", "4_ir"):
        write(tmp_path / "ir" / f"{name}.png")
    data_set = find_data_set(tmp_path)
    assert [pair.name for pair in data_set.pairs] == ["1", "4"]
    assert data_set.missing == ["rgb lacks 3_ir", "ir lacks 2_rgb"]


def test_predict_continues_without_partners(tmp_path, untrained_weights, capsys) -> None:
    for part, suffix in (("rgb", "_rgb"), ("ir", "_ir")):
        write(tmp_path / part / f"1{suffix}.png", tmp_path / part / f"2{suffix}.png")
    write(tmp_path / "rgb" / "3_rgb.png", tmp_path / "ir" / "4_ir.png")
    folders = ["--rgb", str(tmp_path / "rgb"), "--thermal", str(tmp_path / "ir")]
    options = [*folders, "--model", str(untrained_weights), "--backend", "torch"]
    assert main(["predict", *options, "--output", str(tmp_path / "out")]) == 1
    printed = capsys.readouterr()
    assert "3_rgb.png has no thermal partner" in printed.err
    assert "4_ir.png has no RGB partner" in printed.err and "2 of 2 pairs" in printed.out
    masks = sorted(file.name for file in (tmp_path / "out" / "mask").iterdir())
    assert masks == ["1.png", "2.png"]


def test_files_without_any_partner_are_refused(tmp_path) -> None:
    write(tmp_path / "rgb" / "1.png", tmp_path / "ir" / "2.png")
    with pytest.raises(DataError, match="no image has a partner of the same name; .*1.png has no"):
        pair_images(tmp_path / "rgb", tmp_path / "ir")
    with pytest.raises(DataError, match="nowhere"):
        pair_images(tmp_path / "rgb", tmp_path / "nowhere")
    with pytest.raises(DataError, match="two files or two folders"):
        pair_images(tmp_path / "rgb" / "1.png", tmp_path / "ir")


def test_two_files_of_one_frame_are_refused(tmp_path) -> None:
    write(tmp_path / "rgb" / "7_rgb.png", tmp_path / "rgb" / "rgb_7.png", tmp_path / "ir" / "7.png")
    with pytest.raises(DataError, match="7_rgb.png and .*rgb_7.png both belong to the frame '7'"):
        open_data_set(tmp_path)


def test_hidden_files_are_no_images(tmp_path) -> None:
    for part in ("rgb", "ir"):
        write(tmp_path / part / "1.png")
        for name in ("._1.png", ".hidden.jpg", ".DS_Store", "Thumbs.db", "desktop.ini"):
            (tmp_path / part / name).write_bytes(b"no image")
    assert names(tmp_path) == ["1"]
    assert main(["check-data", str(tmp_path)]) == 0


def test_one_name_with_two_endings_is_an_error_that_names_both(tmp_path) -> None:
    write(tmp_path / "rgb" / "1.jpg", tmp_path / "rgb" / "1.png", tmp_path / "ir" / "1.png")
    with pytest.raises(DataError, match="rgb holds both 1.jpg and 1.png"):
        open_data_set(tmp_path)


LIST = "00001D\n00002N.png\n\nimages/00003N.PNG\n./a/b/00004D\n"


@pytest.mark.parametrize(
    "content",
    [
        LIST.encode(),
        codecs.BOM_UTF8 + LIST.encode(),
        LIST.encode("utf-16"),
        LIST.encode("utf-16-le"),
        LIST.encode("utf-16-be"),
        codecs.BOM_UTF16_BE + LIST.encode("utf-16-be"),
        LIST.replace("\n", "\r\n").encode(),
        LIST.replace("\n", "\r").encode(),
        LIST.replace("/", "\\").encode(),
        LIST.rstrip().encode(),
        b"rgb/00001D.png ir/00001D.png\n00002N\n00003N.jpg,00003N.tif\n00004D.png\tx.png\n",
    ],
)
def test_lists_of_names(tmp_path, content) -> None:
    (tmp_path / "train.txt").write_bytes(content)
    assert read_names(tmp_path / "train.txt") == ["00001D", "00002N", "00003N", "00004D"]


def test_lists_hold_names_of_frames_or_of_files(tmp_path) -> None:
    for name in ("1", "2", "3"):
        write(tmp_path / "rgb" / f"{name}_rgb.png", tmp_path / "ir" / f"{name}_ir.png")
    (tmp_path / "train.txt").write_text("1\n2_rgb.png\n3_ir\n")
    assert names(tmp_path, "train") == ["1", "2", "3"]


@settings(derandomize=True, max_examples=100, deadline=None)
@given(content=st.binary(max_size=80))
def test_any_list_is_read_or_refused_in_one_line(tmp_path_factory, content) -> None:
    file = tmp_path_factory.mktemp("fuzz") / "train.txt"
    file.write_bytes(content)
    try:
        assert all(name and "/" not in name for name in read_names(file))
    except DataError as error:
        assert str(file) in str(error) and "\n" not in str(error)
