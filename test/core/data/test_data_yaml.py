"""data.yaml: custom classes and folders, known data sets, and refusals."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from difusionseg_core.classes import FMB, MSRS, LabelSet
from difusionseg_core.classes.class_colors import display_palette
from difusionseg_core.cli.main import main
from difusionseg_core.data.data_yaml import find_layout, read_data_yaml, shipped_layouts
from difusionseg_core.data.folder import find_data_set, list_splits, open_data_set
from difusionseg_core.data.frames import read_frame
from difusionseg_core.data.image_files import DataError

SIZE = (6, 8)
NAMES = ["floor", *(f"thing {number}" for number in range(1, 12))]


def write(path, image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def make(folder, names=("a", "b"), label=11, parts=("rgb", "thermal", "labels")) -> None:
    for name in names:
        write(folder / parts[0] / f"{name}.png", np.full((*SIZE, 3), 90, np.uint8))
        write(folder / parts[1] / f"{name}.png", np.full(SIZE, 50, np.uint8))
        write(folder / parts[2] / f"{name}.png", np.full(SIZE, label, np.uint8))


def describe(folder, **content):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data.yaml").write_text(yaml.safe_dump({"names": NAMES, **content}))
    return folder / "data.yaml"


def labels_of(folder, **options) -> set[int]:
    data_set = open_data_set(folder, **options)
    masks = [read_frame(pair, data_set.label_set).labels for pair in data_set.pairs]
    return set(np.unique(np.stack(masks)).tolist())


@pytest.mark.parametrize("where", ["root", "split", "option", "file"])
def test_custom_classes(tmp_path, where) -> None:
    root = tmp_path / "yard"
    make(root / "train" if where == "split" else root)
    file = describe(tmp_path / "elsewhere" if where == "option" else root)
    path = {"split": root / "train", "file": file}.get(where, root)
    data_set = open_data_set(path, classes=file if where == "option" else None)
    expected = LabelSet(data_set.label_set.name, tuple(NAMES), display_palette(NAMES))
    assert data_set.label_set == expected and data_set.label_set.num_classes == 12
    assert len(data_set.pairs) == 2
    assert read_frame(data_set.pairs[0], data_set.label_set).labels.max() == 11


def test_names_by_id_palette_and_background(tmp_path) -> None:
    palette = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    file = describe(
        tmp_path, names={2: "c", 0: "a", 1: "b"}, palette=palette, background="b", name="Own", nc=3
    )
    expected = LabelSet("Own", ("a", "b", "c"), ((1, 2, 3), (4, 5, 6), (7, 8, 9)), 1)
    assert read_data_yaml(file).label_set == expected
    describe(tmp_path, names=["a", "b"], background=None)
    assert read_data_yaml(file).label_set.background is None


def test_ids_are_mapped_and_ignored(tmp_path) -> None:
    make(tmp_path, names=("a",), label=0)
    mask = np.zeros(SIZE, np.uint16)
    mask[0, :5] = 7, 1001, 255, 40, 3
    write(tmp_path / "labels" / "a.png", mask)
    describe(tmp_path, map={7: 5, 1001: 6, 40: None}, ignore=3)
    assert "found 255" in refusal(tmp_path)
    describe(tmp_path, map={7: 5, 1001: 6, 40: None}, ignore=[3, 255])
    assert labels_of(tmp_path) == {0, 5, 6, 255}


def test_folders_suffixes_and_splits_as_described(tmp_path) -> None:
    for name in ("1", "2", "3"):
        for suffix, image in (("_c", (*SIZE, 3)), ("_t", SIZE), ("_m", SIZE)):
            write(tmp_path / "all" / f"{name}{suffix}.png", np.ones(image, np.uint8))
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "day.txt").write_text("1\n3\n")
    describe(
        tmp_path,
        visible="all",
        thermal="all",
        labels="all",
        suffixes={"visible": "_c", "thermal": "_t", "labels": "_m"},
        splits={"day": "lists/day.txt"},
    )
    assert list_splits(tmp_path) == ["day"]
    data_set = open_data_set(tmp_path, "day")
    assert [pair.name for pair in data_set.pairs] == ["1", "3"]
    assert data_set.pairs[0].labels.name == "1_m.png"
    assert read_frame(data_set.pairs[0], data_set.label_set).rgb.shape == (*SIZE, 3)
    with pytest.raises(DataError, match="has no split 'night'"):
        open_data_set(tmp_path, "night")


def test_stars_match_sequence_folders(tmp_path) -> None:
    for sequence in ("V000", "V001"):
        for camera, shape in (("visible", (*SIZE, 3)), ("lwir", SIZE)):
            image = np.ones(shape, np.uint8)
            write(tmp_path / "images" / "set00" / sequence / camera / "I0.jpg", image)
        write(tmp_path / "labels" / f"set00_{sequence}_I0.png", np.full(SIZE, 19, np.uint8))
    (tmp_path / "train.txt").write_text("set00_V001_I0.png\n")
    data_set = open_data_set(tmp_path, "train")
    assert data_set.layout.name == "KAIST-pedestrian" and data_set.label_set.num_classes == 19
    (pair,) = data_set.pairs
    assert pair.name == "set00_V001_I0" and pair.thermal.parent.name == "lwir"
    assert (read_frame(pair, data_set.label_set).labels == 255).all()


def test_known_data_sets() -> None:
    layouts = shipped_layouts()
    assert set(layouts) == {
        *("msrs", "mfd", "mfnet", "fmb", "pst900", "kaist-pedestrian", "m3fd"),
    }
    counts = {name: layout.label_set.num_classes for name, layout in layouts.items()}
    assert (counts["msrs"], counts["fmb"], counts["pst900"], counts["m3fd"]) == (9, 15, 5, 7)
    assert find_layout("MSRS").label_set == MSRS and find_layout("fmb").label_set == FMB
    with pytest.raises(DataError, match="no known data set of that name .msrs, "):
        find_layout("nowhere")


def test_pst900_is_recognized_by_its_raw_images_or_named(tmp_path) -> None:
    make(tmp_path, label=4)
    assert open_data_set(tmp_path).label_set is None
    assert open_data_set(tmp_path, classes="pst900").label_set.class_names[4] == "survivor"
    (tmp_path / "thermal_raw").mkdir()
    assert open_data_set(tmp_path).layout.name == "PST900"


def test_classes_of_a_known_data_set_with_other_folders(tmp_path) -> None:
    make(tmp_path, label=14, parts=("Vis", "Ir", "masks"))
    assert open_data_set(tmp_path, classes="fmb").label_set == FMB
    assert labels_of(tmp_path, classes="fmb") == {14}


def test_only_labels_of_unknown_classes_are_refused(tmp_path) -> None:
    make(tmp_path)
    said = refusal(tmp_path)
    assert "classes of the data set are not known" in said and "--write-data-yaml" in said
    for file in (tmp_path / "labels").iterdir():
        file.unlink()
    assert read_frame(open_data_set(tmp_path).pairs[0], None).labels is None


def refusal(folder) -> str:
    """Return the one-line message that refuses the data set or its first frame."""
    with pytest.raises(DataError) as caught:
        labels_of(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("names: [a, a]", "two classes are named 'a'"),
        ("names: [a, no]", "False is not a name; if it is meant as one, quote it"),
        ("names: [a, 3]", "3 is not a name"),
        ("names: {0: a, 2: b}", "add 'map: {2: 1}'"),
        ("names: {a: 0}", "ids must be whole numbers"),
        ("names: 12", "expected a list of class names"),
        ("names: []", "expected a list of class names"),
        ("names: [" + ", ".join(f"c{number}" for number in range(256)) + "]", "1 to 255 classes"),
        ("names: [a, b]\nnc: 3", "nc is 3, but there are 2 names"),
        ("names: [a, b]\npalette: [[0, 0, 0]]", "expected a palette of 2 colours"),
        ("names: [a]\npalette: [[0, 0, 300]]", "0 to 255"),
        ("names: [a]\npalette: [[0, 0]]", "is not .red, green, blue."),
        ("names: [a]\nbackground: b", "'b' is not one of the names"),
        ("names: [a]\nbackground: 1", "background 1 is not a class id"),
        ("names: [a]\nignore: -1", "ignore: expected ids from 0"),
        ("names: [a]\nmap: {7: 1}", "map: 7: 1 is no class id, 0 to 0"),
        ("names: [a]\nmap: [7]", "map: expected a map"),
        ("names: [a]\nvisibel: rgb", "unknown key 'visibel'; did you mean 'visible'?"),
        ("names: [a]\nvisible: 3", "visible: expected a path"),
        ("names: [a]\nsuffixes: {rgb: _c}", "suffixes: expected visible"),
        ("names: [a]\nsplits: {train: 3}", "splits: expected texts"),
        ("map: {7: 1}", "'map' needs 'names'"),
        ("names: [a", "line 1: not valid YAML"),
        ("- a\n- b", "expected keys such as 'names:'"),
        ("", "expected keys such as 'names:'"),
        ("names: [a]\nvisible: rgb2", "has no folder 'rgb2' .visible., found"),
        ("names: [a]\nlabels: masks", "masks holds no images, although it is named"),
        ("names: [a]\nsplits: {train: nowhere.txt}", "no file or folder .*nowhere.txt"),
    ],
)
def test_refusals_name_the_file_and_the_key(tmp_path, content, said) -> None:
    make(tmp_path, label=0)
    (tmp_path / "data.yaml").write_text(content)
    with pytest.raises(DataError, match=said) as caught:
        open_data_set(tmp_path, "train" if "splits" in content else None)
    assert "data.yaml" in str(caught.value) or str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 70000) | st.text(max_size=5) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
KEYS = st.sampled_from(
    ["names", "nc", "palette", "background", "ignore", "map", "visible", "splits"]
)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(content=st.dictionaries(KEYS, VALUES, max_size=4) | VALUES)
def test_any_content_is_read_or_refused_in_one_line(tmp_path_factory, content) -> None:
    file = tmp_path_factory.mktemp("fuzz") / "data.yaml"
    file.write_text(yaml.safe_dump(content))
    check_read_or_refused(file)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(content=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_in_one_line(tmp_path_factory, content) -> None:
    file = tmp_path_factory.mktemp("fuzz") / "data.yaml"
    file.write_bytes(content)
    check_read_or_refused(file)


def check_read_or_refused(file) -> None:
    try:
        layout = read_data_yaml(file)
    except DataError as error:
        assert str(file) in str(error) and "\n" not in str(error)
    else:
        assert layout.label_set is None or layout.label_set.num_classes > 0


def test_a_first_data_yaml_of_ids(tmp_path, capsys) -> None:
    make(tmp_path, label=5)
    write(tmp_path / "labels" / "a.png", np.full(SIZE, 40, np.uint16))
    assert main(["check-data", str(tmp_path)]) == 1  # its classes are not known
    assert main(["check-data", str(tmp_path), "--write-data-yaml"]) == 0
    content = yaml.safe_load((tmp_path / "data.yaml").read_text())
    assert content["map"] == {5: 0, 40: 1} and content["background"] is None
    assert content["names"] == {0: "class_0", 1: "class_1"}
    assert ", 40 in the masks" in (tmp_path / "data.yaml").read_text()
    assert (content["visible"], content["thermal"]) == ("rgb", "thermal")
    assert labels_of(tmp_path) == {0, 1}
    before = (tmp_path / "data.yaml").read_bytes()
    assert main(["check-data", str(tmp_path), "--write-data-yaml"]) == 1
    assert "exists already; nothing was written" in capsys.readouterr().err
    assert (tmp_path / "data.yaml").read_bytes() == before


@pytest.mark.parametrize(("values", "classes"), [((0, 255), 2), ((0, 3), 4), ((0, 1, 255), 2)])
def test_a_first_data_yaml_of_few_ids(tmp_path, values, classes) -> None:
    make(tmp_path, names=("a",))
    mask = np.zeros(SIZE, np.uint8)
    mask[0, : len(values)] = values
    write(tmp_path / "labels" / "a.png", mask)
    assert main(["check-data", str(tmp_path), "--write-data-yaml"]) == 0
    assert open_data_set(tmp_path).label_set.num_classes == classes
    assert labels_of(tmp_path) == ({0, 1} if values == (0, 255) else set(values))


def test_a_first_data_yaml_of_colours_and_splits(tmp_path) -> None:
    make(tmp_path)
    mask = np.zeros((*SIZE, 3), np.uint8)
    mask[0] = 10, 20, 30
    mask[1, 0] = 255
    for name in ("a", "b"):
        write(tmp_path / "labels" / f"{name}.png", mask)
    for split, name in (("train", "a"), ("val", "b")):
        (tmp_path / f"{split}.txt").write_text(name)
    assert main(["check-data", str(tmp_path), "--write-data-yaml"]) == 0
    data_set = open_data_set(tmp_path, "val")
    assert data_set.label_set.palette == ((0, 0, 0), (30, 20, 10))
    labels = read_frame(data_set.pairs[0], data_set.label_set).labels
    assert set(np.unique(labels)) == {0, 1, 255} and labels[0, 3] == 1


def test_folders_without_masks_get_no_data_yaml(tmp_path, capsys) -> None:
    make(tmp_path)
    rng = np.random.default_rng(0)
    write(tmp_path / "labels" / "a.png", rng.integers(0, 256, (60, 60, 3), np.uint8))
    assert main(["check-data", str(tmp_path), "--write-data-yaml"]) == 1
    assert "not masks of class ids" in capsys.readouterr().err
    assert not (tmp_path / "data.yaml").exists()
    assert find_data_set(tmp_path).label_set is None
