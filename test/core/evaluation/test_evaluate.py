"""`difusionseg evaluate` on synthetic scenes: files, figures, faults."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from difusionseg_core.classes import MSRS
from difusionseg_core.cli.main import main
from difusionseg_core.data.frames import read_frame
from difusionseg_core.data.image_files import write_png
from difusionseg_core.evaluation.data_sets.result_store import Store
from difusionseg_core.metrics import average_precision
from difusionseg_core.metrics.fusion import fusion_metrics
from difusionseg_core.metrics.segmentation import confusion_matrix, mean_iou
from difusionseg_core.scenes import draw

NAMES = ("00001D", "00002N", "00003N")
FINAL_FILES = ("metrics.json", "per_image.csv")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for part in ("vi", "ir", "Segmentation_labels", "boxes"):
        (folder / part).mkdir()
    for seed, name in enumerate(NAMES):
        frame = draw(seed, size=(96, 128))
        write_png(folder / "vi" / f"{name}.png", frame.rgb)
        write_png(folder / "ir" / f"{name}.png", frame.thermal)
        write_png(folder / "Segmentation_labels" / f"{name}.png", frame.labels)
        (folder / "boxes" / f"{name}.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    return folder


@pytest.fixture
def copy(data, tmp_path):
    """Copy the data to a folder that the test may change."""
    return shutil.copytree(data, tmp_path / "copy")


@pytest.fixture(scope="module")
def results(data, tmp_path_factory, untrained_weights):
    """Run an evaluation without interruption."""
    output = tmp_path_factory.mktemp("evaluated") / "results"
    assert evaluate(data, output, untrained_weights) == 0
    return output


def evaluate(data, output, weights, *more: str) -> int:
    arguments = ["evaluate", "--data", str(data), "--output", str(output), "--device", "cpu"]
    return main([*arguments, "--model", str(weights), "--steps", "1", *more])


def score(data, output, *more: str) -> int:
    """Without a model."""
    return main(["evaluate", "--data", str(data), "--output", str(output), *map(str, more)])


def report_of(output) -> dict:
    return json.loads((output / "metrics.json").read_text())


def last_line(capsys) -> str:
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_metrics_match_the_written_images(data, tmp_path, untrained_weights) -> None:
    output = tmp_path / "results"
    assert evaluate(data, output, untrained_weights, "--baselines") == 0
    report = report_of(output)
    assert report["images"] == len(NAMES) and report["problems"] == []
    confusion, qabf = 0, []
    for name in NAMES:
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
    assert report["segmentation"]["confusion"] == confusion.tolist()
    assert report["fusion"]["model"]["Qabf"] == pytest.approx(np.mean(qabf))
    assert set(report["fusion"]) == {"model", "visible", "thermal", "average", "maximum"}
    assert set(report["boxes"]["F1"]) == {"person", "bike", "car"}
    assert set(report["baselines"]) == {"visible", "thermal"}
    assert 0 <= report["calibration"]["ECE"] <= 1
    with (output / "per_image.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == list(NAMES)
    assert float(rows[0]["Qabf"]) == pytest.approx(qabf[0])


def test_a_camera_can_be_withheld(data, tmp_path, untrained_weights, results) -> None:
    for camera in ("rgb", "thermal"):
        assert evaluate(data, tmp_path / camera, untrained_weights, "--without", camera) == 0
    pictures = [
        cv2.imread(str(tmp_path / name / "fused" / f"{NAMES[0]}.png"))
        for name in ("rgb", "thermal")
    ]
    assert (pictures[0] != pictures[1]).any()
    assert evaluate(data, tmp_path / "all", untrained_weights, "--baselines") == 0
    alone = report_of(tmp_path / "all")["baselines"]
    assert alone["thermal"]["segmentation"] == report_of(tmp_path / "rgb")["segmentation"]
    assert alone["visible"]["boxes"] == report_of(tmp_path / "thermal")["boxes"]
    assert report_of(tmp_path / "all")["segmentation"] == report_of(results)["segmentation"]


def test_batches_give_the_results_of_single_images(
    data, tmp_path, untrained_weights, results
) -> None:
    """Several images at once, as on a GPU; a batch holds images of one size."""
    from difusionseg_core import Predictor
    from difusionseg_core.data.folder import open_data_set
    from difusionseg_core.evaluation.data_sets import data_set_run

    predictor = Predictor.from_pretrained(untrained_weights, device="cpu", steps=1)
    pairs = open_data_set(data).pairs
    frames = [read_frame(pair, MSRS) for pair in pairs]
    small = replace(frames[0], rgb=frames[0].rgb[:64], thermal=frames[0].thermal[:64])
    broken = data_set_run.Failure("broken", "broken")
    mixed = [*frames[:2], small, broken, frames[2]]
    batches = list(data_set_run._batches(mixed, 8))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert [len(batch) for batch in data_set_run._batches(frames, 2)] == [2, 1]
    together = data_set_run._predict(predictor, frames, {"model": None})
    for pair, (outputs, seconds) in zip(pairs, together, strict=True):
        alone = cv2.imread(str(results / "mask" / f"{pair.name}.png"), cv2.IMREAD_UNCHANGED)
        assert (outputs["model"].labels == alone).mean() > 0.999 and seconds > 0


def test_day_and_night_and_other_groups(copy, tmp_path, untrained_weights, capsys) -> None:
    (tmp_path / "rain.txt").write_text(f"{NAMES[0]}.png\n{NAMES[2]}\nelsewhere\n")
    (copy / "tunnel").mkdir()
    shutil.copy(copy / "vi" / f"{NAMES[1]}.png", copy / "tunnel")
    groups = "--groups", str(tmp_path / "rain.txt"), str(copy / "tunnel")
    assert evaluate(copy, tmp_path / "results", untrained_weights, *groups) == 0
    report = report_of(tmp_path / "results")
    counts = {name: group["images"] for name, group in report["groups"].items()}
    assert counts == {"day": 1, "night": 2, "rain": 2, "tunnel": 1}
    confusion = sum(
        np.array(report["groups"][group]["segmentation"]["confusion"]) for group in ("day", "night")
    )
    assert confusion.tolist() == report["segmentation"]["confusion"]
    (tmp_path / "snow.txt").write_text("elsewhere\n")
    again = evaluate(
        copy, tmp_path / "b", untrained_weights, "--groups", str(tmp_path / "snow.txt")
    )
    assert again == 1 and "snow.txt" in last_line(capsys)
    assert not list(tmp_path.glob("b*"))


def test_finished_images_score_like_the_models_own(data, tmp_path, results) -> None:
    pictures = "--mask", results / "mask", "--fused", results / "fused"
    assert score(data, tmp_path / "theirs", *pictures) == 0
    theirs, ours = report_of(tmp_path / "theirs"), report_of(results)
    for key in ("segmentation", "boxes", "fusion", "groups"):
        for group in theirs["groups"].values():
            group.pop("calibration", None)
        for group in ours["groups"].values():
            group.pop("calibration", None)
        assert theirs[key] == ours[key]
    assert "calibration" not in theirs and not (tmp_path / "theirs" / "mask").exists()
    assert score(data, tmp_path / "fused", "--fused", results / "fused") == 0
    assert "segmentation" not in report_of(tmp_path / "fused")


def test_the_true_mask_scores_1(data, tmp_path) -> None:
    assert score(data, tmp_path / "truth", "--mask", data / "Segmentation_labels") == 0
    scores = report_of(tmp_path / "truth")["segmentation"]
    for key in ("mIoU", "mAcc", "accuracy", "fwIoU", "boundary_F1"):
        assert scores[key] == scores["without_class_0"][key] == 1


def test_boxes_of_another_folder(data, tmp_path) -> None:
    (tmp_path / "boxes").mkdir()
    (tmp_path / "boxes" / f"{NAMES[1]}.txt").write_text("2 0.25 0.5 0.5 1\n")
    masks = tmp_path / "masks"
    masks.mkdir()
    car_on_the_left = np.zeros((96, 128), np.uint8)
    car_on_the_left[:, :64] = 1
    for name in NAMES:
        write_png(masks / f"{name}.png", car_on_the_left)
    assert score(data, tmp_path / "out", "--mask", masks, "--boxes", tmp_path / "boxes") == 0
    boxes = report_of(tmp_path / "out")["boxes"]
    assert boxes["images"] == 1 and boxes["F1"]["car"] == 1 and boxes["boxes"]["person"] == 0


def test_a_stopped_run_continues(data, tmp_path, untrained_weights, results, monkeypatch) -> None:
    output, add = tmp_path / "results", Store.add

    def add_and_stop(store, scores):
        add(store, scores)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Store, "add", add_and_stop)
        assert evaluate(data, output, untrained_weights) == 130
    unfinished = tmp_path / "results.unfinished"
    assert not output.exists()
    with (unfinished / "per_image.jsonl").open("a") as file:
        file.write('{"name": "00002N", "maps": {"mod')  # as after a kill
    made = unfinished / "mask" / f"{NAMES[0]}.png"
    before = made.stat().st_mtime_ns
    assert evaluate(data, output, untrained_weights) == 0
    assert (output / "mask" / f"{NAMES[0]}.png").stat().st_mtime_ns == before
    assert not unfinished.exists()
    for name in FINAL_FILES:
        assert (output / name).read_bytes() == (results / name).read_bytes()
    assert {path.name for path in output.iterdir()} == {path.name for path in results.iterdir()}
    for folder in ("mask", "fused"):
        for name in NAMES:
            same = [(base / folder / f"{name}.png").read_bytes() for base in (output, results)]
            assert same[0] == same[1]


def test_a_killed_run_leaves_no_process_and_continues(data, tmp_path, untrained_weights) -> None:
    many, names = tmp_path / "many", [f"{number:05}" for number in range(10)]
    for part in ("vi", "ir", "Segmentation_labels"):
        (many / part).mkdir(parents=True)
        for number, name in enumerate(names):
            shutil.copy(data / part / f"{NAMES[number % 3]}.png", many / part / f"{name}.png")
    waits = many / "vi" / f"{names[8]}.png"
    waits.unlink()
    os.mkfifo(waits)  # nothing writes to it: the run waits here
    output, kept = tmp_path / "results", tmp_path / "results.unfinished" / "per_image.jsonl"
    command = [sys.executable, "-m", "difusionseg_core.cli.main", "evaluate", "--device", "cpu"]
    command += ["--data", many, "--output", output, "--model", untrained_weights, "--steps", "1"]
    process = subprocess.Popen(command, start_new_session=True)
    while not (kept.is_file() and kept.stat().st_size):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    while _lives(process.pid):  # pytest's timeout ends it
        time.sleep(0.05)
    waits.unlink()
    shutil.copy(data / "vi" / f"{NAMES[8 % 3]}.png", waits)
    assert evaluate(many, output, untrained_weights) == 0
    assert report_of(output)["images"] == 10


def _lives(session: int) -> bool:
    """Return whether a process of the session is running."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, of_process = stat.read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
        if int(of_process) == session and state != "Z":
            return True
    return False


