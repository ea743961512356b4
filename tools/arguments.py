"""Types of command line arguments, for argparse."""

from __future__ import annotations

import argparse
import math


def positive(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, not '{text}'")
    return value


def count(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, not '{text}'")
    return int(text)


def size(text: str) -> tuple[int, int]:
    """Height and width in pixels."""
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        raise argparse.ArgumentTypeError(f"a size is HEIGHTxWIDTH, as 480x640, not '{text}'")
    return int(height), int(width)
