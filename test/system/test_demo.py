"""The demo from end to end over real DDS, with an untrained network on small images."""

import asyncio
import contextlib
import json
import re
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest
from tornado.websocket import WebSocketClosedError, websocket_connect

from difusionseg_core.recordings.rosbag2 import RecordingWriter

HEIGHT, WIDTH = 48, 64
MILLISECOND = 1_000_000


def picture(number):
    """Return an image (H, W, 3) uint8 that depends on the number."""
    return np.random.default_rng(number).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Write a data-set folder with three frames and their masks."""
    for part in ("vi", "ir", "Segmentation_labels"):
        (tmp_path / "data" / part).mkdir(parents=True)
    for number in range(3):
        name = f"0{number}N.png"
        truth = np.full((HEIGHT, WIDTH), number, np.uint8)
        cv2.imwrite(str(tmp_path / "data" / "vi" / name), picture(number))
        cv2.imwrite(str(tmp_path / "data" / "ir" / name), picture(number)[..., 0])
        cv2.imwrite(str(tmp_path / "data" / "Segmentation_labels" / name), truth)
    return tmp_path / "data"


@pytest.fixture
def demo(tmp_path, untrained_weights):
    """`demo(input)` runs the demo into `results`; gives the finished process."""

    def demo(source, model=untrained_weights):
        return subprocess.run(
            command(source, tmp_path / "results", model),
            capture_output=True,
            text=True,
            timeout=120,
        )

    return demo


def command(source, output, model):
    return [
        *(sys.executable, "-m", "tools.demo", "--device", "cpu"),
        *("--input", str(source), "--output", str(output), "--model", str(model)),
    ]


def check_pictures(results, names):
    for part, channels in (("fused", 3), ("mask", 1), ("overlay", 3)):
        files = sorted((results / part).iterdir())
        assert [file.name for file in files] == [f"{name}.png" for name in names]
        for file in files:
            image = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
            assert image.shape == ((HEIGHT, WIDTH, 3) if channels == 3 else (HEIGHT, WIDTH))


def test_a_folder_becomes_images_and_figures(demo, folder, tmp_path):
    finished = demo(folder)
    assert finished.returncode == 0, finished.stderr
    results = tmp_path / "results"
    assert str(results) in finished.stdout
    check_pictures(results, ("00N", "01N", "02N"))
    assert cv2.imread(str(results / "contact_sheet.png")).shape[1] > 5 * 300  # five columns

    summary = json.loads((results / "summary.json").read_text())
    counts = [summary[key] for key in ("frames_sent", "pairs", "processed", "dropped")]
    assert counts == [3, 3, 3, 0]
    assert summary["frames_per_second"] > 0
    assert 0 < summary["latency_ms"]["median"] <= summary["latency_ms"]["p95"]
    predicted = np.concatenate(
        [
            cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
            for file in sorted((results / "mask").iterdir())
        ]
    )
    truth = np.repeat(np.arange(3), HEIGHT)[:, None] * np.ones(WIDTH, int)
    ious = [
        ((predicted == k) & (truth == k)).sum() / ((predicted == k) | (truth == k)).sum()
        for k in np.union1d(predicted, truth)
    ]
    assert summary["mean_iou"] == pytest.approx(np.mean(ious))

    # A second run replaces the results of the first.
    (folder / "vi" / "00N.png").unlink()
    (folder / "ir" / "00N.png").unlink()
    (folder / "Segmentation_labels" / "00N.png").unlink()
    assert demo(folder).returncode == 0
    check_pictures(results, ("01N", "02N"))


def test_a_recording_with_unequal_stamps_and_no_truth(demo, tmp_path):
    stamps = [(1000 + 100 * number) * MILLISECOND for number in range(4)]
    with RecordingWriter(tmp_path / "recording") as writer:
        for number, stamp in enumerate(stamps):
            writer.write_image("/rgb/image", stamp, "camera", picture(number), "rgb8")
            thermal = picture(number)[..., 0]
            writer.write_image(
                "/thermal/image", stamp + 9 * MILLISECOND, "camera", thermal, "mono8"
            )
    finished = demo(tmp_path / "recording")
    assert finished.returncode == 0, finished.stderr
    summary = json.loads((tmp_path / "results" / "summary.json").read_text())
    assert (summary["frames_sent"], summary["mean_iou"]) == (4, None)
    assert (summary["processed"], summary["dropped"]) == (4, 0)
    check_pictures(tmp_path / "results", [f"1.{number}00000000" for number in range(4)])


def test_a_foreign_output_folder_is_not_changed(demo, folder, tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "thesis.tex").write_text("years of work")
    finished = demo(folder)
    assert finished.returncode == 1
    assert finished.stderr.count("\n") == 1
    assert "choose another --output" in finished.stderr
    assert (tmp_path / "results" / "thesis.tex").read_text() == "years of work"


def test_a_node_that_cannot_start_is_explained(demo, folder, tmp_path):
    finished = demo(folder, model="no_such_model")
    assert finished.returncode == 1
    assert "model 'no_such_model' is unknown" in finished.stderr
    assert sorted(item.name for item in tmp_path.iterdir()) == ["data"]  # nothing half-written


def test_an_unusable_input_gives_one_line(demo, tmp_path):
    finished = demo(tmp_path / "nothing")
    assert finished.returncode == 1
    assert finished.stderr.count("\n") == 1
    assert "nothing does not exist" in finished.stderr


async def watch_cameras(port):
    """Stamps of the images that the open page shows of each camera, until the viewer ends."""
    stamps = {"rgb": set(), "thermal": set()}
    page = await websocket_connect(f"ws://127.0.0.1:{port}/live")
    await page.write_message(json.dumps({"watch": list(stamps)}))
    while (message := await page.read_message()) is not None:
        if isinstance(message, bytes):
            length = int.from_bytes(message[:4], "big")
            header = json.loads(message[4 : 4 + length])
            stamps[header["stream"]].add(header["stamp_ns"])
            with contextlib.suppress(WebSocketClosedError):
                await page.write_message(json.dumps({"shown": header["stream"]}))
    return stamps


def test_with_view_the_replay_begins_when_the_page_is_open(folder, tmp_path, untrained_weights):
    process = subprocess.Popen(
        [*command(folder, tmp_path / "results", untrained_weights), "--view"],
        stderr=subprocess.PIPE,
        text=True,
    )
    address = re.compile(r"open http://127\.0\.0\.1:(\d+); the replay then begins")
    found = next(filter(None, map(address.search, process.stderr)))
    shown = asyncio.run(watch_cameras(int(found[1])))
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "beginning without" not in errors
    assert len(shown["rgb"]) > 0 and len(shown["thermal"]) > 0
    check_pictures(tmp_path / "results", ("00N", "01N", "02N"))


def test_an_interrupt_leaves_nothing(folder, tmp_path, untrained_weights):
    process = subprocess.Popen(
        command(folder, tmp_path / "results", untrained_weights),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "starting the fusion node" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert sorted(item.name for item in tmp_path.iterdir()) == ["data"]
