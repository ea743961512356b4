"""Class maps refined by a network and boxes, and averages of trainings."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from difusionseg_core import create_model
from difusionseg_core.checkpoints.weights_file import ModelInfo, load_model, save_weights
from difusionseg_core.cli.main import main
from difusionseg_core.data.boxes import Box
from difusionseg_core.training.refined_labels import refine_labels
from difusionseg_core.training.teacher import class_probabilities

CAR, PERSON, CURVE, CONE = 1, 2, 4, 7
SIZE = (40, 60)
NOTHING = np.zeros(SIZE, np.uint8)


def seen(*objects: tuple[int, tuple[slice, slice], float]) -> np.ndarray:
    """Probabilities (9, H, W) of a network that sees class 0 but for these objects."""
    probabilities = np.zeros((9, *SIZE), np.float32)
    probabilities[0] = 1
    for label, where, probability in objects:
        probabilities[:, where[0], where[1]] = 0
        probabilities[label, where[0], where[1]] = probability
        probabilities[0, where[0], where[1]] = 1 - probability
    return probabilities


BOX = Box(PERSON, left=10, top=5, right=20, bottom=35)
BODY = (slice(6, 34), slice(11, 19))


def test_an_object_is_as_the_network_sees_it_in_its_box() -> None:
    refined = refine_labels(seen((PERSON, BODY, 0.8)), NOTHING, [BOX])
    expected = np.zeros(SIZE, np.uint8)
    expected[BODY] = PERSON
    np.testing.assert_array_equal(refined, expected)


def test_a_pixel_of_which_the_network_is_unsure_is_left_open() -> None:
    probabilities = seen()
    probabilities[:, 30:, 40:] = 1 / 9
    assert (refine_labels(probabilities, NOTHING, [])[30:, 40:] == 255).all()


def test_nothing_is_outside_all_boxes_of_its_class() -> None:
    elsewhere = (slice(5, 35), slice(40, 50))
    probabilities = seen((PERSON, BODY, 0.9), (CAR, elsewhere, 0.9))
    assert (refine_labels(probabilities, NOTHING, [BOX])[elsewhere] == 0).all()


def test_a_picture_without_boxes_is_the_networks_alone() -> None:
    refined = refine_labels(seen((PERSON, BODY, 0.8)), NOTHING, [])
    assert (refined[BODY] == PERSON).all()


def test_an_object_that_the_network_does_not_see_fills_the_middle_of_its_box() -> None:
    refined = refine_labels(seen(), NOTHING, [BOX])
    patch = BOX.inside(refined)
    assert 0.35 < (patch == PERSON).mean() < 0.5
    assert (patch[12:18, 3:7] == PERSON).all()
    assert set(np.unique(patch)) == {PERSON, 255}
    assert np.count_nonzero(refined) == patch.size


def test_an_object_half_seen_keeps_what_is_seen_and_grows_where_it_is_likeliest() -> None:
    head, trunk = (slice(6, 14), slice(12, 18)), (slice(14, 34), slice(12, 18))
    refined = refine_labels(seen((PERSON, head, 0.9), (PERSON, trunk, 0.3)), NOTHING, [BOX])
    patch = BOX.inside(refined)
    assert (refined[head] == PERSON).all() and (patch == PERSON).mean() >= 0.4
    assert set(np.unique(refined[trunk])) <= {PERSON, 255}
    assert (patch[:, 0] == 0).all()  # of what is beside it the network is sure


def test_an_unseen_object_does_not_cover_one_that_is_seen() -> None:
    car = Box(CAR, left=5, top=5, right=25, bottom=35)
    refined = refine_labels(seen((PERSON, BODY, 0.9)), NOTHING, [BOX, car])
    assert (refined[BODY] == PERSON).all() and (refined == CAR).sum() > 100


def test_classes_without_boxes_stay_and_are_not_invented() -> None:
    labels = NOTHING.copy()
    labels[36:, :20] = CURVE
    only_seen = (slice(0, 5), slice(50, 60))
    refined = refine_labels(seen((CONE, only_seen, 0.9)), labels, [BOX])
    assert (refined[36:, :20] == CURVE).all() and (refined[only_seen] == 255).all()


def test_probabilities_of_any_size_are_those_of_all_views() -> None:
    torch.manual_seed(0)
    model = create_model("lite").eval()
    rng = np.random.default_rng(0)
    rgb, thermal = rng.integers(0, 256, (50, 71, 3), np.uint8), rng.integers(0, 256, (50, 71))
    found = class_probabilities(model, rgb, thermal.astype(np.uint8))
    assert found.shape == (9, 50, 71)
    np.testing.assert_allclose(found.sum(0), 1, atol=1e-5)
    np.testing.assert_array_equal(class_probabilities(model, rgb, thermal.astype(np.uint8)), found)


@pytest.fixture
def weights(tmp_path):
    files = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        files.append(tmp_path / f"{seed}.safetensors")
        save_weights(create_model("lite"), files[-1], ModelInfo("lite", 9))
    return files


@pytest.fixture
def pairs(tmp_path):
    folder = tmp_path / "data"
    for part, shape in (("vi", (48, 64, 3)), ("ir", (48, 64)), ("Segmentation_labels", (48, 64))):
        (folder / part).mkdir(parents=True)
        cv2.imwrite(str(folder / part / "a.png"), np.zeros(shape, np.uint8))
    (folder / "boxes").mkdir()
    (folder / "boxes" / "a.txt").write_text("0 0.5 0.5 0.25 0.5\n")
    return folder


def test_refine_labels_makes_a_data_set(pairs, weights, tmp_path, capsys) -> None:
    output = tmp_path / "refined"
    command = ["refine-labels", "--data", str(pairs), "--model", str(weights[0])]
    assert main([*command, "--output", str(output)]) == 0
    labels = cv2.imread(str(output / "Segmentation_labels" / "a.png"), cv2.IMREAD_UNCHANGED)
    assert (labels[12:36, 24:40] == PERSON).mean() >= 0.39
    assert main(["check-data", str(output)]) == 0
    assert "1 pairs" in capsys.readouterr().out


def test_refine_labels_refuses_data_without_boxes(pairs, weights, tmp_path, capsys) -> None:
    (pairs / "boxes" / "a.txt").unlink()
    command = ["refine-labels", "--data", str(pairs), "--model", str(weights[0])]
    assert main([*command, "--output", str(tmp_path / "refined")]) == 1
    assert "a class map and a box file for every pair" in capsys.readouterr().err
    assert not (tmp_path / "refined").exists()


def test_average_is_the_mean_of_every_tensor(weights, tmp_path) -> None:
    output = tmp_path / "mean.safetensors"
    assert main(["average", *map(str, weights), "--output", str(output)]) == 0
    first, second, mean = (load_model(file).state_dict() for file in (*weights, output))
    for name, tensor in mean.items():
        expected = (first[name].double() + second[name].double()) / 2
        torch.testing.assert_close(tensor.double(), expected, rtol=1e-6, atol=1e-7)


def test_average_refuses_files_of_different_models(weights, tmp_path, capsys) -> None:
    other = tmp_path / "other.safetensors"
    save_weights(create_model("lite", 15), other, ModelInfo("lite", 15))
    output = tmp_path / "mean.safetensors"
    assert main(["average", str(weights[0]), str(other), "--output", str(output)]) == 1
    assert "num_classes=15" in capsys.readouterr().err
    assert main(["average", str(weights[0]), "--output", str(output)]) == 1
    assert not output.exists()
