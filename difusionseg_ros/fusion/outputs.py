"""The node's publishers. Messages are made only for topics with subscribers."""

from __future__ import annotations

import copy
from collections.abc import Callable

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import ColorRGBA, Header
from vision_msgs.msg import LabelInfo, VisionClass

from difusionseg_core.classes import LabelSet
from difusionseg_core.imaging.blur import blur_classes, blurred_classes
from difusionseg_core.imaging.drawing import colorize, overlay
from difusionseg_core.objects.frame_objects import FrameObjects
from difusionseg_core.objects.object_drawing import draw_objects
from difusionseg_core.predictor import Prediction
from difusionseg_ros.common import topics
from difusionseg_ros.common.image_messages import image_message
from difusionseg_ros.fusion.diagnostics import OutputsReport
from difusionseg_ros.fusion.object_outputs import (
    detections_message,
    marker_messages,
    temperatures_message,
)
from difusionseg_ros.fusion.parameters import Settings
from difusionseg_ros.msg import ClassColors, FrameStatus, HotSpot, LabelClass


class Outputs:
    """Publishes the results of each frame; label info and class colours once, latched."""

    def __init__(self, node: Node, label_set: LabelSet, palette: str) -> None:
        self._node = node
        self._label_set = label_set
        self._palette = palette
        self._publishers = {topic.name: _publisher(node, topic) for topic in topics.OUTPUTS}
        header = Header(stamp=node.get_clock().now().to_msg())
        self._publishers[topics.LABEL_INFO.name].publish(_label_info(label_set, header))
        self._publishers[topics.CLASS_COLORS.name].publish(
            _class_colors(label_set, palette, header)
        )

    def publish_images(
        self,
        header: Header,
        result: Prediction,
        found: FrameObjects,
        settings: Settings,
        camera_info: CameraInfo | None,
    ) -> None:
        """Publish the images made from one frame, and the camera info, all with the same header."""
        labels, label_set, palette = result.labels, self._label_set, self._palette
        blurred = blurred_classes(settings.blur, label_set)  # names were checked
        fused = blur_classes(result.fused, labels, blurred) if blurred else result.fused

        def draw_overlay() -> np.ndarray:
            colored = overlay(fused, labels, label_set, settings.overlay_opacity, palette)
            captions = found.captions(label_set)
            return draw_objects(colored, found.objects, captions, label_set.colors(palette))

        def publish(topic: topics.Topic, encoding: str, draw: Callable[[], np.ndarray]) -> None:
            self._publish(topic, lambda: image_message(draw(), encoding, header))

        publish(topics.FUSED, "rgb8", lambda: fused)
        publish(topics.MASK, "mono8", lambda: labels)
        publish(topics.COLOR, "rgb8", lambda: colorize(labels, label_set, palette))
        publish(topics.OVERLAY, "rgb8", draw_overlay)
        if settings.confidence_encoding == "mono8":
            scaled = (result.confidence * 255 + 0.5).astype(np.uint8)
            publish(topics.CONFIDENCE, "mono8", lambda: scaled)
        else:
            publish(topics.CONFIDENCE, "32FC1", lambda: result.confidence)
        if camera_info is not None:
            stamped = copy.copy(camera_info)
            stamped.header = header
            for topic in (topics.FUSED_CAMERA_INFO, topics.SEGMENTATION_CAMERA_INFO):
                self._publish(topic, lambda: stamped)

    def publish_objects(self, header: Header, found: FrameObjects) -> None:
        """Publish the objects of a frame, their temperatures and markers."""
        label_set = self._label_set
        self._publish(topics.OBJECTS, lambda: detections_message(found, label_set, header))
        if found.temperatures is not None:
            self._publish(
                topics.OBJECT_TEMPERATURES, lambda: temperatures_message(found, label_set, header)
            )
        if self.wanted(topics.OBJECT_MARKERS):
            for marker in marker_messages(found, label_set, self._palette, header):
                self._publishers[topics.OBJECT_MARKERS.name].publish(marker)

    def publish_temperature(self, header: Header, degrees: np.ndarray) -> None:
        """Publish (H, W) float32 degrees Celsius."""
        self._publish(topics.THERMAL_TEMPERATURE, lambda: image_message(degrees, "32FC1", header))

    def publish_hot_spot(self, message: HotSpot) -> None:
        """Publish start or end of the alarm; latched."""
        self._publishers[topics.HOT_SPOT.name].publish(message)

    def wanted(self, *wanted: topics.Topic) -> bool:
        """Return whether one of the topics has a subscriber."""
        return any(self._publishers[topic.name].get_subscription_count() for topic in wanted)

    def class_shares(self, labels: np.ndarray) -> list[float]:
        """Return the share of each class, 0..1, among the pixels of a mask (H, W) uint8."""
        counts = cv2.calcHist([labels], [0], None, [256], [0, 256]).ravel()
        return (counts[: self._label_set.num_classes] / labels.size).tolist()

    def publish_status(self, status: FrameStatus) -> None:
        """Publish the status of a frame."""
        self._publish(topics.FRAME_STATUS, lambda: status)

    def publish_diagnostics(self, message: DiagnosticArray) -> None:
        """Publish on /diagnostics."""
        self._publish(topics.DIAGNOSTICS, lambda: message)

    def report(self) -> OutputsReport:
        """Count the subscribers of the topics, and find those that other nodes publish too."""
        own = [topic.name for topic in topics.OUTPUTS if topic is not topics.DIAGNOSTICS]
        return OutputsReport(
            subscribers={name: self._publishers[name].get_subscription_count() for name in own},
            shared=tuple(name for name in own if self._node.count_publishers(name) > 1),
        )

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)

    def _publish(self, topic: topics.Topic, make: Callable[[], object]) -> None:
        if self.wanted(topic):
            self._publishers[topic.name].publish(make())


def _publisher(node: Node, topic: topics.Topic) -> Publisher:
    return node.create_publisher(
        topic.type,
        topic.name,
        topic.qos(),
        qos_overriding_options=QoSOverridingOptions.with_default_policies(),
    )


def _label_info(label_set: LabelSet, header: Header) -> LabelInfo:
    names = enumerate(label_set.class_names)
    classes = [VisionClass(class_id=index, class_name=name) for index, name in names]
    return LabelInfo(header=header, class_map=classes)


def _class_colors(label_set: LabelSet, palette: str, header: Header) -> ClassColors:
    classes = [
        LabelClass(
            class_id=index,
            class_name=name,
            color=ColorRGBA(r=red / 255, g=green / 255, b=blue / 255, a=1.0),
        )
        for index, (name, (red, green, blue)) in enumerate(
            zip(label_set.class_names, label_set.colors(palette), strict=True)
        )
    ]
    return ClassColors(header=header, name=label_set.name, class_map=classes)
