"""`difusionseg compare`: differences, intervals, and refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest

from difusionseg_core.cli.main import main
from difusionseg_core.data.frames import DataSetFrame
from difusionseg_core.data.image_files import write_png
from difusionseg_core.evaluation.comparison import compare
from difusionseg_core.evaluation.comparison_images import difference_figures
from difusionseg_core.evaluation.data_sets.image_scores import (
    ImageScores,
    MaskCounts,
    ScoredImages,
    score_image,
)
from difusionseg_core.evaluation.data_sets.result_store import Store, read_results

KEYS = ["EN", "SD", "SF", "AG", "MI", "SCD", "CC", "VIF", "Qabf", "SSIM", "MS_SSIM", "PSNR", "MSE"]


def evaluation(accuracy: float, seed: int, images: int = 40, gain: float = 0.0):
    """Two classes; each image has 1000 pixels of each, about `accuracy` of them right."""
    rng = np.random.default_rng(seed)
    scores = []
    for number in range(images):
        right = rng.binomial(1000, accuracy, 2)
        confusion = np.array([[right[0], 1000 - right[0]], [1000 - right[1], right[1]]])
        masks = {"model": MaskCounts(confusion, np.zeros((2, 4), np.int64))}
        fusion = {"model": dict.fromkeys(KEYS, 0.5 + number / 100 + gain)}
        scores.append(ImageScores(f"{number:03}", masks=masks, fusion=fusion))
    return scores


def store(folder, scores) -> None:
    results = Store(folder, {"model": folder.name})
    for one in scores:
        results.add(one)
    results.finish([one.name for one in scores], {})


def test_scores_are_the_same_after_writing_and_reading(tmp_path):
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (40, 50, 3), np.uint8)
    labels = rng.integers(0, 9, (40, 50), np.uint8)
    frame = DataSetFrame("a", rgb, rgb[..., 0].copy(), labels, [])
    output = ScoredImages(rgb, labels[::-1].copy(), rng.random((40, 50), np.float32))
    scores = score_image(frame, {"model": output}, 9, fusion_baselines=True, seconds=0.1)
    store(tmp_path / "a", [scores])
    (read,) = read_results(tmp_path / "a")
    assert read.to_json() == scores.to_json()


def test_a_better_model_is_found_better():
    comparison = compare({"a": evaluation(0.80, 1), "b": evaluation(0.85, 2)})
    one = comparison.differences["mIoU"]["b"]
    assert comparison.images == 40
    assert one.value == comparison.scores["mIoU"]["b"] - comparison.scores["mIoU"]["a"]
    assert 0 < one.low < one.value < one.high
    assert one.better > 35 and one.better + one.worse <= one.images == 40


def test_the_interval_matches_the_paired_differences():
    """Images differ a lot, but the gain is equal on all: the difference is certain."""
    comparison = compare({"a": evaluation(0.8, 1), "b": evaluation(0.8, 1, gain=0.01)})
    one = comparison.differences["Qabf"]["b"]
    assert (one.low, one.value, one.high) == pytest.approx((0.01, 0.01, 0.01))
    assert (one.better, one.worse) == (40, 0)
    error = comparison.differences["MSE"]["b"]  # lower is better
    assert (error.better, error.worse) == (0, 40)


def test_intervals_have_their_nominal_coverage():
    """The spread of resampled means is the standard error."""
    first, second = evaluation(0.8, 3, 200), evaluation(0.8, 4, 200)
    one = compare({"a": first, "b": second}).differences["accuracy"]["b"]
    gains = [
        (np.trace(b.masks["model"].confusion) - np.trace(a.masks["model"].confusion)) / 2000
        for a, b in zip(first, second, strict=True)
    ]
    standard_error = np.std(gains) / np.sqrt(len(gains))
    assert one.high - one.low == pytest.approx(2 * 1.96 * standard_error, rel=0.1)


def test_comparisons_are_reproducible_and_equal_evaluations_do_not_differ():
    runs = [compare({"a": evaluation(0.8, 1), "b": evaluation(0.8, 2)}) for _ in range(2)]
    assert runs[0] == runs[1]
    equal = compare({"a": evaluation(0.8, 1), "b": evaluation(0.8, 1)})
    for of_metric in equal.differences.values():
        assert (of_metric["b"].value, of_metric["b"].low, of_metric["b"].high) == (0, 0, 0)


def test_only_common_images_are_compared():
    comparison = compare({"a": evaluation(0.8, 1, 10), "b": evaluation(0.8, 1, 6)})
    assert (comparison.images, comparison.left_out) == (6, 4)
    assert comparison.differences["mIoU"]["b"].value == 0


def test_the_command_prints_and_writes(tmp_path, capsys):
    for name, accuracy in (("first", 0.8), ("second", 0.9), ("third", 0.7)):
        store(tmp_path / name, evaluation(accuracy, 5))
    folders = [str(tmp_path / name) for name in ("first", "second", "third")]
    assert main(["compare", *folders, "--output", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert "second against first" in text and "better" in text and "worse" in text
    written = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert written["differences"]["mIoU"]["second"]["value"] > 0
    assert written["differences"]["mIoU"]["third"]["value"] < 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "comparison.json",
        "report.html",
        "report.md",
        "pictures",
    }


def test_refusals(tmp_path, capsys):
    store(tmp_path / "a", evaluation(0.8, 1, 3))
    store(tmp_path / "b", [ImageScores("elsewhere")])
    (tmp_path / "c").mkdir()
    for folders, complaint in (
        (["a"], "at least two"),
        (["a", "a"], "named twice"),
        (["a", "b"], "no image in common"),
        (["a", "c"], "is not an evaluation"),
        (["a", "nothing"], "is not an evaluation"),
    ):
        out = tmp_path / "out"
        names = [str(tmp_path / folder) for folder in folders]
        assert main(["compare", *names, "--output", str(out)]) == 1
        errors = capsys.readouterr().err
        assert complaint in errors and errors.count("\n") == 1
        assert not out.exists()
    (tmp_path / "a" / "per_image.jsonl").write_text("{")
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 1
    assert "damaged" in capsys.readouterr().err


def test_results_of_several_recordings_are_read_with_their_names(tmp_path):
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name in ("drive", "ride"):
        store(folder / name, evaluation(0.8, 1, images=2))
    (folder / "summary.json").write_text("{}")
    assert [one.name for one in read_results(folder)] == [
        *("drive/000", "drive/001", "ride/000", "ride/001")
    ]


def test_objects_are_compared_with_an_interval():
    pytest.importorskip("pycocotools")
    kept, lost = evaluation(0.8, 1, images=12), evaluation(0.8, 1, images=12)
    for number, (one, other) in enumerate(zip(kept, lost, strict=True)):
        one.true_boxes = other.true_boxes = [(2, 10, 10, 20, 40)]
        one.objects = {"model": [(2, 0.9, 10, 10, 20, 40)]}
        other.objects = {"model": one.objects["model"] if number % 2 else []}
    difference = compare({"kept": kept, "lost": lost}).differences["AP50"]["lost"]
    assert difference.value == pytest.approx(51 / 101 - 1)
    assert difference.low < difference.value < difference.high < 0


def test_images_that_gained_and_lost_most_are_shown(tmp_path):
    labels = np.zeros((48, 64), np.uint8)
    labels[10:30, 10:30] = 2
    for part in ("vi", "ir", "Segmentation_labels"):
        (tmp_path / "data" / part).mkdir(parents=True)
    results = {"first": [], "second": []}
    for name, right in (("a", "first"), ("b", "second")):
        rgb = np.full((48, 64, 3), 90, np.uint8)
        write_png(tmp_path / "data" / "vi" / f"{name}.png", rgb)
        write_png(tmp_path / "data" / "ir" / f"{name}.png", rgb[..., 0])
        write_png(tmp_path / "data" / "Segmentation_labels" / f"{name}.png", labels)
        frame = DataSetFrame(name, rgb, rgb[..., 0], labels, None)
        for key, scores in results.items():
            mask = labels if key == right else np.roll(labels, 9, axis=1)
            (tmp_path / key / "mask").mkdir(parents=True, exist_ok=True)
            write_png(tmp_path / key / "mask" / f"{name}.png", mask)
            scores.append(score_image(frame, {"model": ScoredImages(labels=mask)}, 9))
    for key in results:
        run = {"options": {"data": str(tmp_path / "data"), "split": None}}
        (tmp_path / key / "run.json").write_text(json.dumps(run))
    comparison = compare(results)
    folders = {key: tmp_path / key for key in results}
    legend, gained, lost = difference_figures(comparison, folders, "second")
    assert "person" in [str(entry) for entry in legend.entries]
    assert gained.caption.startswith("b: mIoU_without_0 +")
    assert lost.caption.startswith("a: mIoU_without_0 -")
    (tmp_path / "second" / "run.json").unlink()
    (line,) = difference_figures(comparison, folders, "second")
    assert line.startswith("Images are not shown: ")
