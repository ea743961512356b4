"""Data-set folders: pairs by name, and one-line messages about faults."""

import cv2
import numpy as np
import pytest

from difusionseg_core.data.folder import open_data_set
from difusionseg_core.data.image_files import DataError, read_rgb, read_thermal
from difusionseg_core.data.label_files import read_labels

COLOUR = np.full((6, 8, 3), (10, 20, 30), np.uint8)


@pytest.fixture
def folder(tmp_path):
    for part in ("vi", "ir", "Segmentation_labels"):
        (tmp_path / part).mkdir()
    for name in ("b", "a", "c"):
        cv2.imwrite(str(tmp_path / "vi" / f"{name}.png"), COLOUR[..., ::-1])
        cv2.imwrite(str(tmp_path / "ir" / f"{name}.png"), np.full((6, 8), 7, np.uint8))
        cv2.imwrite(
            str(tmp_path / "Segmentation_labels" / f"{name}.png"), np.ones((6, 8), np.uint8)
        )
    return tmp_path


def test_pairs_come_in_order_of_their_names(folder):
    pairs = open_data_set(folder).pairs
    assert [pair.name for pair in pairs] == ["a", "b", "c"]
    assert (read_rgb(pairs[0].visible) == COLOUR).all()
    assert (read_thermal(pairs[0].thermal) == 7).all()
    assert (read_labels(pairs[0].labels) == 1).all()


def test_endings_may_differ_and_labels_may_be_missing(folder):
    (folder / "ir" / "a.png").unlink()
    cv2.imwrite(str(folder / "ir" / "a.bmp"), np.full((6, 8), 9, np.uint8))
    for file in (folder / "Segmentation_labels").iterdir():
        file.unlink()
    (folder / "Segmentation_labels").rmdir()
    first = open_data_set(folder).pairs[0]
    assert first.thermal.name == "a.bmp" and first.labels is None


def test_thermal_images_keep_their_depth_and_lose_their_colours(folder):
    deep = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1000
    cv2.imwrite(str(folder / "ir" / "a.png"), deep)
    assert (read_thermal(folder / "ir" / "a.png") == deep).all()
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8)
    cv2.imwrite(str(folder / "ir" / "b.png"), np.dstack([grey] * 3))
    assert (read_thermal(folder / "ir" / "b.png") == grey).all()


def test_missing_partners_are_named(folder):
    (folder / "ir" / "b.png").unlink()
    with pytest.raises(DataError, match=r"ir lacks b$"):
        open_data_set(folder)
    (folder / "vi" / "b.png").unlink()
    with pytest.raises(DataError) as caught:
        cv2.imwrite(str(folder / "vi" / "d.png"), COLOUR)
        open_data_set(folder)
    assert "lacks d" in str(caught.value)


def test_folders_that_do_not_fit(folder, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(DataError, match="no folder of RGB images .*, found nothing;"):
        open_data_set(empty)
    (empty / "vi").mkdir()
    with pytest.raises(DataError, match="empty.* no folder of thermal images .*, found vi;"):
        open_data_set(empty)
    (empty / "ir").mkdir()
    with pytest.raises(DataError, match="vi holds no images: expected .png, .*, found nothing$"):
        open_data_set(empty)
    cv2.imwrite(str(empty / "vi" / "a.png"), COLOUR)
    with pytest.raises(DataError, match="ir holds no images: .* found nothing$"):
        open_data_set(empty)
    with pytest.raises(DataError, match="there is no folder .*nowhere$"):
        open_data_set(empty / "nowhere")


def test_a_damaged_image_is_named(folder):
    file = folder / "vi" / "a.png"
    file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(DataError, match="a.png cannot be read"):
        read_rgb(file)


@pytest.mark.parametrize("parts", [("Train", "Test"), ("set00/V000", "set00/V001")])
def test_a_folder_of_data_sets_names_them(tmp_path, parts):
    for part in parts:
        for side in ("Visible", "lwir"):
            (tmp_path / part / side).mkdir(parents=True)
    with pytest.raises(DataError, match="holds data sets: name one of them, such as") as caught:
        open_data_set(tmp_path)
    assert all(str(tmp_path / part) in str(caught.value) for part in parts)
