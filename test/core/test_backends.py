"""All backends give one result; files, caches and batches."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from difusionseg_core import Predictor
from difusionseg_core.checkpoints import load_model
from difusionseg_core.diffusion import log_snr
from difusionseg_core.graph_cache import cache_folder
from difusionseg_core.schedule import MAX_STEPS, SCHEDULES, noise_levels, time_steps

EXPORTED = ("openvino", "onnxruntime")


@pytest.fixture(scope="module")
def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 61, 83, 4), dtype=np.uint8)
    return [(image[..., :3], image[..., 3]) for image in images]


def assert_same(result, expected) -> None:
    """Equal but for rounding: a grey value of 1, and classes where two are as likely."""
    np.testing.assert_allclose(result.confidence, expected.confidence, atol=1e-3)
    assert np.abs(result.fused.astype(int) - expected.fused).max() <= 1
    assert (result.labels != expected.labels).mean() < 1e-3


@pytest.mark.parametrize(("backend", "draws"), [("openvino", 1), ("onnxruntime", 2)])
def test_exported_is_as_eager(untrained_weights, pairs, backend, draws) -> None:
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


@pytest.mark.parametrize("backend", ["torch", *EXPORTED])
def test_a_batch_is_its_pairs_one_by_one(untrained_weights, pairs, backend) -> None:
    predictor = Predictor.from_pretrained(untrained_weights, backend=backend, draws=2)
    for result, pair in zip(predictor.batch(pairs), pairs, strict=True):
        assert_same(result, predictor(*pair))
    with pytest.raises(ValueError, match="one size"):
        predictor.batch([pairs[0], (pairs[1][0][1:], pairs[1][1][1:])])


def test_a_model_in_memory_can_be_exported(untrained_weights, pairs) -> None:
    model = load_model(untrained_weights)
    assert Predictor(model, device="cpu").backend == "torch"
    assert_same(
        Predictor(model, backend="openvino")(*pairs[0]), Predictor(model, device="cpu")(*pairs[0])
    )


def test_graphs_are_kept_and_damaged_ones_made_anew(untrained_weights, pairs, monkeypatch) -> None:
    first = Predictor.from_pretrained(untrained_weights, backend="onnxruntime")(*pairs[0])
    (kept,) = cache_folder().glob("untrained-*.onnx")
    made = kept.stat().st_mtime_ns
    Predictor.from_pretrained(untrained_weights, backend="openvino")
    assert kept.stat().st_mtime_ns == made
    kept.write_bytes(kept.read_bytes()[:100_000])
    again = Predictor.from_pretrained(untrained_weights, backend="onnxruntime")(*pairs[0])
    assert kept.stat().st_mtime_ns != made and np.array_equal(first.labels, again.labels)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_noise_levels_are_those_of_pytorch(schedule) -> None:
    for steps in range(1, MAX_STEPS + 1):
        expected = log_snr(torch.tensor(time_steps(steps, schedule))).numpy()
        np.testing.assert_allclose(noise_levels(steps, schedule), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"backend": "openvino", "device": "cuda"}, "not one of OpenVINO's"),
        ({"backend": "onnxruntime", "device": "cuda:1x"}, "unknown to ONNX Runtime"),
        ({"backend": "openvino", "precision": "bf16"}, "use backend torch"),
        ({"backend": "magic"}, "unknown"),
    ],
)
def test_what_cannot_be_is_refused(untrained_weights, options, complaint) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        Predictor.from_pretrained(untrained_weights, **options)
    assert "\n" not in str(caught.value)


def test_a_missing_backend_is_told_what_to_install(untrained_weights, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ImportError, match="pip install openvino"):
        Predictor.from_pretrained(untrained_weights, backend="openvino")
    assert Predictor.from_pretrained(untrained_weights, device="cpu").backend == "onnxruntime"
