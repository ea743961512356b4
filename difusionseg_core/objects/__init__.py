"""Objects in a frame: detections, pixels, tracks and temperatures. No PyTorch.

Imports `classes` and `files`.
"""

from difusionseg_core.objects.detection import (
    LEAST_SCORE,
    MOST_OBJECTS,
    OBJECT_CLASSES,
    STRIDE,
    DetectedObject,
    box_iou,
    find_objects,
)

__all__ = [
    "LEAST_SCORE",
    "MOST_OBJECTS",
    "OBJECT_CLASSES",
    "STRIDE",
    "DetectedObject",
    "box_iou",
    "find_objects",
]
