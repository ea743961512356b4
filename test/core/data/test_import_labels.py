"""Masks from COCO, labelme and CVAT annotations, and refusals."""

from __future__ import annotations

import base64
import json

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from difusionseg_core.cli.main import main
from difusionseg_core.data.annotation_files import read_annotations
from difusionseg_core.data.data_yaml import read_data_yaml
from difusionseg_core.data.image_files import DataError, read_rgb
from difusionseg_core.data.label_files import read_labels

HEIGHT, WIDTH = 20, 30
SQUARE = [4, 4, 14, 4, 14, 12, 4, 12]  # x, y: rows 4 to 11, columns 4 to 13
INNER = [6, 6, 10, 6, 10, 10, 6, 10]
EXPECTED = np.zeros((HEIGHT, WIDTH), np.uint8)
EXPECTED[4:12, 4:14] = 1
EXPECTED[6:10, 6:10] = 2


def coco() -> dict:
    return {
        "images": [{"id": 5, "file_name": "night/a.jpg", "height": HEIGHT, "width": WIDTH}],
        "categories": [{"id": 3, "name": "forklift"}, {"id": 9, "name": "pallet"}],
        "annotations": [
            {"id": 1, "image_id": 5, "category_id": 9, "segmentation": [INNER], "area": 16},
            {"id": 2, "image_id": 5, "category_id": 3, "segmentation": [SQUARE], "area": 80},
        ],
    }


def in_pairs(values: list[int]) -> list[list[float]]:
    return [[float(x), float(y)] for x, y in zip(values[::2], values[1::2], strict=True)]


def labelme() -> dict:
    return {
        "imagePath": "..\\images\\a.jpg",
        "imageHeight": HEIGHT,
        "imageWidth": WIDTH,
        "shapes": [
            {"label": "forklift", "shape_type": "polygon", "points": in_pairs(SQUARE)},
            {"label": "pallet", "shape_type": "rectangle", "points": [[6, 6], [10, 10]]},
            {"label": "pallet", "shape_type": "line", "points": [[0, 0], [9, 9]]},
        ],
    }


def cvat(second: str = "") -> str:
    square, inner = (";".join(f"{x},{y}" for x, y in in_pairs(part)) for part in (SQUARE, INNER))
    return f"""<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version>
<meta><job><labels>
  <label><name>forklift</name><color>#102030</color></label>
  <label><name>pallet</name><color>#405060</color></label></labels></job></meta>
<image id="0" name="night/a.jpg" width="{WIDTH}" height="{HEIGHT}">
  <polygon label="pallet" points="{inner}" z_order="1"/>
  <polygon label="forklift" points="{square}" z_order="0"/>
  <tag label="pallet"/>{second}</image></annotations>"""


def export(folder, kind: str):
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "cvat":
        file = folder / "annotations.xml"
        file.write_text(cvat())
    else:
        file = folder / "a.json"
        file.write_text(json.dumps({"coco": coco, "labelme": labelme}[kind]()))
    return file


def run(*arguments) -> int:
    return main(["import-labels", *map(str, arguments)])


@pytest.mark.parametrize("kind", ["coco", "labelme", "cvat"])
def test_masks_and_their_classes(tmp_path, capsys, kind) -> None:
    file = export(tmp_path / "export", kind)
    assert run(file, "--output", tmp_path / "yard") == 0
    label_set = read_data_yaml(tmp_path / "yard" / "data.yaml").label_set
    assert label_set.class_names == ("background", "forklift", "pallet")
    if kind == "cvat":
        assert label_set.palette == ((0, 0, 0), (16, 32, 48), (64, 80, 96))
    mask = read_labels(tmp_path / "yard" / "labels" / "a.png", label_set)
    assert np.array_equal(mask, EXPECTED)
    printed = capsys.readouterr()
    assert "1 masks of 3 classes" in printed.out
    assert ("a line has no region" in printed.err) == (kind == "labelme")


