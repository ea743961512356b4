"""Pairs of a recording's messages: the same rule of stamps for predict, register, evaluate-bag."""

import numpy as np
import pytest

from difusionseg_core.cameras.pairing_options import PairingOptions
from difusionseg_core.cli.main import main
from difusionseg_core.prediction.sources import open_recording
from difusionseg_core.recordings.rosbag2 import RecordingError, RecordingWriter
from difusionseg_core.recordings.sampled_pairs import sample_pairs

SECOND = 10**9


def drive(folder, thermal_stamp):
    """Four pairs recorded 10 ms apart; `thermal_stamp` makes the stamp of the time of recording."""
    with RecordingWriter(folder / "drive") as writer:
        for number in range(1, 5):
            now = number * SECOND
            rgb, thermal = np.full((8, 12, 3), number, np.uint8), np.full((8, 12), number, np.uint8)
            writer.write_image("/rgb/image", now, "rgb", rgb, "rgb8", now)
            later = now + SECOND // 100
            stamp = thermal_stamp(later)
            writer.write_image("/thermal/image", stamp, "thermal", thermal, "mono8", later)
    return folder / "drive"


@pytest.mark.parametrize(
    ("stamp", "options"),
    [
        (lambda now: 0, {"thermal_stamps": "auto"}),
        (lambda now: 0, {"thermal_stamps": "arrival"}),
        (lambda now: now + 37 * SECOND, {"thermal_stamps": "arrival"}),
        (lambda now: now + 37 * SECOND, {"thermal_time_offset": -37.0}),
    ],
)
def test_one_rule_for_images_without_usable_stamps(tmp_path, stamp, options):
    recording, pairing = drive(tmp_path, stamp), PairingOptions(**options)
    pairs = list(open_recording(recording, options=pairing).pairs)
    assert [pair.name for pair in pairs] == [f"{n}_000000000" for n in range(1, 5)]
    sampled = sample_pairs(recording, 4, options=pairing)
    assert [rgb[0, 0, 0] for rgb, _ in sampled] == [1, 2, 3, 4]
    assert all((rgb[..., 0] == thermal).all() for rgb, thermal in sampled)


def test_absent_stamps_are_named_with_the_option(tmp_path):
    recording = drive(tmp_path, lambda now: 0)
    with pytest.raises(
        RecordingError, match="4 thermal images have no stamp; set --thermal-stamps"
    ):
        list(open_recording(recording).pairs)
    with pytest.raises(RecordingError, match="set --thermal-stamps auto"):
        sample_pairs(recording, 4)


def test_clocks_that_differ_are_named_with_the_options(tmp_path):
    recording = drive(tmp_path, lambda now: now + 37 * SECOND)
    with pytest.raises(
        RecordingError, match=r"\+3[67]\.\d+ s apart\); set --slop, --thermal-time-off"
    ):
        list(open_recording(recording).pairs)


def test_commands_take_the_rule_from_the_parameter_file(tmp_path, capsys, untrained_weights):
    recording = drive(tmp_path, lambda now: 0)
    predict = ["predict", str(recording), "--model", str(untrained_weights), "--device", "cpu"]
    assert main([*predict, "--output", str(tmp_path / "none")]) == 1
    assert "set --thermal-stamps auto" in capsys.readouterr().err
    file = tmp_path / "node.yaml"
    file.write_text("/**:\n  ros__parameters:\n    thermal_stamps: auto\n")
    output = tmp_path / "out"
    assert main([*predict, "--output", str(output), "--registration", str(file)]) == 0
    assert len(list((output / "mask").iterdir())) == 4
    file.write_text("/**:\n  ros__parameters:\n    thermal_stamps: later\n")
    assert main([*predict, "--output", str(output), "--registration", str(file)]) == 1
    assert "thermal_stamps is 'later'; it must be one of" in capsys.readouterr().err
