"""`difusionseg evaluate` on drawn scenes: files, figures, faults."""

from __future__ import annotations

import csv
import json

import cv2
import numpy as np
import pytest

from difusionseg_core.cli.main import main
from difusionseg_core.data.images import write_png
from difusionseg_core.metrics.fusion import fusion_metrics
from difusionseg_core.metrics.segmentation import confusion_matrix, mean_iou
from difusionseg_core.scenes import draw


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for part in ("vi", "ir", "Segmentation_labels", "boxes"):
        (folder / part).mkdir()
    for seed in range(2):
        frame = draw(seed, size=(96, 128))
        write_png(folder / "vi" / f"{seed}.png", frame.rgb)
        write_png(folder / "ir" / f"{seed}.png", frame.thermal)
        write_png(folder / "Segmentation_labels" / f"{seed}.png", frame.labels)
        (folder / "boxes" / f"{seed}.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    return folder


def evaluate(data, output, weights, *more: str) -> int:
    arguments = ["evaluate", "--data", str(data), "--output", str(output), "--device", "cpu"]
    return main([*arguments, "--model", str(weights), "--steps", "1", *more])


def test_figures_are_those_of_the_pictures_written(data, tmp_path, untrained_weights) -> None:
    output = tmp_path / "results"
    assert evaluate(data, output, untrained_weights, "--baselines") == 0
    report = json.loads((output / "metrics.json").read_text())
    assert report["images"] == 2 and report["problems"] == []
    confusion, qabf = 0, []
    for name in ("0", "1"):
        read = lambda *parts: cv2.imread(str(data.joinpath(*parts)), cv2.IMREAD_UNCHANGED)  # noqa: E731
        truth, mask = (
            read("Segmentation_labels", f"{name}.png"),
            read(output / "mask" / f"{name}.png"),
        )
        confusion = confusion + confusion_matrix(truth, mask, 9)
        rgb, fused = read("vi", f"{name}.png"), read(output / "fused" / f"{name}.png")
        thermal = read("ir", f"{name}.png")
        qabf.append(fusion_metrics(rgb[..., ::-1], thermal, fused[..., ::-1])["Qabf"])
    assert report["segmentation"]["mIoU"] == pytest.approx(mean_iou(confusion))
    assert report["fusion"]["model"]["Qabf"] == pytest.approx(np.mean(qabf))
    assert set(report["fusion"]) == {"model", "visible", "thermal", "average", "maximum"}
    assert set(report["boxes"]["F1"]) == {"person", "bike", "car"}
    with open(output / "per_image.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["0", "1"]
    assert float(rows[0]["Qabf"]) == pytest.approx(qabf[0])


def test_a_camera_can_be_taken_away(data, tmp_path, untrained_weights) -> None:
    for camera in ("rgb", "thermal"):
        assert evaluate(data, tmp_path / camera, untrained_weights, "--without", camera) == 0
    pictures = [cv2.imread(str(tmp_path / name / "fused" / "0.png")) for name in ("rgb", "thermal")]
    assert (pictures[0] != pictures[1]).any()


def test_a_broken_image_is_named_and_skipped(data, tmp_path, untrained_weights, capsys) -> None:
    for part in ("vi", "ir"):
        (tmp_path / "data" / part).mkdir(parents=True)
        for name in ("0.png", "1.png"):
            (tmp_path / "data" / part / name).write_bytes((data / part / name).read_bytes())
    (tmp_path / "data" / "ir" / "0.png").write_bytes(b"\x89PNG but no more")
    assert evaluate(tmp_path / "data", tmp_path / "results", untrained_weights) == 1
    assert "0.png" in capsys.readouterr().err
    report = json.loads((tmp_path / "results" / "metrics.json").read_text())
    assert report["images"] == 1 and len(report["problems"]) == 1
    assert "segmentation" not in report


def test_refusals_leave_nothing(data, tmp_path, untrained_weights, capsys) -> None:
    output = tmp_path / "results"
    assert evaluate(tmp_path / "nowhere", output, untrained_weights) == 1
    assert evaluate(data, output, "none.safetensors") == 1
    assert not output.exists()
    output.mkdir()
    assert evaluate(data, output, untrained_weights) == 1
    assert "exists" in capsys.readouterr().err