def test_the_imported_data_set_is_read(tmp_path) -> None:
    for part in ("rgb", "thermal"):
        (tmp_path / part).mkdir()
        assert cv2.imwrite(str(tmp_path / part / "a.png"), np.ones((HEIGHT, WIDTH), np.uint8))
    assert run(export(tmp_path / "export", "coco"), "--output", tmp_path) == 0
    assert main(["check-data", str(tmp_path), "--output", str(tmp_path / "checked")]) == 0
    (report,) = json.loads((tmp_path / "checked" / "report.json").read_text())
    assert [one["pixels"] for one in report["classes"]] == [HEIGHT * WIDTH - 80, 64, 16]
    assert read_rgb(tmp_path / "checked" / "samples.png").size


@pytest.mark.parametrize("kind", ["list", "string"])
def test_run_lengths_of_coco(tmp_path, kind) -> None:
    from pycocotools import mask as coco_mask

    covered = np.asfortranarray(EXPECTED == 2)
    runs: dict = coco_mask.encode(covered.astype(np.uint8, order="F"))
    if kind == "string":
        runs["counts"] = runs["counts"].decode()
    else:
        columns = covered.ravel(order="F")
        edges = np.flatnonzero(np.diff(columns.astype(int))) + 1
        runs["counts"] = np.diff([0, *edges.tolist(), columns.size]).tolist()
    content = coco()
    content["annotations"][0]["segmentation"] = runs
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert run(tmp_path / "a.json", "--output", tmp_path) == 0
    assert np.array_equal(read_labels(tmp_path / "labels" / "a.png"), EXPECTED)


def test_drawn_masks_of_labelme_and_cvat(tmp_path) -> None:
    drawn = np.ones((4, 4), np.uint8)
    content = labelme()
    content["shapes"][1] = {
        "label": "pallet",
        "shape_type": "mask",
        "points": [[6, 6], [9, 9]],
        "mask": base64.b64encode(cv2.imencode(".png", drawn)[1].tobytes()).decode(),
    }
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert run(tmp_path / "a.json", "--output", tmp_path / "labelme") == 0
    assert np.array_equal(read_labels(tmp_path / "labelme" / "labels" / "a.png"), EXPECTED)
    mask = '<mask label="pallet" rle="0, 4" left="20" top="1" width="2" height="2" z_order="2"/>'
    box = '<box label="forklift" xtl="24" ytl="10" xbr="28" ybr="14" rotation="90"/>'
    (tmp_path / "a.xml").write_text(cvat(mask + box))
    assert run(tmp_path / "a.xml", "--output", tmp_path / "cvat") == 0
    expected = EXPECTED.copy()
    expected[1:3, 20:22], expected[10:14, 24:28] = 2, 1
    assert np.array_equal(read_labels(tmp_path / "cvat" / "labels" / "a.png"), expected)


def test_labels_are_the_classes_of_a_data_yaml_that_exists(tmp_path, capsys) -> None:
    file = export(tmp_path / "export", "coco")
    described = tmp_path / "data.yaml"
    described.write_text(yaml.safe_dump({"names": ["Pallet", "FORK LIFT", "x"], "labels": "gt"}))
    assert run(file, "--output", tmp_path) == 1
    assert "the label 'forklift' is not a class of" in capsys.readouterr().err
    assert run(file, "--output", tmp_path, "--ignore", "forklift") == 0
    mask = read_labels(tmp_path / "gt" / "a.png")
    assert np.array_equal(mask, np.where(EXPECTED == 1, 255, 0))
    before = described.read_bytes()
    assert run(file, "--output", tmp_path, "--ignore", "forklift") == 1
    assert "gt/a.png exists already; nothing was written" in capsys.readouterr().err
    assert described.read_bytes() == before


