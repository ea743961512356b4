"""Names, colours and background of classes in weights files and exported models."""

from __future__ import annotations

import json
import logging

import pytest
import torch
from safetensors.torch import load_file, save_file

from difusionseg_core import Predictor, create_model
from difusionseg_core.checkpoints.weights_file import (
    ModelInfo,
    load_model,
    load_model_and_info,
    save_weights,
    start_from,
)
from difusionseg_core.classes import FMB, MSRS, LabelSet
from difusionseg_core.classes.class_colors import display_palette
from difusionseg_core.predictor import find_weights

NAMES = ("ground", "forklift", "pallet", "worker")
OWN = LabelSet("yard", NAMES, display_palette(NAMES), None)


def save(path, label_set: LabelSet | None, num_classes: int = 4, model: str = "lite"):
    torch.manual_seed(1)
    network = create_model(model, num_classes)
    save_weights(network, path, ModelInfo(model, num_classes, label_set=label_set))
    return network


def strip_classes(path) -> None:
    """Make a weights file as versions without class names wrote it."""
    metadata = load_model_and_info(path)[1].metadata()
    del metadata["classes"]
    save_file(load_file(path), path, metadata)


def test_weights_name_their_classes(tmp_path) -> None:
    save(tmp_path / "own.safetensors", OWN)
    model, info = load_model_and_info(tmp_path / "own.safetensors")
    assert info.classes == OWN == model.label_set
    predictor = Predictor(tmp_path / "own.safetensors", backend="torch")
    assert predictor.label_set == OWN


@pytest.mark.parametrize(("count", "expected"), [(9, MSRS), (15, FMB)])
def test_weights_without_names_get_the_classes_of_msrs_or_fmb(
    tmp_path, caplog, count, expected
) -> None:
    save(tmp_path / "old.safetensors", None, count)
    strip_classes(tmp_path / "old.safetensors")
    with caplog.at_level(logging.WARNING):
        assert load_model(tmp_path / "old.safetensors").label_set == expected
    assert not caplog.records


def test_other_weights_without_names_get_numbers_and_a_warning(tmp_path, caplog) -> None:
    save(tmp_path / "old.safetensors", None)
    strip_classes(tmp_path / "old.safetensors")
    label_set = load_model(tmp_path / "old.safetensors").label_set
    assert label_set.class_names == ("unlabelled", "class_1", "class_2", "class_3")
    assert "old.safetensors does not name its 4 classes" in caplog.text


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ("{", "damaged"),
        ("[]", "damaged"),
        (json.dumps({"names": ["a", "b"]}), "names 2 classes, its model has 4"),
        (json.dumps({"names": ["a", "a", "b", "c"]}), "two classes are named 'a'"),
    ],
)
def test_damaged_names_are_refused(tmp_path, classes, said) -> None:
    path = tmp_path / "damaged.safetensors"
    save(path, OWN)
    save_file(load_file(path), path, load_model_and_info(path)[1].metadata() | {"classes": classes})
    with pytest.raises(ValueError, match=said) as caught:
        load_model(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino", "torch"])
def test_shipped_files_have_the_classes_of_msrs(backend) -> None:
    assert Predictor(find_weights("lite"), backend=backend).label_set == MSRS


def test_starting_with_other_classes_copies_all_but_the_heads(tmp_path, caplog) -> None:
    source = save(tmp_path / "own.safetensors", OWN).state_dict()
    torch.manual_seed(2)
    model = create_model("lite", 12)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert start_from(model, tmp_path / "own.safetensors") == OWN
    after = model.state_dict()
    new = [name for name in before if before[name].shape != source[name].shape]
    assert any("classifier" in name for name in new) and "class_embedding.weight" in new
    for name, tensor in after.items():
        assert torch.equal(tensor, before[name] if name in new else source[name]), name
    assert "has 4 classes, this model 12" in caplog.text
    assert all(name in caplog.text for name in new)


def test_starting_with_equal_classes_copies_everything_without_a_log_line(tmp_path, caplog) -> None:
    source = save(tmp_path / "own.safetensors", OWN).state_dict()
    model = create_model("lite", 4)
    start_from(model, tmp_path / "own.safetensors")
    assert all(torch.equal(tensor, source[name]) for name, tensor in model.state_dict().items())
    assert not caplog.records


def test_starting_from_another_network_is_refused(tmp_path) -> None:
    save(tmp_path / "own.safetensors", OWN)
    with pytest.raises(ValueError, match="not fit the model"):
        start_from(create_model("paper", 4), tmp_path / "own.safetensors")
