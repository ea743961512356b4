"""Draw objects on an image: a box with class, track id and temperature."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from difusionseg_core.objects.detection import DetectedObject

_FONT, _FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.4


def caption(class_name: str, track_id: int | None, degrees: float | None) -> str:
    """Return for example "person 7 34.1 C"; unknown values and NaN are left out."""
    parts = [class_name] if track_id is None else [class_name, str(track_id)]
    if degrees is not None and np.isfinite(degrees):
        parts.append(f"{degrees:.1f} C")
    return " ".join(parts)


def draw_objects(
    image: np.ndarray,
    objects: Sequence[DetectedObject],
    captions: Sequence[str],
    colors: Sequence[tuple[int, int, int]],
) -> np.ndarray:
    """Return a copy of (H, W, 3) uint8 RGB with a box and a caption for each object.

    `colors` are those of the class ids, RGB 0 to 255.
    """
    drawn = np.ascontiguousarray(image).copy()
    height, width = drawn.shape[:2]
    for found, text in zip(objects, captions, strict=True):
        color = tuple(int(part) for part in colors[found.label])
        left, top = round(found.x), round(found.y)
        right, bottom = round(found.x + found.width), round(found.y + found.height)
        cv2.rectangle(drawn, (left, top), (right, bottom), color, 1)
        (across, up), below = cv2.getTextSize(text, _FONT, _FONT_SCALE, 1)
        x = min(max(left, 0), max(width - across - 2, 0))
        y = top - below if top - below - up >= 0 else min(bottom + up + below, height - 2)
        cv2.rectangle(drawn, (x, y - up - 2), (x + across + 2, y + below), color, cv2.FILLED)
        dark = sum(color) > 380
        ink = (0, 0, 0) if dark else (255, 255, 255)
        cv2.putText(drawn, text, (x + 1, y), _FONT, _FONT_SCALE, ink, 1, cv2.LINE_AA)
    return drawn
