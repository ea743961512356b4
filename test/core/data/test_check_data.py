"""`difusionseg check-data`: counts, problems and page, on generated data sets."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from difusionseg_core.classes import MSRS
from difusionseg_core.cli.main import main
from difusionseg_core.data.image_files import read_rgb

SIZE = (40, 60)


def write(path, image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def make_split(folder, names, brightness=100) -> None:
    """Write frames whose upper half is car, with one ignored pixel."""
    labels = np.zeros(SIZE, np.uint8)
    labels[:20] = 1
    labels[39, 59] = 255
    for name in names:
        write(folder / "vi" / f"{name}.png", np.full((*SIZE, 3), brightness, np.uint8))
        write(folder / "ir" / f"{name}.png", np.full(SIZE, 50, np.uint8))
        write(folder / "Segmentation_labels" / f"{name}.png", labels)


def check(*arguments) -> tuple[int, list[dict]]:
    """Exit status and report of a run with `--output` as the last argument."""
    status = main(["check-data", *map(str, arguments)])
    return status, json.loads((arguments[-1] / "report.json").read_text())


def test_counts(tmp_path, capsys) -> None:
    make_split(tmp_path / "train", ("1D", "2N", "3N"))
    (tmp_path / "train" / "boxes").mkdir()
    (tmp_path / "train" / "boxes" / "1D.txt").write_text("2 0.5 0.2 0.5 0.2\n0 0.5 0.5 0.1 0.1\n")
    write(tmp_path / "train" / "Segmentation_labels" / "3N.png", np.zeros(SIZE, np.uint8))
    status, (report,) = check(tmp_path, "--split", "train", "--output", tmp_path / "out")
    assert status == 0 and report["problems"] == []
    assert report["pairs"] == 3 and report["sizes"] == {"40x60": 3}
    assert (report["day"], report["night"], report["day_night_by"]) == (1, 2, "names")
    car, person = report["classes"][1:3]
    labelled = 3 * 40 * 60 - 2
    assert car == {
        "label": 1,
        "name": "car",
        "pixels": 2400,
        "share": pytest.approx(2400 / labelled),
        "images": 2,
        "boxes": 1,
    }
    assert person["pixels"] == 0 and person["boxes"] == 1
    assert report["ignored"] == pytest.approx(2 / 7200)
    said = capsys.readouterr().out
    assert "3 pairs in the layout of MSRS" in said and "problems: none" in said


def test_all_splits_by_default_and_a_page_of_them(tmp_path) -> None:
    make_split(tmp_path / "train", ("a", "b"), brightness=150)
    make_split(tmp_path / "test_night", ("c",), brightness=150)
    status, reports = check(tmp_path, "--output", tmp_path / "out")
    assert status == 0 and [report["split"] for report in reports] == ["train", "test_night"]
    assert [report["day_night_by"] for report in reports] == ["brightness", "split"]
    assert [report["night"] for report in reports] == [0, 1]
    page = read_rgb(tmp_path / "out" / "samples.png")
    assert page.shape[1] == 3 * 320 + 2 * 4
    car = (150 + np.array(MSRS.display_palette[1])) / 2  # half image, half the class's colour
    top = page[28 + 4 + 20, 2 * 324 + 160]
    assert np.abs(top - car).max() <= 1 and (page[28 + 4 + 200, 2 * 324 + 160] == 150).all()


def test_dark_images_are_night_if_nothing_else_is_known(tmp_path) -> None:
    make_split(tmp_path, ("a", "b"), brightness=20)
    _, (report,) = check(tmp_path, "--output", tmp_path / "out")
    assert (report["day"], report["night"]) == (0, 2)


def test_without_labels(tmp_path, capsys) -> None:
    make_split(tmp_path, ("a",))
    for file in (tmp_path / "Segmentation_labels").iterdir():
        file.unlink()
    status, (report,) = check(tmp_path, "--output", tmp_path / "out")
    assert status == 0 and report["classes"] == [] and report["ignored"] is None
    assert "no labels" in capsys.readouterr().out
    assert read_rgb(tmp_path / "out" / "samples.png").shape[1] == 2 * 320 + 4


def test_every_problem_is_named(tmp_path, capsys) -> None:
    make_split(tmp_path, ("damaged", "fine", "labels", "lost", "size"))
    (tmp_path / "vi" / "damaged.png").write_bytes(b"\x89PNG but no more")
    write(tmp_path / "Segmentation_labels" / "labels.png", np.full(SIZE, 9, np.uint8))
    (tmp_path / "ir" / "lost.png").unlink()
    write(tmp_path / "ir" / "size.png", np.zeros((20, 30), np.uint8))
    status, (report,) = check(tmp_path, "--output", tmp_path / "out")
    assert status == 1 and report["sizes"] == {"40x60": 1}
    lost, damaged, labels, size = report["problems"]
    assert lost == "ir lacks lost"
    assert "damaged.png cannot be read" in damaged
    assert "labels.png" in labels and labels.endswith("found 9")
    assert size.startswith("size: ") and "20x30" in size
    said = capsys.readouterr().out
    assert all(f"problem: {problem}\n" in said for problem in report["problems"])
    assert (tmp_path / "out" / "samples.png").is_file()


def test_a_class_that_is_also_ignored_is_noted(tmp_path, capsys) -> None:
    make_split(tmp_path, ("a",))
    (tmp_path / "data.yaml").write_text("names: [ground, car]\nignore: [0, 255]\n")
    assert main(["check-data", str(tmp_path)]) == 0
    assert "note: id 0 is a class, ground, and ignored" in capsys.readouterr().out


def test_nothing_usable_still_gives_a_report(tmp_path) -> None:
    make_split(tmp_path, ("a",))
    (tmp_path / "ir" / "a.png").write_bytes(b"no picture")
    status, (report,) = check(tmp_path, "--output", tmp_path / "out")
    assert status == 1 and len(report["problems"]) == 1
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["report.json"]


def test_other_folders_are_refused_in_one_line(tmp_path, capsys) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        assert main(["check-data", str(path), "--output", str(tmp_path / "out")]) == 1
        said = capsys.readouterr().err.strip()
        assert said.startswith("difusionseg: ") and "\n" not in said
    assert not (tmp_path / "out").exists()
