"""All backends give the same result; exported files, caches and batches."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from difusionseg_core import Predictor, create_model
from difusionseg_core.backends import export_cache, precision
from difusionseg_core.backends.export import export_file
from difusionseg_core.backends.export_cache import cache_folder, limit_cache, mark_used
from difusionseg_core.checkpoints.weights_file import ModelInfo, load_model, save_weights
from difusionseg_core.cli.main import main
from difusionseg_core.network.denoising.diffusion import log_snr
from difusionseg_core.network.denoising.schedule import (
    MAX_STEPS,
    SCHEDULES,
    noise_levels,
    time_steps,
)

EXPORTED = ("openvino", "onnxruntime")


@pytest.fixture(scope="module", autouse=True)
def exact():
    """Compare backends in float32, because "auto" depends on the processor."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(precision, "cpu_computes_bf16", lambda: False)
        yield


@pytest.fixture(scope="module")
def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 61, 83, 4), dtype=np.uint8)
    return [(image[..., :3], image[..., 3]) for image in images]


def assert_same(result, expected) -> None:
    """Compare except for rounding: one grey level, and classes of equal probability."""
    np.testing.assert_allclose(result.confidence, expected.confidence, atol=1e-3)
    assert np.abs(result.fused.astype(int) - expected.fused).max() <= 1
    assert (result.labels != expected.labels).mean() < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "draws"), [("openvino", 1), ("onnxruntime", 2)])
def test_exported_models_compute_the_same_as_pytorch(
    untrained_weights, pairs, backend, draws
) -> None:
    eager, exported = (
        Predictor.from_pretrained(untrained_weights, backend=name, device="cpu", draws=draws)
        for name in ("torch", backend)
    )
    assert exported.backend == backend and exported.model is None
    for steps in (1, 7):
        eager.steps = exported.steps = steps
        assert_same(exported(*pairs[0]), eager(*pairs[0]))
    cropped = pairs[0][0][:40, :52], pairs[0][1][:40, :52]
    assert_same(exported(*cropped), eager(*cropped))


@pytest.mark.slow
def test_the_published_network_is_exported(tmp_path) -> None:
    weights = tmp_path / "paper.safetensors"
    save_weights(create_model("paper"), weights, ModelInfo("paper", 9))
    differences = export_file(weights, tmp_path / "paper.onnx", size=(32, 48), steps=1)
    assert differences.labels == 0


def test_the_fastest_backend_is_chosen(untrained_weights, tmp_path) -> None:
    published = tmp_path / "paper.safetensors"
    save_weights(create_model("paper"), published, ModelInfo("paper", 9))
    for weights, backend in ((untrained_weights, "openvino"), (published, "torch")):
        assert Predictor.from_pretrained(weights, device="cpu").backend == backend


@pytest.mark.parametrize("backend", ["torch", *EXPORTED])
def test_a_batch_gives_the_results_of_single_pairs(untrained_weights, pairs, backend) -> None:
    predictor = Predictor.from_pretrained(untrained_weights, backend=backend, draws=2)
    for result, pair in zip(predictor.batch(pairs), pairs, strict=True):
        assert_same(result, predictor(*pair))
    with pytest.raises(ValueError, match="one size"):
        predictor.batch([pairs[0], (pairs[1][0][1:], pairs[1][1][1:])])


@pytest.mark.slow
def test_a_model_in_memory_can_be_exported(untrained_weights, pairs) -> None:
    model = load_model(untrained_weights)
    assert Predictor(model, device="cpu").backend == "torch"
    assert_same(
        Predictor(model, backend="openvino")(*pairs[0]), Predictor(model, device="cpu")(*pairs[0])
    )


