"""`difusionseg predict`: from images, folders, patterns, videos and recordings to results."""

import json
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest

from difusionseg_core import Predictor
from difusionseg_core.cli.main import main
from difusionseg_core.data.image_files import DataError
from difusionseg_core.imaging.video import VideoWriter
from difusionseg_core.objects.detection import DetectedObject
from difusionseg_core.prediction.run import PredictionOptions, predict_pairs
from difusionseg_core.prediction.sources import open_files, open_recording
from difusionseg_core.scenes import Scene
from difusionseg_core.scenes.output import SceneSeries, write_recording

SIZE = 48, 64
BODY = slice(2, 6), slice(1, 5)  # rows and columns of the object that FindsObjects finds


def write_images(folder, *names, grey=100, channels=3):
    for name in names:
        file = folder / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        shape = (*SIZE, channels) if channels == 3 else SIZE
        cv2.imwrite(str(file), np.full(shape, grey, np.uint8))


@pytest.fixture
def pairs(tmp_path):
    """vi and ir with the images a, day/b and night/b."""
    for side in ("vi", "ir"):
        write_images(tmp_path / side, "a", "day/b", "night/b", channels=3 if side == "vi" else 1)
    return tmp_path


@pytest.fixture(scope="module")
def predictor(untrained_weights):
    return Predictor.from_pretrained(untrained_weights, device="cpu", backend="torch", steps=1)


def names(source):
    return [pair.name for pair in source.pairs]


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_subfolders_are_searched(pairs):
    source = open_files(str(pairs / "vi"), str(pairs / "ir"))
    assert source.total == 3 and names(source) == ["a", "day/b", "night/b"]


@pytest.mark.parametrize(
    ("pattern", "wanted"), [("*.png", ["a"]), ("day/*", ["b"]), ("**/a.*", ["a"])]
)
def test_a_pattern_selects_images(pairs, pattern, wanted):
    source = open_files(str(pairs / "vi" / pattern), str(pairs / "ir" / pattern))
    assert names(source) == wanted


def test_images_without_partner_are_listed_and_the_rest_is_predicted(pairs):
    (pairs / "ir" / "day" / "b.png").unlink()
    write_images(pairs / "ir", "c", channels=1)
    source = open_files(str(pairs / "vi"), str(pairs / "ir"))
    assert names(source) == ["a", "night/b"]
    assert [line.split("/")[-1] for line in source.alone] == [
        "b.png has no thermal partner",
        "c.png has no RGB partner",
    ]


@pytest.mark.parametrize(
    ("rgb", "said"),
    [
        ("none", "there is no file or folder"),
        ("vi/none*", "there are no images at"),
        ("video.mp4", "must be two videos, or none of them"),
    ],
)
def test_missing_inputs_are_named(pairs, rgb, said):
    with pytest.raises(DataError, match=said):
        open_files(str(pairs / rgb), str(pairs / "ir"))


def write_video(path, greys, rate=10):
    with VideoWriter(path, rate) as video:
        for grey in greys:
            video.write(np.full((*SIZE, 3), grey, np.uint8))


def test_two_videos_are_paired_by_image_number(tmp_path):
    write_video(tmp_path / "rgb.mp4", (0, 100, 200))
    write_video(tmp_path / "thermal.mp4", (200, 100))
    source = open_files(str(tmp_path / "rgb.mp4"), str(tmp_path / "thermal.mp4"))
    assert source.total == 2 and source.rate == 10
    assert "3 images" in source.alone[0]
    read = [(pair.name, *pair.read()) for pair in source.pairs]
    assert [name for name, *_ in read] == ["000000", "000001"]
    for (_, rgb, thermal), wanted in zip(read, ((0, 200), (100, 100)), strict=True):
        assert rgb.shape == (*SIZE, 3) and thermal.shape == SIZE
        assert (rgb.mean(), thermal.mean()) == pytest.approx(wanted, abs=8)


def test_videos_of_different_rates_are_refused(tmp_path):
    write_video(tmp_path / "rgb.mp4", (0, 100), rate=30)
    write_video(tmp_path / "thermal.mp4", (0, 100), rate=9)
    with pytest.raises(DataError, match="must have the same rate"):
        open_files(str(tmp_path / "rgb.mp4"), str(tmp_path / "thermal.mp4"))


