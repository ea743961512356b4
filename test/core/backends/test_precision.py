"""bf16: what must not be rounded is not, and a CPU without it is told apart."""

from __future__ import annotations

import logging

import torch

from difusionseg_core import create_model
from difusionseg_core.backends import pytorch


def test_logits_are_not_rounded() -> None:
    torch.manual_seed(0)
    model = create_model("paper").eval()
    features = torch.randn(1, 256, 4, 4)
    with torch.inference_mode():
        exact = model.segment(features, None)
        with torch.autocast("cpu", torch.bfloat16):
            under_autocast = model.segment(features, None)
    assert under_autocast.dtype == torch.float32 and torch.equal(under_autocast, exact)


def test_a_cpu_without_bf16_goes_on_in_float32(caplog) -> None:
    with caplog.at_level(logging.WARNING):
        backend = pytorch.TorchBackend(create_model("lite"), "cpu", "bf16")
    native = pytorch._cpu_computes_bf16()
    assert backend.precision == ("bf16" if native else "float32")
    assert [record.message for record in caplog.records if "no bf16" in record.message] == (
        []
        if native
        else ["this CPU has no bf16 arithmetic: going on in float32, which is faster here"]
    )