def test_openvino_is_imported_without_its_converter_until_that_is_used(untrained_weights) -> None:
    program = f"""
import sys
from difusionseg_core import Predictor
assert Predictor.from_pretrained({str(untrained_weights)!r}, backend="openvino")
assert "openvino.tools.ovc" not in sys.modules
import openvino
assert callable(openvino.convert_model) and not hasattr(openvino, "nothing")
from openvino.tools import ovc
assert ovc.convert_model is openvino.convert_model
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


@pytest.mark.slow
def test_exported_models_are_cached_and_damaged_ones_replaced(
    untrained_weights, pairs, monkeypatch
) -> None:
    first = Predictor.from_pretrained(untrained_weights, backend="onnxruntime")(*pairs[0])
    (kept,) = cache_folder().glob("untrained-*.onnx")
    made = kept.stat().st_mtime_ns
    Predictor.from_pretrained(untrained_weights, backend="openvino")
    assert kept.stat().st_mtime_ns == made
    kept.write_bytes(kept.read_bytes()[:100_000])
    again = Predictor.from_pretrained(untrained_weights, backend="onnxruntime")(*pairs[0])
    assert kept.stat().st_mtime_ns != made and np.array_equal(first.labels, again.labels)


@pytest.mark.slow
def test_the_cache_keeps_what_was_used_last(monkeypatch, tmp_path, untrained_weights) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache = cache_folder()
    ages = {f"openvino/{age}.blob" if age % 2 else f"{age}.onnx": age for age in range(10, 16)}
    for name, age in ages.items():
        path = cache / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(1000))
        os.utime(path, (1e9 - age, 1e9 - age))
    for name, time in (("tmp_killed", 1e9), ("tmp_running", None)):
        (cache / name).mkdir()
        (cache / name / "unfinished.onnx").write_bytes(bytes(9000))
        os.utime(cache / name, time and (time, time))
    mark_used(cache / "14.onnx")
    monkeypatch.setattr(export_cache, "LARGEST_CACHE", 3500)
    limit_cache()
    kept = {str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file()}
    assert kept == {"14.onnx", "10.onnx", "openvino/11.blob", "tmp_running/unfinished.onnx"}

    monkeypatch.setattr(export_cache, "LARGEST_CACHE", 1)  # what is needed now is kept
    Predictor.from_pretrained(untrained_weights, backend="onnxruntime")
    (kept_file,) = (path for path in cache.iterdir() if path.is_file())
    assert kept_file.name.startswith("untrained-") and not list((cache / "openvino").iterdir())


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_noise_levels_are_those_of_pytorch(schedule) -> None:
    for steps in range(1, MAX_STEPS + 1):
        expected = log_snr(torch.tensor(time_steps(steps, schedule))).numpy()
        np.testing.assert_allclose(noise_levels(steps, schedule), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"backend": "openvino", "device": "cuda"}, "no device 'cuda'"),
        ({"backend": "onnxruntime", "device": "cuda:1x"}, "no device 'cuda:1x'"),
        ({"backend": "onnxruntime", "precision": "bf16"}, "auto or float32"),
        ({"backend": "openvino", "precision": "float16"}, "GPUs only"),
        ({"backend": "openvino", "compile": True}, "use backend torch"),
        ({"backend": "magic"}, "unknown"),
    ],
)
def test_impossible_choices_are_refused(untrained_weights, options, complaint) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        Predictor.from_pretrained(untrained_weights, **options)
    assert "\n" not in str(caught.value)


def test_a_wrong_device_is_refused_before_anything_is_exported(capsys) -> None:
    for backend in EXPORTED:
        with pytest.raises(ValueError, match="no device 'tpu'"):
            Predictor.from_pretrained("lite", backend=backend, device="tpu")
    assert "exporting" not in capsys.readouterr().err


def test_a_missing_backend_names_what_to_install(untrained_weights, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ImportError, match="pip install openvino"):
        Predictor.from_pretrained(untrained_weights, backend="openvino")
    assert Predictor.from_pretrained(untrained_weights, device="cpu").backend == "onnxruntime"


def test_shipped_lite_runs_without_torch(pairs, tmp_path) -> None:
    """Also fails if the shipped export is not of the shipped weights: it cannot be made here."""
    np.savez(tmp_path / "pair.npz", rgb=pairs[0][0], thermal=pairs[0][1])
    script = """
import sys
sys.modules.update(torch=None, onnx=None)
import numpy as np
from difusionseg_core import Predictor
pair = np.load("pair.npz")
for backend in ("openvino", "onnxruntime"):
    result = Predictor.from_pretrained("lite", backend=backend, precision="float32")(
        pair["rgb"], pair["thermal"])
    np.savez(f"{backend}.npz", fused=result.fused, labels=result.labels,
             confidence=result.confidence)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True)
    eager = Predictor.from_pretrained("lite", backend="torch", device="cpu")
    shipped = Predictor.from_pretrained("lite", backend="onnxruntime", device="cpu")
    assert (shipped.steps, shipped.schedule) == (eager.steps, eager.schedule)
    expected = eager(*pairs[0])
    for backend in EXPORTED:
        assert_same(SimpleNamespace(**np.load(tmp_path / f"{backend}.npz")), expected)


def test_without_torch_another_model_names_what_is_missing(untrained_weights, tmp_path) -> None:
    copy = tmp_path / "robot.safetensors"
    copy.write_bytes(untrained_weights.read_bytes())
    script = f"""
import sys
sys.modules.update(torch=None)
from difusionseg_core.cli.main import main
sys.exit(main(["predict", "--rgb", "{tmp_path}", "--thermal", "{tmp_path}",
               "--model", "{copy}", "--output", "out"]))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    environment["XDG_CACHE_HOME"] = str(tmp_path)
    (tmp_path / "a.png").write_bytes(b"")
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "pip install torch" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("format", "name", "more"),
    [
        ("onnx", "any.onnx", ["--steps", "2"]),
        ("openvino", "fixed.xml", ["--size", "61x83"]),
        ("torch", "script.pt", ["--dynamic"]),
    ],
)
def test_exported_files_run(untrained_weights, pairs, tmp_path, capsys, format, name, more) -> None:
    output = tmp_path / name
    arguments = ["export", "--model", str(untrained_weights), "--format", format]
    assert main([*arguments, "--output", str(output), *more]) == 0
    assert "largest differences" in capsys.readouterr().out
    predictor = Predictor.from_pretrained(output, device="cpu")
    assert predictor.steps == (2 if more[0] == "--steps" else load_model(untrained_weights).steps)
    eager = Predictor.from_pretrained(untrained_weights, backend="torch", steps=predictor.steps)
    assert_same(predictor(*pairs[0]), eager(*pairs[0]))
    assert main([*arguments, "--output", str(output), *more]) == 1  # there already
    assert "exists" in capsys.readouterr().err


def test_export_refuses(untrained_weights, tmp_path, capsys) -> None:
    arguments = ["export", "--model", str(untrained_weights), "--output"]
    for output, more, complaint in (
        ("model.bin", (), "must end in .onnx"),
        ("none/model.onnx", (), "no folder"),
        ("model.onnx", ("--steps", "0"), "1 to 20"),
    ):
        assert main([*arguments, str(tmp_path / output), *more]) == 1
        assert complaint in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
