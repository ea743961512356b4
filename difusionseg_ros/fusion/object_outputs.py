"""Objects, their temperatures and the hot spot of a frame, as messages."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA, Header
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose
from visualization_msgs.msg import ImageMarker

from difusionseg_core.classes import LabelSet
from difusionseg_core.objects.frame_objects import FrameObjects
from difusionseg_ros.msg import ObjectTemperature as ObjectTemperatureMessage
from difusionseg_ros.msg import ObjectTemperatures


def detections_message(
    found: FrameObjects, label_set: LabelSet, header: Header
) -> Detection2DArray:
    """Make vision_msgs/Detection2DArray; class ids are names, as its users expect."""
    message = Detection2DArray(header=header)
    for one, text in zip(found.objects, found.id_texts(), strict=True):
        detection = Detection2D(header=header, id=text)
        detection.bbox.center.position.x = one.x + one.width / 2
        detection.bbox.center.position.y = one.y + one.height / 2
        detection.bbox.size_x, detection.bbox.size_y = float(one.width), float(one.height)
        result = ObjectHypothesisWithPose()
        result.hypothesis.class_id = label_set.class_names[one.label]
        result.hypothesis.score = float(one.score)
        detection.results.append(result)
        message.detections.append(detection)
    return message


def temperatures_message(
    found: FrameObjects, label_set: LabelSet, header: Header
) -> ObjectTemperatures:
    """Make the temperatures of all objects, in the order of the detections."""
    objects = [ObjectTemperatureMessage(**one) for one in found.temperature_fields(label_set)]
    return ObjectTemperatures(header=header, objects=objects)


def marker_messages(
    found: FrameObjects, label_set: LabelSet, palette: str, header: Header
) -> list[ImageMarker]:
    """Make one outline for each object; namespace is its caption, id its track (0 before one)."""
    colors = np.asarray(label_set.colors(palette)) / 255
    messages = []
    for one, track, text in zip(found.objects, found.ids, found.captions(label_set), strict=True):
        left, top = float(one.x), float(one.y)
        right, bottom = left + float(one.width), top + float(one.height)
        corners = ((left, top), (right, top), (right, bottom), (left, bottom), (left, top))
        red, green, blue = (float(part) for part in colors[one.label])
        messages.append(
            ImageMarker(
                header=header,
                ns=text,
                id=track or 0,
                type=ImageMarker.LINE_STRIP,
                action=ImageMarker.ADD,
                scale=2.0,
                outline_color=ColorRGBA(r=red, g=green, b=blue, a=1.0),
                points=[Point(x=x, y=y) for x, y in corners],
            )
        )
    return messages
