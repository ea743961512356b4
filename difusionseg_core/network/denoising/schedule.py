"""The times of the diffusion sampler, and the noise level at each. No PyTorch."""

from __future__ import annotations

import numpy as np

MAX_STEPS = 20
SCHEDULES = ("published", "chained")


def check_steps(steps: int) -> int:
    """Return `steps` if it is a number of diffusion steps, 1 to 20; ValueError otherwise."""
    if not 1 <= steps <= MAX_STEPS:
        raise ValueError(f"diffusion steps must be 1 to {MAX_STEPS}, not {steps}")
    return steps


def check_schedule(schedule: str) -> str:
    """Return `schedule` if it is a known name; ValueError otherwise."""
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule '{schedule}' is unknown; use one of {', '.join(SCHEDULES)}")
    return schedule


def time_steps(steps: int, schedule: str) -> list[tuple[float, float]]:
    """Return times (now, next) of each step, from 1 (noise only) towards 0 (mask only).

    With `chained`, each step starts at the time where the last one ended. `published` is the
    paper's code: a step ends one further than where the next one starts, so that the decoder's
    states are less noisy than the level that it is given. Raises ValueError for another name or
    steps outside 1..20.
    """
    check_steps(steps)
    check_schedule(schedule)
    ahead = 2 if schedule == "published" else 1
    return [(1 - i / steps, max(1 - (i + ahead) / steps, 0.0)) for i in range(steps)]


def noise_levels(steps: int, schedule: str) -> np.ndarray:
    """Return `time_steps` as log signal-to-noise ratios (steps, 2) float32.

    This is `diffusion.log_snr` in NumPy, for graphs that run without PyTorch.
    """
    times = np.array(time_steps(steps, schedule), np.float32)
    angle = (times + np.float32(0.0002)) / np.float32(1 + 0.00025) * np.float32(np.pi)
    cosine = np.cos(angle * np.float32(0.5))
    return -np.log(np.maximum(1 / (cosine * cosine) - 1, np.float32(1e-5)))
