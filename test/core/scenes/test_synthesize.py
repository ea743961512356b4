"""The command `difusionseg synthesize`."""

import argparse
import os

import numpy as np
import pytest

from difusionseg_core.classes import MSRS
from difusionseg_core.cli import synthesize
from difusionseg_core.data.boxes import read_boxes
from difusionseg_core.data.folder import open_data_set
from difusionseg_core.data.image_files import read_rgb, read_thermal
from difusionseg_core.data.label_files import read_labels
from difusionseg_core.evaluation.recordings.recorded_objects import KnownObjects
from difusionseg_core.imaging.thermal.temperature import guess_unit
from difusionseg_core.recordings.rosbag2 import Recording
from difusionseg_core.scenes import draw, output, sequence


def run(*arguments):
    parser = argparse.ArgumentParser()
    synthesize.add_parser(parser.add_subparsers())
    args = parser.parse_args(["synthesize", "--size", "64x80", *map(str, arguments)])
    return args.run(args)


def test_a_folder_holds_the_scenes(tmp_path, capsys):
    assert (
        run(
            "--output",
            tmp_path / "drawn",
            "--scenes",
            3,
            "--seed",
            7,
            "--workers",
            1,
            "--conditions",
            "day",
            "night",
        )
        == 0
    )
    assert "3 frames of 3 scenes" in capsys.readouterr().out
    pairs = open_data_set(tmp_path / "drawn").pairs
    assert [pair.name for pair in pairs] == ["000007D", "000008N", "000009D"]
    rgb, thermal, labels, boxes, _ = draw(8, (64, 80), "night")
    assert (read_rgb(pairs[1].visible) == rgb).all()
    assert (read_thermal(pairs[1].thermal) == thermal).all()
    assert (read_labels(pairs[1].labels) == labels).all()
    read = read_boxes(pairs[1].boxes, width=80, height=64)
    assert [box.edges for box in read] == [box.edges for box in boxes]  # files hold no identity


def test_a_recording_holds_the_frames_in_order_for_any_number_of_workers(tmp_path):
    for name, workers in (("alone", 1), ("together", 2)):
        assert (
            run(
                "--output",
                tmp_path / name / "r",
                "--format",
                "mcap",
                "--scenes",
                2,
                "--frames",
                6,
                "--rate",
                5,
                "--workers",
                workers,
            )
            == 0
        )
    alone = (tmp_path / "alone" / "r" / "r.mcap").read_bytes()
    assert (tmp_path / "together" / "r" / "r.mcap").read_bytes() == alone
    with Recording(tmp_path / "alone" / "r") as recording:
        topics = recording.choose_topics()
        masks = list(recording.messages([topics.mask]))
        thermal = list(recording.messages([topics.thermal]))
    assert [mask.stamp_ns for mask in masks] == [10**9 + number * 2 * 10**8 for number in range(12)]
    assert [message.stamp_ns for message in thermal] == [mask.stamp_ns for mask in masks]
    drawn = list(sequence(1, frames=6, rate=5.0, size=(64, 80)))
    for frame, mask, counts in zip(drawn, masks[6:], thermal[6:], strict=True):
        assert (mask.image() == frame.labels).all()
        assert np.abs(counts.image() / 10 - 273.15 - frame.degrees).max() < 0.051
    assert not np.array_equal(drawn[0].labels, drawn[5].labels)
    assert guess_unit(thermal[0].image()) == "decikelvin"
    with KnownObjects(tmp_path / "alone" / "r", topics.true_objects, MSRS) as known:
        objects = [known.at(mask.stamp_ns) for mask in masks]
    for frame, found in zip(drawn, objects[6:], strict=True):
        wanted = [(box.label, box.left, box.right - box.left) for box in frame.boxes]
        assert [(one.label, one.x, one.width) for one in found] == wanted
    first, second, other = ({one.identity for one in objects[i]} for i in (0, 1, 6))
    assert first & second and not first & other  # each scene has its own things


def test_a_folder_holds_the_same_bytes_for_any_number_of_workers(tmp_path):
    for name, workers in (("alone", 1), ("together", 2)):
        run("--output", tmp_path / name, "--scenes", 3, "--frames", 2, "--workers", workers)
    alone = sorted(path for path in (tmp_path / "alone").rglob("*") if path.is_file())
    assert len(alone) == 3 * 2 * 4
    for path in alone:
        twin = tmp_path / "together" / path.relative_to(tmp_path / "alone")
        assert twin.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scenes", 0], "--scenes: expected a whole number of 1 or more, not '0'"),
        (["--rate", 0], "--rate: expected a number above 0, not '0'"),
        (["--size", "64"], "--size: expected HEIGHTxWIDTH, such as 480x640, not '64'"),
        (["--seed", -4], "seed must be 0 or more"),
        (["--quality", 101], "--quality must be 1 to 100"),
    ],
)
def test_bad_arguments_leave_nothing_behind(tmp_path, capsys, arguments, words):
    with pytest.raises((ValueError, SystemExit)) as caught:
        run("--output", tmp_path / "drawn", *arguments)
    assert words in f"{caught.value} {capsys.readouterr().err}"
    assert list(tmp_path.iterdir()) == []


def test_a_failure_half_way_leaves_nothing_behind(tmp_path, monkeypatch):
    written = []

    def full_disk(path, image):
        written.append(path)
        if len(written) > 4:
            raise OSError("no space left")

    monkeypatch.setattr(output, "write_png", full_disk)
    with pytest.raises(OSError, match="no space"):
        run("--output", tmp_path / "drawn", "--scenes", 3, "--workers", 1)
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_dies_is_reported_in_one_line():
    with (
        pytest.raises(OSError, match="ended with status 9.*fewer --workers"),
        output._pool(2) as pool,
    ):
        pool.submit(os._exit, 9).result()


def test_an_existing_output_is_kept(tmp_path):
    (tmp_path / "drawn").mkdir()
    with pytest.raises(FileExistsError, match="drawn exists"):
        run("--output", tmp_path / "drawn", "--workers", 1)
