"""Names, colours and background of classes in weights files and exported models."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from difusionseg_core import Predictor, create_model
from difusionseg_core.checkpoints.checkpoint_file import MODEL_INFO
from difusionseg_core.checkpoints.published_names import to_published
from difusionseg_core.checkpoints.weights_file import (
    ModelInfo,
    load_model,
    load_model_and_info,
    save_weights,
    start_from,
)
from difusionseg_core.classes import FMB, MSRS, LabelSet, label_set_of
from difusionseg_core.classes.class_colors import display_palette
from difusionseg_core.cli.main import main
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


PALETTE = [[0, 0, 0], [255, 128, 0], [128, 64, 0], [0, 128, 255]]
PAINTED = LabelSet("best", NAMES, tuple(map(tuple, PALETTE)), None)
CHOSEN = LabelSet("yard", NAMES, display_palette(NAMES, None), None)


def checkpoint(path, meta: dict, num_classes: int = 4, model: str = "lite", zipped=True) -> dict:
    """Save a checkpoint as mmcv does, with NumPy scalars in `meta`; return its weights."""
    torch.manual_seed(3)
    weights = create_model(model, num_classes).state_dict()
    weights = to_published(weights) if model == "paper" else dict(weights)
    meta = {"mmseg_version": "0.29", "hook_msgs": {"best_score": np.float64(0.5)}, **meta}
    content = {"meta": meta, "state_dict": weights, "optimizer": {}}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return weights


def converted(path) -> LabelSet:
    target = path.with_suffix(".safetensors")
    assert main(["convert", str(path), str(target), "--overwrite"]) == 0
    return load_model_and_info(target)[1].classes


@pytest.mark.parametrize(
    "meta",
    [
        {"CLASSES": NAMES, "PALETTE": PALETTE},
        {"CLASSES": list(NAMES), "PALETTE": [tuple(color) for color in PALETTE]},
        {"dataset_meta": {"classes": NAMES, "palette": PALETTE}},
        {"dataset_meta": {"CLASSES": NAMES, "PALETTE": PALETTE}, "CLASSES": None},
    ],
    ids=["mmcv", "lists", "mmengine", "mmengine rc"],
)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_the_classes_of_mmcv_are_kept(tmp_path, meta, zipped, capsys, caplog) -> None:
    checkpoint(tmp_path / "best.pth", meta, zipped=zipped)
    assert converted(tmp_path / "best.pth") == PAINTED
    assert f"lite, 4 classes ({', '.join(NAMES)})" in capsys.readouterr().out
    assert not caplog.records


def test_published_weights_and_classes_come_back_byte_for_byte(tmp_path) -> None:
    meta = {"CLASSES": NAMES, "PALETTE": PALETTE}
    weights = checkpoint(tmp_path / "best.pth", meta, model="paper")
    assert converted(tmp_path / "best.pth") == PAINTED
    back = tmp_path / "back.pth"
    assert main(["convert", str(tmp_path / "best.safetensors"), str(back)]) == 0
    content = torch.load(back, weights_only=True)
    assert content["meta"] == meta
    assert content["state_dict"].keys() == weights.keys()
    for name, value in weights.items():
        assert content["state_dict"][name].numpy().tobytes() == value.numpy().tobytes()


def test_other_spellings_of_known_classes_are_known(tmp_path) -> None:
    names = [name.replace("_", " ").title() for name in MSRS.class_names]
    names[0] = "Background"
    checkpoint(tmp_path / "msrs.pth", {"CLASSES": names}, 9)
    assert converted(tmp_path / "msrs.pth") == MSRS
    palette = [[number, 0, 0] for number in range(9)]
    checkpoint(tmp_path / "msrs.pth", {"CLASSES": names, "PALETTE": palette}, 9)
    label_set = converted(tmp_path / "msrs.pth")
    assert label_set.has_same_classes(MSRS) and label_set.palette[8] == (8, 0, 0)


@pytest.mark.parametrize(
    ("meta", "said", "expected"),
    [
        ({}, None, label_set_of(4)),
        ({"CLASSES": None}, None, label_set_of(4)),
        ({"CLASSES": NAMES[:3]}, "3 names for the 4 classes", label_set_of(4)),
        ({"CLASSES": ["a", "a", "b", "c"]}, "two classes are named 'a'", label_set_of(4)),
        ({"CLASSES": ["a", 1, "b", "c"]}, "1 is not a name", label_set_of(4)),
        ({"CLASSES": ["a", np.str_("d"), "b", "c"]}, "is not a name", label_set_of(4)),
        ({"CLASSES": NAMES, "PALETTE": PALETTE[:3]}, "palette of 4 colours", CHOSEN),
        ({"CLASSES": NAMES, "PALETTE": "random"}, "colours are not used", CHOSEN),
        ({"CLASSES": NAMES, "PALETTE": np.array(PALETTE)}, "colours are not used", CHOSEN),
    ],
)
def test_classes_that_cannot_be_used_are_named(tmp_path, meta, said, expected, caplog) -> None:
    checkpoint(tmp_path / "yard.pth", meta)
    with caplog.at_level(logging.WARNING):
        assert converted(tmp_path / "yard.pth") == expected
    assert (said in caplog.text) if said else not caplog.records


@pytest.mark.parametrize("missing", ["num_classes", "model", "scaled_head", None])
def test_a_damaged_description_of_a_training_is_refused(tmp_path, missing, capsys) -> None:
    description = dict(ModelInfo("lite", 4).metadata())
    if missing:
        del description[missing]
    else:
        description["classes"] = np.float64(1)  # a placeholder, once read
    weights = {f"model.{k}": v for k, v in create_model("lite", 4).state_dict().items()}
    torch.save({"state_dict": weights, MODEL_INFO: description}, tmp_path / "best.ckpt")
    target = tmp_path / "lite.safetensors"
    assert main(["convert", str(tmp_path / "best.ckpt"), str(target)]) == 1
    said = capsys.readouterr().err
    assert "best.ckpt" in said and "description" in said and said.count("\n") == 1
    assert not target.exists()
