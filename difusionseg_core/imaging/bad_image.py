"""The error of the codec."""

from __future__ import annotations


class BadImage(ValueError):
    """An image message cannot be used; the error message is one line with the reason."""


def refuse_size(size: int, max_bytes: int | None) -> None:
    """Raise BadImage for more than `max_bytes` bytes; None allows any size."""
    if max_bytes is not None and size > max_bytes:
        raise BadImage(f"the image has {size} bytes, more than max_image_bytes ({max_bytes})")