@pytest.mark.parametrize("content", [None, b"not a video"])
def test_a_video_that_cannot_be_read_is_named(tmp_path, content):
    if content:
        (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(DataError, match="a.mp4"):
        open_files(str(tmp_path / "a.mp4"), str(tmp_path / "a.mp4"))


def test_a_recording_is_paired_by_its_stamps(root):
    source = open_recording(root / "sample")
    pair = next(source.pairs)
    rgb, thermal = pair.read()
    assert rgb.shape[:2] == thermal.shape[:2]
    seconds, nanoseconds = pair.name.split("_")
    assert seconds.isdecimal() and len(nanoseconds) == 9


def predict(pairs, predictor, **options):
    source = open_files(str(pairs / "vi"), str(pairs / "ir"))
    said = []
    counts = predict_pairs(
        source, predictor, PredictionOptions(pairs / "out", **options), said.append
    )
    return counts, said


def test_a_stopped_run_is_continued(pairs, predictor):
    counts, _ = predict(pairs, predictor)
    assert (counts.predicted, counts.skipped) == (3, 0)
    wanted = [
        f"{kind}/{name}.png"
        for kind in ("fused", "mask", "overlay")
        for name in ("a", "day/b", "night/b")
    ]
    assert files_in(pairs / "out") == sorted([*wanted, "objects.json"])
    (pairs / "out" / "mask" / "a.png").unlink()
    counts, _ = predict(pairs, predictor)
    assert (counts.predicted, counts.skipped) == (1, 2)
    counts, _ = predict(pairs, predictor, overwrite=True)
    assert (counts.predicted, counts.skipped) == (3, 0)


def test_a_damaged_image_is_named_and_the_rest_predicted(pairs, predictor):
    (pairs / "ir" / "a.png").write_bytes(b"\x89PNG but no more")
    counts, (line,) = predict(pairs, predictor)
    assert (counts.predicted, counts.failed) == (2, 1) and line.startswith("a: ")


def test_a_video_includes_pairs_finished_before(pairs, predictor):
    predict(pairs, predictor)
    counts, _ = predict(pairs, predictor, video=pairs / "all.mp4")
    assert counts.skipped == 3
    video = cv2.VideoCapture(str(pairs / "all.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 3
    assert video.get(cv2.CAP_PROP_FRAME_WIDTH) == 4 * 480 + 3 * 4


def test_closing_the_window_ends_prediction(pairs, predictor):
    shown = []
    counts, _ = predict(pairs, predictor, show=lambda image: shown.append(image) or False)
    assert counts.predicted == len(shown) == 1


class FindsObjects:
    """Return a predictor that finds one object in each image."""

    def __init__(self, predictor):
        self.label_set = predictor.label_set
        self._predictor = predictor

    def __call__(self, rgb, thermal):
        result = self._predictor(rgb, thermal)
        labels = result.labels.copy()
        labels[BODY] = 2
        found = [DetectedObject(2, 0.9, 1.0, 2.0, 3.5, 4.0)]
        return replace(result, labels=labels, objects=found)


def test_objects_are_written_and_earlier_ones_kept(pairs, predictor):
    predict(pairs, FindsObjects(predictor))
    (pairs / "out" / "mask" / "a.png").unlink()
    predict(pairs, FindsObjects(predictor))
    written = json.loads((pairs / "out" / "objects.json").read_text())
    assert sorted(entry["image"] for entry in written) == ["a", "day/b", "night/b"]
    assert written[0] == {
        "image": written[0]["image"],
        "class": "person",
        "score": 0.9,
        "bbox": [1.0, 2.0, 3.5, 4.0],
    }


def test_objects_of_a_recording_have_ids_and_temperatures(tmp_path, predictor):
    series = SceneSeries(scenes=1, frames=4, seed=876, conditions=("day",), size=(96, 128))
    write_recording(series, tmp_path / "street", "mcap", quality=80, workers=1)
    options = PredictionOptions(tmp_path / "out")

    def written():
        predict_pairs(open_recording(tmp_path / "street"), FindsObjects(predictor), options, print)
        return json.loads((tmp_path / "out" / "objects.json").read_text())

    entries = written()
    assert [entry.get("id") for entry in entries] == [None, 1, 1, 1]
    degrees = Scene(876, (96, 128), "day").frame().degrees[BODY]
    assert entries[0]["mean"] == pytest.approx(degrees.mean(), abs=0.06)
    assert entries[0]["maximum"] == pytest.approx(degrees.max(), abs=0.06)
    for file in ("1_200000000", "1_300000000"):
        (tmp_path / "out" / "mask" / f"{file}.png").unlink()
    assert [entry.get("id") for entry in written()] == [None, 1, None, 2]  # 1 stays that of before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give --rgb and --thermal, or a recording"),
        (["rec.mcap", "--rgb", "vi"], "not both"),
        (["--rgb", "vi", "--thermal", "ir", "--undistort"], "needs a recording with camera_info"),
        (["--rgb", "vi", "--thermal", "ir", "--registration", "none.yaml"], "none.yaml"),
    ],
)
def test_contradictions_are_refused_in_one_line(pairs, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(pairs)
    assert main(["predict", *arguments, "--output", "out"]) == 1
    assert said in capsys.readouterr().err and not (pairs / "out").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have a display")
def test_without_a_display_show_says_so(pairs, monkeypatch, capsys):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    given = ["--rgb", str(pairs / "vi"), "--thermal", str(pairs / "ir"), "--output", "out"]
    assert main(["predict", *given, "--show"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "--show needs a display, and there is none" in line


def test_the_version_is_printed(capsys):
    with pytest.raises(SystemExit) as exit:
        main(["--version"])
    assert exit.value.code == 0 and capsys.readouterr().out.startswith("difusionseg ")
