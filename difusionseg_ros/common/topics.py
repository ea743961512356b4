"""The fusion node's topics, as data for the node, its tests and the table in docs/node.md."""

from __future__ import annotations

from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from vision_msgs.msg import Detection2DArray, LabelInfo
from visualization_msgs.msg import ImageMarker

from difusionseg_ros.msg import ClassColors, FrameStatus, HotSpot, ObjectTemperatures


@dataclass(frozen=True)
class Topic:
    """A topic of the node: its name relative to the namespace, and its message class.

    Subscriptions are best effort, publishers reliable (REP 2003). `latched` topics keep their last
    message for late subscribers.
    """

    name: str
    type: type
    description: str
    received: bool = False
    latched: bool = False

    def qos(self) -> QoSProfile:
        """Return a new QoS profile on each access, because rclpy writes QoS overrides into it."""
        return QoSProfile(
            depth=1 if self.latched else 5,
            reliability=ReliabilityPolicy.BEST_EFFORT
            if self.received
            else ReliabilityPolicy.RELIABLE,
            durability=DurabilityPolicy.TRANSIENT_LOCAL
            if self.latched
            else DurabilityPolicy.VOLATILE,
        )


RGB_IMAGE = Topic(
    "rgb/image",
    Image,
    "colour image; with `rgb_transport: compressed` a CompressedImage on `rgb/image/compressed`",
    received=True,
)
THERMAL_IMAGE = Topic(
    "thermal/image",
    Image,
    "thermal image, with the size and view of the RGB image unless `thermal_to_rgb` is set; with "
    "`thermal_transport: compressed` a CompressedImage on `thermal/image/compressed`",
    received=True,
)
RGB_CAMERA_INFO = Topic(
    "rgb/camera_info", CameraInfo, "optional; republished beside every output", received=True
)
THERMAL_CAMERA_INFO = Topic(
    "thermal/camera_info",
    CameraInfo,
    "optional; its calibration is used by `undistort`",
    received=True,
)

FUSED = Topic("fused/image", Image, "fused image, rgb8")
FUSED_CAMERA_INFO = Topic(
    "fused/camera_info", CameraInfo, "camera_info of the RGB camera with the header of the output"
)
MASK = Topic("segmentation/mask", Image, "class ids, mono8; 255 = unlabelled")
COLOR = Topic("segmentation/color", Image, "class colours, rgb8")
OVERLAY = Topic("segmentation/overlay", Image, "class colours over the fused image, rgb8")
CONFIDENCE = Topic(
    "segmentation/confidence",
    Image,
    "confidence in the class: 32FC1, 0 to 1, or mono8, 0 to 255 (`confidence_encoding`)",
)
SEGMENTATION_CAMERA_INFO = Topic(
    "segmentation/camera_info",
    CameraInfo,
    "camera_info of the RGB camera with the header of the output",
)
LABEL_INFO = Topic(
    "segmentation/label_info",
    LabelInfo,
    "ids and names of the classes; latched",
    latched=True,
)
CLASS_COLORS = Topic(
    "segmentation/class_colors",
    ClassColors,
    "ids, names and colours of the classes; latched",
    latched=True,
)
THERMAL_TEMPERATURE = Topic(
    "thermal/temperature",
    Image,
    "32FC1, degrees Celsius in the pixels of the RGB image, NaN outside; only if `thermal_unit` is "
    "known",
)
OBJECTS = Topic(
    "objects",
    Detection2DArray,
    "objects with class name, score, box and the id of their track (empty before there is one)",
)
OBJECT_TEMPERATURES = Topic(
    "objects/temperature",
    ObjectTemperatures,
    "temperature of each of the `objects`; only if `thermal_unit` is known",
)
OBJECT_MARKERS = Topic(
    "objects/markers", ImageMarker, "outlines of the boxes, one marker for each of the `objects`"
)
HOT_SPOT = Topic(
    "hot_spot",
    HotSpot,
    "start and end of the alarm of `hot_spot_threshold`, with place and temperature; latched",
    latched=True,
)
FRAME_STATUS = Topic(
    "frame_status",
    FrameStatus,
    "one per frame: cameras used, time offset, latency by stage, class shares, totals",
)
DIAGNOSTICS = Topic("/diagnostics", DiagnosticArray, "rates, drops, pairing, bad messages, device")

INPUTS = (RGB_IMAGE, THERMAL_IMAGE, RGB_CAMERA_INFO, THERMAL_CAMERA_INFO)
OUTPUTS = (
    FUSED,
    FUSED_CAMERA_INFO,
    MASK,
    COLOR,
    OVERLAY,
    CONFIDENCE,
    SEGMENTATION_CAMERA_INFO,
    LABEL_INFO,
    CLASS_COLORS,
    THERMAL_TEMPERATURE,
    OBJECTS,
    OBJECT_TEMPERATURES,
    OBJECT_MARKERS,
    HOT_SPOT,
    FRAME_STATUS,
    DIAGNOSTICS,
)