def test_a_run_with_other_options_does_not_continue(
    data, tmp_path, untrained_weights, monkeypatch, capsys
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Store, "finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert evaluate(data, tmp_path / "results", untrained_weights) == 130
    assert evaluate(data, tmp_path / "results", untrained_weights, "--without", "rgb") == 1
    assert "without None" in last_line(capsys)
    assert evaluate(data, tmp_path / "results", untrained_weights) == 0


def test_a_broken_image_is_named_and_skipped(copy, tmp_path, untrained_weights, capsys) -> None:
    (copy / "ir" / f"{NAMES[0]}.png").write_bytes(b"\x89PNG but no more")
    small = np.zeros((50, 60), np.uint8)
    write_png(copy / "Segmentation_labels" / f"{NAMES[1]}.png", small)
    assert evaluate(copy, tmp_path / "results", untrained_weights) == 1
    errors = capsys.readouterr().err
    assert f"{NAMES[0]}.png" in errors and f"{NAMES[1]}: expected images of one size" in errors
    report = report_of(tmp_path / "results")
    assert report["images"] == 1 and len(report["problems"]) == 2
    assert NAMES[0] in (tmp_path / "results" / "report.html").read_text()


def test_wrong_masks_are_named_and_skipped(data, tmp_path, results, capsys) -> None:
    masks = shutil.copytree(results / "mask", tmp_path / "masks")
    write_png(masks / f"{NAMES[0]}.png", np.full((96, 128), 9, np.uint8))
    write_png(masks / f"{NAMES[2]}.png", np.zeros((96, 64), np.uint8))
    assert score(data, tmp_path / "out", "--mask", masks) == 1
    errors = capsys.readouterr().err
    assert f"{NAMES[0]}: class ids must be below 9" in errors
    assert f"{NAMES[2]}: the mask is (96, 64) but the RGB image (96, 128)" in errors
    for name in NAMES:
        write_png(masks / f"{name}.png", np.zeros((5, 5), np.uint8))
    assert score(data, tmp_path / "none", "--mask", masks) == 1
    assert "no image" in last_line(capsys)
    assert not list(tmp_path.glob("none*"))


def test_refusals_leave_nothing(copy, tmp_path, untrained_weights, results, capsys) -> None:
    output = tmp_path / "results"
    assert evaluate(tmp_path / "nowhere", output, untrained_weights) == 1
    assert evaluate(copy, output, "none.safetensors") == 1
    assert evaluate(copy, output, untrained_weights, "--mask", str(results / "mask")) == 1
    assert "omit --model" in last_line(capsys)
    assert score(copy, output, "--fused", tmp_path / "nothing") == 1
    (tmp_path / "few").mkdir()
    write_png(tmp_path / "few" / f"{NAMES[0]}.png", np.zeros((96, 128), np.uint8))
    assert score(copy, output, "--mask", tmp_path / "few") == 1
    assert f"lacks {NAMES[1]}, {NAMES[2]}" in last_line(capsys)
    assert score(copy, output, "--mask", results / "mask", "--boxes", tmp_path / "few") == 1
    assert "no box file" in last_line(capsys)
    shutil.rmtree(copy / "Segmentation_labels")
    shutil.rmtree(copy / "boxes")
    assert score(copy, output, "--mask", results / "mask") == 1
    assert "no ground truth" in last_line(capsys)
    assert not list(tmp_path.glob("results*"))
    output.mkdir()
    assert evaluate(copy, output, untrained_weights) == 1
    assert "exists" in last_line(capsys)


def test_without_ground_truth_only_fused_images_are_scored(
    copy, tmp_path, untrained_weights, capsys
) -> None:
    shutil.rmtree(copy / "Segmentation_labels")
    shutil.rmtree(copy / "boxes")
    assert evaluate(copy, tmp_path / "results", untrained_weights) == 0
    assert "only fused images are scored" in capsys.readouterr().out
    report = report_of(tmp_path / "results")
    assert "fusion" in report and not {"segmentation", "boxes", "calibration"} & report.keys()


def test_finished_objects_are_scored_against_the_boxes(data, tmp_path, capsys) -> None:
    entries = [
        {"image": name, "class": "person", "score": 0.9, "bbox": [51.2, 28.8, 25.6, 38.4]}
        for name in NAMES[:2]
    ]
    (tmp_path / "objects.json").write_text(json.dumps(entries))
    output = tmp_path / "results"
    assert score(data, output, "--objects", tmp_path / "objects.json", "--boxes") == 0
    found = report_of(output)["objects"]
    assert found["boxes"] == {"person": 3, "bike": 0, "car": 0}
    # Two of three found: precision 1 up to a recall of 2/3.
    assert found["AP50"] == found["AP50_by_class"]["person"] == pytest.approx(67 / 101)
    assert "AP50 0.6634 (person 0.663)" in capsys.readouterr().out
    groups = report_of(output)["groups"]
    assert groups["day"]["objects"]["AP50"] == 1.0
    assert "Objects" in (output / "report.html").read_text()


def test_boxes_that_cannot_be_scored_are_an_error_if_asked_for(
    copy, tmp_path, results, monkeypatch, capsys
) -> None:
    mask = ("--mask", results / "mask")
    monkeypatch.setattr(average_precision, "is_available", lambda: False)
    assert score(copy, tmp_path / "none", *mask, "--boxes") == 1
    assert "needs pycocotools: pip install pycocotools" in last_line(capsys)
    assert score(copy, tmp_path / "some", *mask) == 0
    shutil.rmtree(copy / "boxes")
    assert score(copy, tmp_path / "none", *mask, "--boxes") == 1
    assert "has no box files" in last_line(capsys)
    assert not list(tmp_path.glob("none*"))
