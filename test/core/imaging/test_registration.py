"""Finding the homography between the cameras, on generated scenes, and applying it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import yaml

from difusionseg_core import scenes
from difusionseg_core.cli.main import main
from difusionseg_core.imaging.alignment import Alignment, Calibration
from difusionseg_core.imaging.registration.estimation import RegistrationError, register
from difusionseg_core.recordings.rosbag2 import RecordingWriter
from tools.registration_errors import seen_apart

SIZE = (480, 640)
CORNERS = np.array([[[0, 0]], [[640, 0]], [[640, 480]], [[0, 480]], [[320, 240]]], np.float64)


def homography(scale: float, degrees: float, shift: tuple[float, float], tilt: float) -> np.ndarray:
    """Thermal pixels -> RGB pixels, turning and scaling about the centre."""
    turned = np.vstack([cv2.getRotationMatrix2D((320, 240), degrees, scale), [0, 0, 1]])
    moved = np.array([[1, 0, shift[0]], [0, 1, shift[1]], [tilt, 0, 1]], np.float64)
    return moved @ turned


def seen_from_elsewhere(thermal: np.ndarray, matrix: np.ndarray, size=(640, 480)) -> np.ndarray:
    """Return the thermal image of a camera whose pixels `matrix` maps to the RGB image."""
    return cv2.warpPerspective(thermal, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


@pytest.fixture(scope="module")
def drawn() -> list[tuple[np.ndarray, np.ndarray]]:
    frames = [scenes.draw(seed, SIZE, "day") for seed in (1, 2, 3, 4)]
    return [(frame.rgb, frame.thermal) for frame in frames]


def corner_error(found: np.ndarray, true: np.ndarray, corners: np.ndarray = CORNERS) -> float:
    ends = [cv2.perspectiveTransform(corners, matrix) for matrix in (found, true)]
    return float(np.linalg.norm(ends[0] - ends[1], axis=2).max())


@pytest.mark.parametrize(
    "true",
    [homography(1.15, 3, (30, -20), 0), homography(0.8, -4, (-25, 15), 5e-5)],
    ids=["wider thermal view turned left", "narrower, tilted"],
)
def test_finds_the_homography(drawn, true) -> None:
    pairs = [(rgb, seen_from_elsewhere(thermal, true)) for rgb, thermal in drawn]
    found = register(pairs)
    assert corner_error(found.matrix, true) < 2
    assert found.residual < 1.5 < found.before


def test_uncertainty_covers_the_error_of_the_simplest_sufficient_model(drawn) -> None:
    true = homography(1.1, 2, (12, -8), 0)
    found = register([(rgb, seen_from_elsewhere(thermal, true)) for rgb, thermal in drawn])
    assert found.model in ("similarity", "affine")
    ends = CORNERS[[4, 0, 1, 2, 3]]  # centre first, as in PLACES
    off = [cv2.perspectiveTransform(ends, matrix)[:, 0] for matrix in (found.matrix, true)]
    assert (np.linalg.norm(off[0] - off[1], axis=1) < 4 * found.uncertainty + 0.5).all()
    assert found.uncertainty[0] < found.uncertainty[1:].max() < 6
    assert "uncertainty" in found.summary and found.warning == ""


def test_aligned_images_are_reported_as_aligned(drawn) -> None:
    found = register(drawn)
    assert found.model in ("identity", "translation")
    assert np.abs(found.matrix - np.eye(3)).max() < 1.0
    if found.model == "identity":
        assert "already aligned within" in found.summary


def test_parallax_is_reported() -> None:
    """Half of the image, in large cells, is nearer and appears 14 pixels further left."""
    rng = np.random.default_rng(3)
    frames = []
    for _ in range(4):
        texture = rng.integers(0, 255, (60, 80), dtype=np.uint8)
        grey = cv2.resize(texture, (640, 480), interpolation=cv2.INTER_CUBIC)
        near = np.kron(rng.random((2, 4)) < 0.5, np.ones((240, 160))).astype(bool)
        moved = np.where(near, np.roll(grey, -14, axis=1), grey)
        frames.append((cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), moved))
    found = register(frames)
    assert found.warning.startswith("parallax: ")
    assert 12 < found.parallax.pixels < 16


@pytest.mark.parametrize(("baseline", "warned"), [(0.3, True), (0.0, False)])
def test_parallax_of_rendered_cameras_is_reported_and_aligned_ones_are_not(baseline, warned):
    """The thermal camera stands 30 cm beside the RGB camera, or in its place."""
    pairs = [seen_apart(seed, baseline) for seed in (11, 12, 13)]
    found = register(pairs)
    assert found.warning.startswith("parallax: ") == warned
    assert found.parallax.share > 0.2 if warned else found.parallax.share < 0.06


def test_equal_seeds_give_equal_results(drawn) -> None:
    first, second = register(drawn[:2]), register(drawn[:2])
    assert np.array_equal(first.matrix, second.matrix)
    assert np.array_equal(first.uncertainty, second.uncertainty)


def test_thermal_camera_of_another_size(drawn) -> None:
    true = homography(1.1, 2, (10, 10), 0) @ np.diag([4.0, 4.0, 1.0])
    pairs = [(rgb, seen_from_elsewhere(thermal, true, (160, 120))) for rgb, thermal in drawn]
    found = register(pairs)
    assert corner_error(found.matrix, true, CORNERS / 4) < 6


def test_images_without_edges_are_refused() -> None:
    flat = np.full((*SIZE, 3), 90, np.uint8), np.full(SIZE, 90, np.uint8)
    with pytest.raises(RegistrationError, match="patches of the images match"):
        register([flat])


def test_changing_sizes_are_refused(drawn) -> None:
    rgb, thermal = drawn[0]
    with pytest.raises(RegistrationError, match="change their size"):
        register([drawn[0], (rgb, thermal[:240])])


def test_command_on_a_recording(drawn, tmp_path, capsys) -> None:
    true = homography(1.1, 2, (12, -8), 0)
    with RecordingWriter(tmp_path / "drive") as writer:
        for index, (rgb, thermal) in enumerate(drawn):
            stamp = 1_000_000_000 * (index + 1)
            moved = seen_from_elsewhere(thermal, true)
            writer.write_image("/cam/rgb/image", stamp, "rgb", rgb, "rgb8")
            writer.write_image("/cam/thermal/image", stamp, "thermal", moved, "mono8")
    output = tmp_path / "found"
    assert main(["register", str(tmp_path / "drive"), "--output", str(output)]) == 0
    parameters = yaml.safe_load((output / "registration.yaml").read_text())
    numbers = parameters["/**/fusion_node"]["ros__parameters"]["thermal_to_rgb"]
    assert all(isinstance(number, float) for number in numbers)  # ROS refuses mixed arrays
    assert corner_error(np.reshape(numbers, (3, 3)), true) < 4
    assert cv2.imread(str(output / "checkerboard.png")).shape[1] > 1000
    assert "patches agree" in capsys.readouterr().out


def test_command_names_what_is_missing(tmp_path, capsys) -> None:
    assert main(["register", str(tmp_path / "none"), "--output", str(tmp_path / "out")]) == 1
    assert str(tmp_path / "none") in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_alignment_undoes_the_view(drawn) -> None:
    true = homography(1.1, 2, (12, -8), 0)
    rgb, thermal = drawn[0]
    align = Alignment(tuple(true.ravel()))
    same_rgb, aligned = align(rgb, seen_from_elsewhere(thermal, true))
    assert same_rgb is rgb
    seen = align(rgb, seen_from_elsewhere(np.full(SIZE, 255, np.uint8), true))[1]
    inside = cv2.erode(seen, np.ones((25, 25))) == 255
    smooth = [cv2.GaussianBlur(image.astype(np.float32), (0, 0), 3) for image in (aligned, thermal)]
    assert inside.mean() > 0.5
    assert np.median(abs(smooth[0] - smooth[1])[inside]) < 1


def test_identity_leaves_images_unchanged(drawn) -> None:
    rgb, thermal = drawn[0]
    same = Alignment()(rgb, thermal)
    assert same[0] is rgb and same[1] is thermal


def test_undistortion_straightens_lines() -> None:
    k = (500.0, 0, 320, 0, 500, 240, 0, 0, 1)
    lens = Calibration(
        640,
        480,
        "plumb_bob",
        (-0.3, 0.1, 0, 0, 0),
        k,
        (0.0,) * 9,
        (*k[:3], 0, *k[3:6], 0, 0, 0, 1, 0),
    )
    straight = np.zeros((50, 1, 2))
    straight[:, 0] = np.column_stack([np.linspace(100, 540, 50), np.full(50, 100)])
    camera = np.reshape(k, (3, 3))
    rays = np.column_stack([(straight[:, 0] - (320, 240)) / 500, np.ones(50)])
    bent = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), camera, np.array(lens.d))[0]
    picture = np.zeros((*SIZE, 3), np.uint8)
    cv2.polylines(picture, [np.round(bent).astype(np.int32)], False, (255, 255, 255), 3)
    rgb, thermal = Alignment(rgb=lens)(picture, picture[..., 0])
    rows = [int(np.argmax(rgb[:, column, 0])) for column in range(150, 500, 25)]
    assert max(rows) - min(rows) <= 2
    assert thermal is not rgb and (thermal == picture[..., 0]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [({"model": "pinhole"}, "distortion model 'pinhole'"), ({"k": (0.0,) * 9}, "no calibration")],
)
def test_useless_calibrations_are_refused(change, message) -> None:
    sound = {
        "width": 640,
        "height": 480,
        "model": "plumb_bob",
        "d": (),
        "k": (1.0,) * 9,
        "r": (0.0,) * 9,
        "p": (0.0,) * 12,
    }
    with pytest.raises(ValueError, match=message):
        Calibration(**{**sound, **change})
