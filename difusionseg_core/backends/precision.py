"""The number format of a network, and the formats that the processor computes natively."""

from __future__ import annotations

import logging
from pathlib import Path

PRECISIONS = ("auto", "float32", "bf16", "float16")

_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # x86 AVX-512 and AMX, Arm


def check_precision(precision: str) -> str:
    """Return `precision` if it is one of PRECISIONS; raise ValueError otherwise."""
    if precision not in PRECISIONS:
        raise ValueError(f"precision '{precision}' is unknown; use one of {', '.join(PRECISIONS)}")
    return precision


def cpu_precision(precision: str, fastest: str) -> str:
    """Return the precision that a CPU runs: "float32" or "bf16".

    "auto" is `fastest` if the CPU computes it natively. A CPU without bf16 arithmetic emulates it,
    ten times slower, so that float32 is used instead and a warning is logged. Raises ValueError for
    "float16", which is for GPUs.
    """
    if precision == "float16":
        raise ValueError(
            "precision 'float16' runs on GPUs only; on a CPU use auto, float32 or bf16"
        )
    if precision == "auto":
        return fastest if fastest == "float32" or cpu_computes_bf16() else "float32"
    if precision == "bf16" and not cpu_computes_bf16():
        logging.getLogger(__name__).warning(
            "this CPU has no bf16 arithmetic: using float32, which is faster here"
        )
        return "float32"
    return precision


def cpu_computes_bf16() -> bool:
    """Return whether the CPU has bf16 instructions. Known only on Linux; False elsewhere."""
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return False
    return not _BF16_FLAGS.isdisjoint(flags)
