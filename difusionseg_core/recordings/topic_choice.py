"""Choice of the cameras' image topics in a recording, by convention, type and name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from difusionseg_core.imaging.codec.camera_images import COMPRESSED_IMAGE, IMAGE

CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
RGB, THERMAL, MASK = "rgb/image", "thermal/image", "ground_truth/mask"
TRUE_OBJECTS, DETECTIONS = "ground_truth/objects", "vision_msgs/msg/Detection2DArray"
RGB_CAMERA_INFO, THERMAL_CAMERA_INFO = "rgb/camera_info", "thermal/camera_info"
TRANSPORTS = ("compressed", "compressedDepth")
"""Endings that image_transport adds to topics of CompressedImage."""

_THERMAL_WORDS = (
    *("thermal", "thermo", "ir", "lwir", "flir", "lepton", "boson", "infra", "optris"),
    *("seek", "tau", "heat", "infrared"),
)
_COLOR_WORDS = ("rgb", "color", "colour", "visible", "vis", "bgr")
_OTHER_WORDS = (
    *("depth", "disparity", "mask", "label", "labels", "segmentation", "confidence"),
    *("fused", "overlay", "ground", "debug", "detections", "left_depth", "mono_depth"),
)


class TopicError(ValueError):
    """A camera's topic is missing or not unique; the message is one line with the topics."""


@dataclass(frozen=True)
class Topics:
    """The cameras' topics of a recording; None for missing ones."""

    rgb: str
    thermal: str
    mask: str | None
    camera_info: str | None
    thermal_camera_info: str | None = None
    true_objects: str | None = None


def choose_topics(
    types: dict[str, str],
    rgb: str | None = None,
    thermal: str | None = None,
    mask: str | None = None,
    camera_info: str | None = None,
    thermal_camera_info: str | None = None,
) -> Topics:
    """Choose among topics with messages, `types` by name.

    A given name is that of a topic, or of its base without image_transport's ending. Without a
    name, the convention decides (topics that end in RGB, THERMAL, MASK), then words in the name
    (thermal, lwir, flir, ...; rgb, color, ...), then the remaining topic if there is only one. A
    camera_info lies beside its image; objects with known identity are on a topic that ends in
    TRUE_OBJECTS. Raises TopicError, which lists what there is.
    """
    thermal_topic = _named(types, thermal, "thermal") or _conventional(types, THERMAL)
    rgb_topic = _named(types, rgb, "RGB") or _conventional(types, RGB)
    bases = _bases(types)
    if thermal_topic is None:
        fit = [base for base in bases if _has(base, _THERMAL_WORDS) and not _is_other(base)]
        thermal_topic = _single(types, fit, rgb_topic, "thermal", THERMAL)
    if rgb_topic is None:
        left = [base for base in bases if base != base_of(thermal_topic) and not _is_other(base)]
        fit = [base for base in left if _has(base, _COLOR_WORDS)]
        fit = fit or [base for base in left if not _has(base, _THERMAL_WORDS)]
        rgb_topic = _single(types, fit, thermal_topic, "RGB", RGB)
    return Topics(
        rgb=rgb_topic,
        thermal=thermal_topic,
        mask=_named(types, mask, "ground truth") or _conventional(types, MASK),
        camera_info=_camera_info(types, camera_info, rgb_topic),
        thermal_camera_info=_camera_info(types, thermal_camera_info, thermal_topic),
        true_objects=_true_objects(types),
    )


def base_of(topic: str) -> str:
    """Return a topic's name without the ending that image_transport adds."""
    base, _, ending = topic.rpartition("/")
    return base if ending in TRANSPORTS else topic


def transport_ending(topic: str) -> str:
    """Return what image_transport added to the base of a topic: "", "/compressed", ..."""
    return topic[len(base_of(topic)) :]


def images_in_words(types: dict[str, str]) -> str:
    """Return the image topics of a recording, for a message."""
    images = sorted(topic for topic, kind in types.items() if kind in (IMAGE, COMPRESSED_IMAGE))
    if images:
        return f"its image topics are {', '.join(images)}"
    return f"it has no image topic, only {', '.join(sorted(types)) or 'nothing'}"


def _named(types: dict[str, str], name: str | None, camera: str) -> str | None:
    if name is None:
        return None
    name = "/" + name.lstrip("/")
    found = _of_base(types, name) if types.get(name) not in (IMAGE, COMPRESSED_IMAGE) else name
    if found is None:
        raise TopicError(f"no topic {name} with {camera} images; {images_in_words(types)}")
    return found


def _conventional(types: dict[str, str], convention: str) -> str | None:
    fit = [base for base in _bases(types) if base.endswith(f"/{convention}")]
    if len(fit) > 1:
        raise TopicError(f"several topics {convention}: {', '.join(fit)}; name one")
    return _of_base(types, fit[0]) if fit else None


def _bases(types: dict[str, str]) -> list[str]:
    """Return base names of all image topics, sorted."""
    images = (topic for topic, kind in types.items() if kind in (IMAGE, COMPRESSED_IMAGE))
    return sorted({base_of(topic) for topic in images})


def _of_base(types: dict[str, str], base: str) -> str | None:
    """Return the topic of a base name, uncompressed if there is a choice."""
    for topic in (base, *(f"{base}/{transport}" for transport in TRANSPORTS)):
        if types.get(topic) in (IMAGE, COMPRESSED_IMAGE):
            return topic
    return None


def _single(
    types: dict[str, str], fit: Iterable[str], other: str | None, camera: str, convention: str
) -> str:
    fit = [base for base in fit if other is None or base != base_of(other)]
    if len(fit) > 1:
        raise TopicError(f"several topics may be {camera} images: {', '.join(fit)}; name one")
    found = _of_base(types, fit[0]) if fit else None
    if found is None:
        raise TopicError(
            f"no {camera} topic {convention}, nor one whose name tells it; "
            f"{images_in_words(types)}; name the {camera} topic"
        )
    return found


def _camera_info(types: dict[str, str], name: str | None, image_topic: str) -> str | None:
    if name is not None:
        name = "/" + name.lstrip("/")
        if types.get(name) != CAMERA_INFO:
            infos = sorted(topic for topic, kind in types.items() if kind == CAMERA_INFO)
            known = f"it has {', '.join(infos)}" if infos else "it has none"
            raise TopicError(f"no topic {name} of type {CAMERA_INFO}; {known}")
        return name
    beside = f"{base_of(image_topic).rpartition('/')[0]}/camera_info"
    return beside if types.get(beside) == CAMERA_INFO else None


def _true_objects(types: dict[str, str]) -> str | None:
    fit = [name for name, kind in types.items() if kind == DETECTIONS]
    return next((name for name in sorted(fit) if name.endswith(f"/{TRUE_OBJECTS}")), None)


def _has(topic: str, words: Collection[str]) -> bool:
    """Return whether one of the words is a part of the name, with or without a number after it."""
    parts = re.split(r"[^a-z]+", topic.lower())
    return any(part == word for part in parts for word in words) or any(
        part.startswith(word) for part in parts for word in words if len(word) > 4
    )


def _is_other(topic: str) -> bool:
    return _has(topic, _OTHER_WORDS)
