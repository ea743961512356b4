"""Precision: logits stay in float32, and each processor uses a format it computes natively."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from difusionseg_core import Predictor, create_model
from difusionseg_core.backends import precision
from difusionseg_core.backends.precision import cpu_precision


@pytest.fixture(params=[True, False], ids=["bf16", "no bf16"])
def has_bf16(request, monkeypatch) -> bool:
    monkeypatch.setattr(precision, "cpu_computes_bf16", lambda: request.param)
    return request.param


def test_logits_are_not_rounded() -> None:
    torch.manual_seed(0)
    model = create_model("paper").eval()
    features = torch.randn(1, 256, 4, 4)
    with torch.inference_mode():
        exact = model.segment(features, None)
        with torch.autocast("cpu", torch.bfloat16):
            under_autocast = model.segment(features, None)
    assert under_autocast.dtype == torch.float32 and torch.equal(under_autocast, exact)


def test_a_cpu_uses_the_format_that_it_computes_natively(has_bf16, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        assert cpu_precision("auto", fastest="bf16") == ("bf16" if has_bf16 else "float32")
        assert cpu_precision("auto", fastest="float32") == "float32"
        assert cpu_precision("float32", fastest="bf16") == "float32"
    assert not caplog.records


def test_without_bf16_arithmetic_float32_is_used_with_a_warning(has_bf16, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        chosen = cpu_precision("bf16", fastest="float32")
    warnings = [record.message for record in caplog.records]
    if has_bf16:
        assert (chosen, warnings) == ("bf16", [])
    else:
        assert chosen == "float32" and len(warnings) == 1 and "no bf16 arithmetic" in warnings[0]


def test_float16_is_for_gpus(has_bf16) -> None:
    with pytest.raises(ValueError, match="GPUs only"):
        cpu_precision("float16", fastest="bf16")


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu avx2 avx512f", False),
        ("fpu avx512_bf16", True),
        ("amx_bf16", True),
        ("i8mm bf16", True),
    ],
)
def test_the_processors_flags_are_read(monkeypatch, flags, expected) -> None:
    monkeypatch.setattr("pathlib.Path.read_text", lambda _: f"flags : {flags}")
    assert precision.cpu_computes_bf16() is expected


def test_the_predictor_reports_its_precision(has_bf16) -> None:
    on_openvino = Predictor.from_pretrained("lite", backend="openvino", device="cpu")
    on_onnxruntime = Predictor.from_pretrained("lite", backend="onnxruntime", device="cpu")
    assert on_openvino.precision == ("bf16" if has_bf16 else "float32")
    assert on_onnxruntime.precision == "float32"


@pytest.mark.skipif(not precision.cpu_computes_bf16(), reason="this CPU has no bf16 arithmetic")
def test_bf16_agrees_with_float32_on_a_scene() -> None:
    from difusionseg_core.scenes import draw

    scene = draw(seed=7, size=(240, 320), condition="day")
    exact, rounded = (
        Predictor.from_pretrained("lite", backend="openvino", device="cpu", precision=name)(
            scene.rgb, scene.thermal
        )
        for name in ("float32", "bf16")
    )
    assert not np.array_equal(exact.confidence, rounded.confidence)
    assert (exact.labels == rounded.labels).mean() > 0.99
    assert np.abs(exact.fused.astype(int) - rounded.fused).mean() < 2
