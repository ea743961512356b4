"""The benchmark: figures add up; two configurations take turns in separate processes."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from difusionseg_core import Predictor, create_model
from difusionseg_core.cli.main import main
from difusionseg_core.evaluation.benchmark import Measurement, _frame, ratio
from difusionseg_core.evaluation.benchmark_table import compared


def test_two_configurations(tmp_path, capsys) -> None:
    output = tmp_path / "figures.json"
    arguments = ["benchmark", "--size", "60x80", "--repeats", "2", "--warmup", "1"]
    arguments += ["--device", "cpu", "--steps", "2", "--output", str(output)]
    arguments += ["--backend", "torch", "--precision", "float32"]
    assert main([*arguments, "--against", "steps=1", "compile=false"]) == 0
    report = json.loads(output.read_text())
    first, second = report["configurations"]
    assert (first["steps"], first["precision"]) == (2, "float32")
    assert (second["steps"], second["backend"]) == (1, "torch")
    assert "step 2" in first["seconds"] and "step 2" not in second["seconds"]
    for configuration in (first, second):
        seconds = dict(configuration["seconds"])
        total = seconds.pop("total")
        assert len(configuration["totals"]) == 2
        assert total > 0 and all(part > 0 for part in seconds.values())
        assert configuration["frames_per_second"] == pytest.approx(1 / total)
        assert configuration["peak_rss_mb"] > 50
    assert report["ratio"] > 0 and report["machine"]["cores"] >= 1
    said = capsys.readouterr().out
    assert re.search(r"the second is \d+\.\d\d times (faster|slower) than the first", said)
    rows = [line.split("|")[1:-1] for line in said.splitlines() if line.startswith("|")]
    parts = {name.strip(): values for name, *values in rows}
    assert parts["step 2"][1].strip() == "" and float(parts["step 1"][1]) > 0
    assert list(parts)[-5:-3] == ["postprocess", "total"]


def test_a_network_without_parts_is_timed_as_a_whole() -> None:
    predictor = Predictor(create_model("lite"), device="cpu", steps=1)
    rgb, thermal = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)
    seconds = _frame(predictor, rgb, thermal, in_parts=False)
    assert seconds.keys() == {"preprocess", "network", "postprocess", "total"}
    assert sum(seconds.values()) == pytest.approx(2 * seconds["total"], rel=0.05)


def test_ratio_is_the_median_over_pairs() -> None:
    first, second = (Measurement({}, {}, totals, 0) for totals in ([2, 9, 4], [1, 3, 4]))
    assert ratio(first, second) == 2


def test_ratios_are_printed_as_times_faster_or_slower() -> None:
    assert compared(1.25) == "the second is 1.25 times faster than the first"
    assert compared(0.25) == "the second is 4.00 times slower than the first"


def test_impossible_configurations_are_refused_in_one_line(capsys) -> None:
    assert main(["benchmark", "--device", "cuda:77", "--repeats", "1"]) == 1
    said = capsys.readouterr().err.strip()
    assert "cuda:77" in said and "\n" not in said


@pytest.mark.parametrize(
    "arguments", [["--size", "640"], ["--repeats", "0"], ["--against", "speed=fast"]]
)
def test_bad_arguments(arguments, capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["benchmark", *arguments])
    assert stop.value.code == 2 and "expected" in capsys.readouterr().err.replace(
        "a size", "expected"
    )


def test_a_backend_without_parts(untrained_weights, tmp_path) -> None:
    output = tmp_path / "figures.json"
    arguments = ["benchmark", "--model", str(untrained_weights), "--backend", "onnxruntime"]
    arguments += ["--device", "cpu", "--size", "60x80", "--repeats", "1", "--output", str(output)]
    assert main(arguments) == 0
    (figures,) = json.loads(output.read_text())["configurations"]
    assert set(figures["seconds"]) == {"preprocess", "network", "postprocess", "total"}
