"""Exported models name their classes, in every format."""

from __future__ import annotations

import pytest
import torch

from difusionseg_core import Predictor, create_model
from difusionseg_core.backends.export import export_file
from difusionseg_core.checkpoints.weights_file import ModelInfo, save_weights
from difusionseg_core.classes import LabelSet
from difusionseg_core.classes.class_colors import display_palette

NAMES = ("ground", "forklift", "pallet", "Gabelstapler größer")
OWN = LabelSet("yard", NAMES, display_palette(NAMES))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("own") / "own.safetensors"
    save_weights(create_model("lite", 4), path, ModelInfo("lite", 4, label_set=OWN))
    return path


@pytest.mark.parametrize("format, ending", [("onnx", "onnx"), ("openvino", "xml"), ("torch", "pt")])
def test_exported_models_name_their_classes(weights, tmp_path, format, ending) -> None:
    export_file(weights, tmp_path / f"own.{ending}", format)
    assert Predictor(tmp_path / f"own.{ending}").label_set == OWN
