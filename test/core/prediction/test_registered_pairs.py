"""All commands compute the same registered pair from one registration.yaml."""

import cv2
import numpy as np
import pytest

from difusionseg_core import Predictor, scenes
from difusionseg_core.cli.main import main
from difusionseg_core.data.folder import open_data_set
from difusionseg_core.data.frames import read_frame
from difusionseg_core.imaging.alignment import Calibration
from difusionseg_core.imaging.calibration_files import calibration_yaml
from difusionseg_core.imaging.camera_settings import read_still_settings
from difusionseg_core.recordings.rosbag2 import RecordingWriter
from difusionseg_core.training.data.pair_dataset import PairDataset

MOVED = np.array([[2.1, 0, 6], [0, 2.1, -9], [0, 0, 1.0]])  # thermal to RGB pixels


def lens(width, height, distortion):
    focal, x, y = 0.8 * width, width / 2, height / 2
    return Calibration(
        width,
        height,
        "plumb_bob",
        (distortion, 0.0, 0.0, 0.0, 0.0),
        (focal, 0, x, 0, focal, y, 0, 0, 1),
        (1, 0, 0, 0, 1, 0, 0, 0, 1),
        (focal, 0, x, 0, 0, focal, y, 0, 0, 0, 1, 0),
    )


LENSES = lens(640, 480, -0.15), lens(320, 240, -0.1)


def seen_through(camera, image):
    """Distort an image as the lens does."""
    height, width = image.shape[:2]
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    places = np.column_stack([columns.ravel(), rows.ravel()])
    places = camera.rectified_points(places, width, height).reshape(height, width, 2)
    return cv2.remap(image, places.astype(np.float32), None, cv2.INTER_LINEAR)


@pytest.fixture(scope="module")
def taken():
    """(RGB, thermal counts of 16 bits, ids) of two cameras with lenses, not registered."""
    frames = []
    for seed in (1, 2, 3):
        drawn = scenes.draw(seed, (480, 640), "day")
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        thermal = cv2.warpPerspective(drawn.thermal, MOVED, (320, 240), flags=flags)
        counts = 7000 + 10 * seen_through(LENSES[1], thermal).astype(np.uint16)
        frames.append((seen_through(LENSES[0], drawn.rgb), counts, drawn.labels))
    return frames


@pytest.fixture(scope="module")
def registered(taken, tmp_path_factory):
    """The folder with a data set in `data`, the lenses, and `found/registration.yaml`."""
    folder = tmp_path_factory.mktemp("registered")
    for side in ("vi", "ir", "Segmentation_labels"):
        (folder / "data" / side).mkdir(parents=True)
    for number, (rgb, counts, labels) in enumerate(taken):
        images = {"vi": rgb[..., ::-1], "ir": counts, "Segmentation_labels": labels}
        for side, image in images.items():
            cv2.imwrite(str(folder / "data" / side / f"{number}.png"), image)
    given = []
    for side, camera in zip(("rgb", "thermal"), LENSES, strict=True):
        (folder / f"{side}.yaml").write_text(calibration_yaml(camera))
        given += [f"--{side}-calibration", str(folder / f"{side}.yaml")]
    given += ["--thermal-mode", "fixed", "--thermal-low", "7000", "--thermal-high", "9550"]
    assert main(["register", str(folder / "data"), "--output", str(folder / "found"), *given]) == 0
    return folder


def test_lens_distortion_is_removed_before_registering(registered) -> None:
    found = read_still_settings(registered / "found" / "registration.yaml")
    assert found.undistort and (found.rgb, found.thermal_camera) == LENSES
    assert found.thermal.mode == "fixed" and found.thermal.high == 9550.0
    ends = np.array([[[0, 0]], [[320, 0]], [[320, 240]], [[0, 240]]], np.float64)
    matrix = np.reshape(found.thermal_to_rgb, (3, 3))
    off = cv2.perspectiveTransform(ends, matrix) - cv2.perspectiveTransform(ends, MOVED)
    assert np.linalg.norm(off, axis=2).max() < 3


def test_camera_info_of_a_recording_is_used_as_calibration(taken, tmp_path) -> None:
    with RecordingWriter(tmp_path / "drive") as writer:
        for side, camera in zip(("rgb", "thermal"), LENSES, strict=True):
            info = f"/{side}/camera_info"
            writer.write_camera_info(info, 1, side, camera.width, camera.height, camera)
        for number, (rgb, counts, _) in enumerate(taken, start=1):
            writer.write_image("/rgb/image", number * 10**9, "rgb", rgb, "rgb8")
            writer.write_image("/thermal/image", number * 10**9, "thermal", counts, "mono16")
    output = tmp_path / "found"
    assert main(["register", str(tmp_path / "drive"), "--output", str(output)]) == 0
    found = read_still_settings(output / "registration.yaml")
    assert found.undistort and found.rgb.d == LENSES[0].d


def test_one_calibration_alone_is_refused(registered, tmp_path, capsys) -> None:
    given = ["--rgb-calibration", str(registered / "rgb.yaml"), "--output", str(tmp_path / "out")]
    assert main(["register", str(registered / "data"), *given]) == 1
    assert "give both" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_all_commands_see_the_same_pair(registered, tmp_path, untrained_weights) -> None:
    data, file = registered / "data", registered / "found" / "registration.yaml"
    model = ["--model", str(untrained_weights), "--device", "cpu", "--backend", "torch"]
    model += ["--steps", "1", "--precision", "float32", "--registration", str(file)]
    seen, scored = tmp_path / "seen", tmp_path / "scored"
    sides = ["--rgb", str(data / "vi"), "--thermal", str(data / "ir")]
    assert main(["predict", *sides, "--output", str(seen), *model]) == 0
    assert main(["evaluate", "--data", str(data), "--output", str(scored), *model]) == 0
    cameras = read_still_settings(file)
    trained = PairDataset(data, cameras=cameras)
    predictor = Predictor.from_pretrained(
        untrained_weights, device="cpu", backend="torch", precision="float32", steps=1
    )
    for index, pair in enumerate(open_data_set(data).with_cameras(cameras).pairs):
        for kind in ("mask", "fused"):
            files = [folder / kind / f"{pair.name}.png" for folder in (seen, scored)]
            assert np.array_equal(*(cv2.imread(str(image)) for image in files))
        frame, sample = read_frame(pair, trained.label_set), trained.sample(index)
        assert np.array_equal(frame.rgb, sample.rgb)
        assert np.array_equal(frame.thermal, sample.thermal)
        assert np.array_equal(frame.labels, sample.labels)
        mask = cv2.imread(str(seen / "mask" / f"{pair.name}.png"), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(predictor(sample.rgb, sample.thermal).labels, mask)
