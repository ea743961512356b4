"""Twelve custom classes, from a folder of images to a model that names them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml

from difusionseg_core import Predictor
from difusionseg_core.cli.main import main
from difusionseg_core.data.image_files import read_rgb, write_png

NAMES = ["floor", *(f"thing {number}" for number in range(1, 12))]
SIZE = (48, 64)


@pytest.fixture(scope="module")
def yard(tmp_path_factory):
    """Write pairs in the usual folders, as splits, with one description of the classes."""
    rng = np.random.default_rng(0)
    root = tmp_path_factory.mktemp("yard")
    for split, count in (("train", 4), ("val", 2)):
        for part in ("RGB", "Thermal", "masks"):
            (root / split / part).mkdir(parents=True)
        for number in range(count):
            mask = np.zeros(SIZE, np.uint8)
            for label in range(1, 12):
                top, left = divmod(label, 4)
                mask[top * 16 : top * 16 + 12, left * 16 : left * 16 + 12] = label
            rgb = np.stack([mask * 20, mask * 9, 255 - mask * 20], axis=2)
            noise = rng.integers(0, 16, SIZE, np.uint8)
            for part, image in (("RGB", rgb), ("Thermal", mask * 15 + noise), ("masks", mask)):
                write_png(root / split / part / f"{number}.png", image)
    (root / "data.yaml").write_text(yaml.safe_dump({"names": NAMES, "background": "floor"}))
    return root


@pytest.mark.slow
def test_custom_classes_from_a_folder_to_a_model(yard, tmp_path, capsys, brief_training) -> None:
    assert main(["check-data", str(yard), "--output", str(tmp_path / "checked")]) == 0
    reports = json.loads((tmp_path / "checked" / "report.json").read_text())
    assert [[one["name"] for one in report["classes"]] for report in reports] == [NAMES] * 2

    arguments = brief_training(yard, tmp_path / "run")
    assert main([*arguments, "--export=false"]) == 0
    (weights,) = (tmp_path / "run").rglob("*.safetensors")
    card = weights.with_name("model_card.md").read_text()
    assert "12 classes" in card and "thing 11" in card

    exported = tmp_path / "yard.onnx"
    assert main(["export", "--model", str(weights), "--output", str(exported)]) == 0
    for model, backend in ((weights, "torch"), (exported, "auto")):
        predictor = Predictor.from_pretrained(str(model), backend=backend)
        assert list(predictor.label_set.class_names) == NAMES
        assert predictor.label_set.background == 0

    where = yard / "val"
    folders = ["--rgb", str(where / "RGB"), "--thermal", str(where / "Thermal")]
    results = tmp_path / "predicted"
    assert main(["predict", *folders, "--model", str(exported), "--output", str(results)]) == 0
    assert read_rgb(results / "overlay" / "0.png").shape == (*SIZE, 3)
    scored = tmp_path / "scored"
    evaluation = ["evaluate", "--data", str(where), "--model", str(exported)]
    assert main([*evaluation, "--output", str(scored)]) == 0
    metrics = json.loads((scored / "metrics.json").read_text())
    assert set(metrics["segmentation"]["class_IoU"]) <= set(NAMES)
    assert "thing 11" in (scored / "report.html").read_text()
    assert "warning" not in capsys.readouterr().err
