"""Surface texture by position on the surface: repeating noise, bricks and slabs."""

from functools import lru_cache

import numpy as np

_TILE = 512  # texels


@lru_cache(maxsize=2)
def _noise_tile(smoothness: float) -> np.ndarray:
    """Return 512 x 512 float32 noise, flattened, that repeats; mean 0, standard deviation 1.

    Its strength falls with frequency to the power of `smoothness`.
    """
    white = np.random.default_rng(20250101).standard_normal((_TILE, _TILE))
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(_TILE), np.fft.fftfreq(_TILE)))
    spectrum = np.fft.fft2(white) / np.maximum(frequency, 1 / _TILE) ** smoothness
    spectrum[0, 0] = 0
    noise = np.fft.ifft2(spectrum).real
    return (noise / noise.std()).astype(np.float32).ravel()


def noise(
    u: np.ndarray, v: np.ndarray, period: np.ndarray | float, smoothness: float = 0.8
) -> np.ndarray:
    """Return noise at surface positions in metres, with a period in metres; float32."""
    per_metre = np.float32(_TILE) / period
    column = (u * per_metre).astype(np.int32) & (_TILE - 1)
    row = (v * per_metre).astype(np.int32) & (_TILE - 1)
    return _noise_tile(smoothness).take(row * _TILE + column)


def clouds(across: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Return noise of the sky by the slope of the ray to the side and upwards; float32."""
    return noise(across, up * 2.0, 3.0, smoothness=1.7)


def blocks(
    u: np.ndarray, v: np.ndarray, width: np.ndarray, height: np.ndarray, footprint: np.ndarray
) -> np.ndarray:
    """Return the brightness factor of bricks: dark joints, and a tone for each brick.

    u, v: surface position in metres; footprint: size of a pixel on the surface in metres. The
    pattern fades out if pixels are larger than bricks.
    """
    course = np.floor(v / height)
    shifted = u / width + 0.5 * (course % 2)
    number = np.floor(shifted)
    # A cheap hash: any fixed irrational mix spreads neighbouring blocks over 0..1.
    tone = (number * 0.754877 + course * 0.569840) % 1.0
    joint_u = np.abs(shifted - number - 0.5) > 0.5 - np.maximum(0.012 / width, 0.04)
    joint_v = np.abs(v / height - course - 0.5) > 0.5 - np.maximum(0.012 / height, 0.06)
    factor = 0.9 + 0.2 * tone - 0.3 * (joint_u | joint_v)
    seen = np.clip(1.2 - 2.5 * footprint / np.minimum(width, height), 0, 1)
    return 1 + (factor - 1) * seen
