"""Objects and their temperatures as messages for a recording, without ROS.

The types are those that the node publishes: vision_msgs/Detection2DArray and this package's
ObjectTemperatures.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from difusionseg_core.classes import LabelSet
from difusionseg_core.objects.frame_objects import FrameObjects
from difusionseg_core.recordings.topic_choice import DETECTIONS

TEMPERATURES = "difusionseg_ros/msg/ObjectTemperatures"

DEFINITIONS = {
    "vision_msgs/msg/Point2D": "float64 x\nfloat64 y",
    "vision_msgs/msg/Pose2D": "vision_msgs/Point2D position\nfloat64 theta",
    "vision_msgs/msg/BoundingBox2D": "vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y",
    "vision_msgs/msg/ObjectHypothesis": "string class_id\nfloat64 score",
    "vision_msgs/msg/ObjectHypothesisWithPose": (
        "ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose"
    ),
    "vision_msgs/msg/Detection2D": (
        "std_msgs/Header header\nObjectHypothesisWithPose[] results\nBoundingBox2D bbox\nstring id"
    ),
    DETECTIONS: "std_msgs/Header header\nDetection2D[] detections",
    "difusionseg_ros/msg/ObjectTemperature": (
        "string id\nstring class_name\nuint32 pixels\n"
        "float32 mean\nfloat32 maximum\nint32 x\nint32 y"
    ),
    TEMPERATURES: "std_msgs/Header header\nObjectTemperature[] objects",
}
"""Fields of the message types, as the .msg files have them."""


@cache
def object_types() -> Any:
    """Return the rosbags type store that knows these types."""
    store = get_typestore(Stores.ROS2_HUMBLE)
    for name, text in DEFINITIONS.items():
        store.register(get_types_from_msg(text, name))
    return store


def detections_message(
    found: FrameObjects, label_set: LabelSet, stamp_ns: int, frame_id: str
) -> Any:
    """Make Detection2DArray; class ids are names, ids those of the tracks."""
    types = object_types().types
    header = _header(stamp_ns, frame_id)
    detections = []
    for one, text in zip(found.objects, found.id_texts(), strict=True):
        centre = types["vision_msgs/msg/Point2D"](
            x=float(one.x + one.width / 2), y=float(one.y + one.height / 2)
        )
        box = types["vision_msgs/msg/BoundingBox2D"](
            center=types["vision_msgs/msg/Pose2D"](position=centre, theta=0.0),
            size_x=float(one.width),
            size_y=float(one.height),
        )
        hypothesis = types["vision_msgs/msg/ObjectHypothesis"](
            class_id=label_set.class_names[one.label], score=float(one.score)
        )
        result = types["vision_msgs/msg/ObjectHypothesisWithPose"](
            hypothesis=hypothesis, pose=_no_pose()
        )
        detections.append(
            types["vision_msgs/msg/Detection2D"](header=header, results=[result], bbox=box, id=text)
        )
    return types[DETECTIONS](header=header, detections=detections)


def temperatures_message(
    found: FrameObjects, label_set: LabelSet, stamp_ns: int, frame_id: str
) -> Any:
    """Make ObjectTemperatures, in the order of the detections."""
    types = object_types().types
    temperature = types["difusionseg_ros/msg/ObjectTemperature"]
    objects = [temperature(**fields) for fields in found.temperature_fields(label_set)]
    return types[TEMPERATURES](header=_header(stamp_ns, frame_id), objects=objects)


def _header(stamp_ns: int, frame_id: str) -> Any:
    types = object_types().types
    time = types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 1_000_000_000))
    return types["std_msgs/msg/Header"](stamp=time, frame_id=frame_id)


def _no_pose() -> Any:
    types = object_types().types
    pose = types["geometry_msgs/msg/Pose"](
        position=types["geometry_msgs/msg/Point"](x=0.0, y=0.0, z=0.0),
        orientation=types["geometry_msgs/msg/Quaternion"](x=0.0, y=0.0, z=0.0, w=1.0),
    )
    return types["geometry_msgs/msg/PoseWithCovariance"](pose=pose, covariance=np.zeros(36))
