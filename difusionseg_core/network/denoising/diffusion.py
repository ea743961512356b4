"""The diffusion process over the mask: noise levels, noising and sampler, as pure functions.

The state is a code of the mask, (B, C, h, w), scaled to be small compared with the noise; time
runs from 1 (noise only) to 0 (code only). Sampling is DDIM without added noise (Song et al., ICLR
2021); classes are fed back as analog bits are (Chen et al., ICLR 2023).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor


def log_snr(time: Tensor) -> Tensor:
    """Log signal-to-noise ratio of the cosine schedule at `time` in 0..1, elementwise.

    In float32 and in this order of operations: near time 1 the result is sensitive to rounding, and
    the published model was trained and run with this rounding.
    """
    cosine = torch.cos((time.float() + 0.0002) / (1 + 0.00025) * torch.pi * 0.5)
    return -torch.log((cosine**-2 - 1).clamp(min=1e-5))


def signal_and_noise(level: Tensor) -> tuple[Tensor, Tensor]:
    """Return weights of signal and noise, squares summing to 1, for a log signal-to-noise ratio."""
    return level.sigmoid().sqrt(), (-level).sigmoid().sqrt()


def add_noise(code: Tensor, noise: Tensor, level: Tensor) -> Tensor:
    """Return the state at noise `level` (B,), which the decoder is trained to denoise."""
    signal, deviation = signal_and_noise(level.view(-1, 1, 1, 1))
    return signal * code + deviation * noise


def denoise(
    decode: Callable[[Tensor, Tensor], Tensor],
    classify: Callable[[Tensor], Tensor],
    encode: Callable[[Tensor], Tensor],
    noise: Tensor,
    times: list[tuple[float, float]],
) -> Iterator[Tensor]:
    """Run the sampler and yield the decoder's features (B, C, h, w) of every step.

    `decode(state, level)` gives features for a state at a noise level (1,), `classify(features)`
    logits (B, K, h, w), and `encode(labels)` the code of a mask (B, h, w). `noise` (B, C, h,
    w) is the first state.
    """
    state = noise
    for index, (now, following) in enumerate(times):
        level, next_level = (
            log_snr(torch.tensor([time], device=noise.device)) for time in (now, following)
        )
        features = decode(state, level)
        yield features
        if index + 1 < len(times):  # the state after the last step is not used
            code = encode(classify(features).argmax(dim=1))
            state = advance(state, code, level, next_level)


def advance(state: Tensor, code: Tensor, level: Tensor, next_level: Tensor) -> Tensor:
    """Return the state at `next_level` (1,), if `code` is of the mask predicted at `level`."""
    signal, deviation = signal_and_noise(level)
    next_signal, next_deviation = signal_and_noise(next_level)
    kept = next_deviation / deviation.clamp_min(1e-8)  # of the noise, state - signal * code
    return kept * state + (next_signal - kept * signal) * code
