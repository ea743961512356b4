"""Properties of the pixels of one image: telemetry rows, range of counts, significant bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from difusionseg_core.imaging.codec.encodings import ENCODINGS

_MOST_ROWS = 8  # of telemetry at either edge
_WILD = 3.0  # times the steps between rows that hardly any row of the image exceeds
_LEAST_STEP = 4.0  # counts
_USUAL_BITS = (8, 10, 12, 14, 16)


def telemetry_rows(counts: np.ndarray) -> tuple[int, int]:
    """Return the numbers of rows at top and bottom of (H, W) counts that do not fit the image.

    Cameras send their state in such rows. The edge between them and the image is stronger than any
    edge between two rows of the image.
    """
    height, width = counts.shape
    if height < 6 * _MOST_ROWS or width < 8:
        return 0, 0
    image = np.nan_to_num(counts[:, :: max(1, width // 320)].astype(np.float32), posinf=0, neginf=0)
    steps = np.abs(np.diff(image, axis=0)).mean(axis=1)
    limit = max(_WILD * float(np.percentile(steps[_MOST_ROWS:-_MOST_ROWS], 99)), _LEAST_STEP)
    wild = steps > limit
    top = np.flatnonzero(wild[:_MOST_ROWS])
    bottom = np.flatnonzero(wild[::-1][:_MOST_ROWS])
    return (int(top[-1]) + 1 if top.size else 0), (int(bottom[-1]) + 1 if bottom.size else 0)


def range_of_counts(pixels: np.ndarray) -> tuple[float, float]:
    """Return smallest and largest finite value; not-a-number if there is none."""
    values = pixels[np.isfinite(pixels)] if pixels.dtype.kind == "f" else pixels
    return (float(values.min()), float(values.max())) if values.size else (np.nan, np.nan)


def significant_bits(message: Any) -> int | None:
    """Return the bits that the largest value of a raw 16-bit image needs: 8, 10, ... 16.

    None for other messages, and for one whose data does not fit its encoding.
    """
    encoding = ENCODINGS.get(getattr(message, "encoding", ""))
    if encoding is None or encoding.dtype != "u2" or not len(message.data) or len(message.data) % 2:
        return None
    dtype = np.dtype("u2").newbyteorder(">" if message.is_bigendian else "<")
    largest = int(np.frombuffer(message.data, dtype).max())
    return next(bits for bits in _USUAL_BITS if largest < 2**bits)