def test_a_folder_of_labelme_files(tmp_path) -> None:
    for name in ("a", "b"):
        (tmp_path / "export" / "deep").mkdir(parents=True, exist_ok=True)
        content = labelme() | {"imagePath": f"{name}.jpg"}
        (tmp_path / "export" / "deep" / f"{name}.json").write_text(json.dumps(content))
    assert run(tmp_path / "export", "--output", tmp_path / "yard") == 0
    assert sorted(file.name for file in (tmp_path / "yard" / "labels").iterdir()) == [
        "a.png",
        "b.png",
    ]


def changed(content: dict, *path, value) -> dict:
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not valid JSON"),
        ([], "expected an object"),
        ({}, "neither COCO, which has images, annotations, categories, nor labelme"),
        (changed(coco(), "annotations", 0, "category_id", value=7), "not valid COCO: '7' is miss"),
        (
            changed(coco(), "annotations", 0, "segmentation", value=[[1, 2, 3, 4, 5, 6, 7]]),
            "three points",
        ),
        (changed(coco(), "annotations", 0, "segmentation", value="x"), "not valid COCO"),
        (changed(coco(), "images", 0, "height", value=10**9), "is not an image size"),
        (changed(coco(), "images", 0, "height", value=None), "not valid COCO"),
        (
            changed(
                coco(), "annotations", 0, "segmentation", value={"size": [2, 2], "counts": [4]}
            ),
            "is not that of the image",
        ),
        (
            changed(
                coco(),
                *("annotations", 0, "segmentation"),
                value={"size": [HEIGHT, WIDTH], "counts": [4]},
            ),
            "run lengths do not have the pixels",
        ),
        (changed(labelme(), "shapes", value=3), "not a valid labelme file"),
        (cvat('<mask label="x" rle="0,3" left="0" top="0" width="2" height="2"/>'), "2x2 pixels"),
        (cvat()[:-20], "not valid XML"),
        ("<annotations><track/></annotations>", "not 'CVAT for images 1.1'"),
    ],
)
def test_refused_annotations_write_nothing(tmp_path, capsys, content, said) -> None:
    is_xml = isinstance(content, str) and content.startswith("<")
    file = tmp_path / ("a.xml" if is_xml else "a.json")
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    assert run(file, "--output", tmp_path / "yard") == 1
    printed = capsys.readouterr().err
    assert said in printed and printed.count("\n") == 1
    left = [path for path in (tmp_path / "yard").rglob("*") if path.is_file()]
    assert not left


@pytest.mark.parametrize(
    "content",
    [
        changed(coco(), "annotations", 0, "segmentation", value=[[1, 2, 3, 4]]),
        changed(coco(), "annotations", 0, "segmentation", value=[]),
        changed(labelme(), "shapes", 0, "points", value=[[0, 0], [4, 4]]),
        cvat('<polygon label="forklift" points="1,2;3,4"/>'),
    ],
    ids=["coco", "coco box", "labelme", "cvat"],
)
def test_shapes_without_an_area_are_skipped_with_a_line(tmp_path, capsys, content) -> None:
    file = tmp_path / ("a.xml" if isinstance(content, str) else "a.json")
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    assert run(file, "--output", tmp_path / "yard") == 0
    assert "no region" in capsys.readouterr().err
    assert list((tmp_path / "yard" / "labels").iterdir())


VALUES = st.recursive(
    st.none() | st.integers(-5, 40) | st.text(max_size=3) | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(
    content=st.sampled_from([coco, labelme]),
    key=st.sampled_from(["images", "categories", "annotations", "shapes", "imagePath"]),
    part=st.sampled_from([None, "id", "segmentation", "points", "label", "name", "height"]),
    value=VALUES,
)
def test_any_content_is_read_or_refused(tmp_path_factory, content, key, part, value) -> None:
    data = content()
    if part and isinstance(data.get(key), list):
        data[key][0][part] = value
    else:
        data[key] = value
    file = tmp_path_factory.mktemp("fuzz") / "a.json"
    file.write_text(json.dumps(data))
    try:
        read_annotations(file)
    except DataError as error:
        assert str(file) in str(error) and "\n" not in str(error)
