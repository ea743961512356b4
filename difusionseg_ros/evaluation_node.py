"""The evaluation node: scores segmentation/mask against a ground-truth topic while it runs.

    ros2 run difusionseg_ros evaluation_node --ros-args -p output:=evaluation.json

Ground truth arrives on ground_truth/mask as class ids in mono8, or on ground_truth/mask/compressed.
The node subscribes to it as soon as somebody publishes masks; a replay that waits for subscribers
of the ground truth thus waits for the fusion node, too. The node publishes and logs the mean IoU so
far. It ends when ground truth is no longer published and the remaining masks have arrived, or on
SIGINT or SIGTERM, and then writes `output`.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.time import Time
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Float64

from difusionseg_core.cameras.pairing import NearestStampPairer, Pair
from difusionseg_core.files import new_output
from difusionseg_core.imaging.codec.camera_images import BadImage, check, mask_array
from difusionseg_core.imaging.codec.encodings import MASK_ENCODINGS
from difusionseg_core.recordings.topic_choice import MASK as TRUTH
from difusionseg_ros.common import topics
from difusionseg_ros.common.clock_watch import ClockWatch
from difusionseg_ros.common.complaints import Complaints
from difusionseg_ros.common.fixed_parameters import Parameter, declare, described
from difusionseg_ros.common.image_messages import check_stamp
from difusionseg_ros.common.live_scores import LiveScores
from difusionseg_ros.common.program import Program, run, spin_until

PARAMETERS = (
    Parameter("output", "", "JSON file for the scores; empty: no file, only log and topics"),
    Parameter("slop", 0.05, "maximum time between a mask and its ground truth [s]", 0.0, 10.0),
    Parameter(
        "start_timeout",
        120.0,
        "time to wait for the first ground truth before giving up [s]",
        0.1,
        86400.0,
    ),
    Parameter("report_period", 5.0, "time between log lines about the scores [s]", 0.1, 3600.0),
)
PROGRAM = Program("evaluation_node", __doc__, described(PARAMETERS))
MEAN_IOU = "evaluation/mean_iou"
_TRUTH_TYPES = {TRUTH: Image, f"{TRUTH}/compressed": CompressedImage}
_WAITING = 300  # unpaired masks kept: ten seconds of a fast camera
_DEPTH = 50
_MAX_BYTES = 1_000_000_000
_CHECK_PERIOD = 0.2  # seconds
# After the last publisher of ground truth has gone, the node ends when no mask has arrived for this
# long [s], or for three times the longest time between two masks. The first frame takes longer.
_LEAST_PATIENCE = 2.0
_PATIENCE_FACTOR = 3.0
_FIRST_PATIENCE = 30.0


class EvaluationNode(Node):
    """Pairs masks with their ground truth and scores them.

    `done` is set when no more masks are expected, `gave_up` when no ground truth arrived in time,
    or when the fusion node refuses every image of a camera.
    `node_arguments` are those of rclpy's Node. Raises ValueError, in one line, for an invalid
    parameter.
    """

    def __init__(self, **node_arguments: Any) -> None:
        super().__init__("evaluation_node", **node_arguments)
        try:
            self.values = declare(self, PARAMETERS)
            if self.values["output"] and Path(self.values["output"]).exists():
                raise ValueError(
                    f"parameter 'output': {self.values['output']} exists; name another"
                )
        except ValueError:
            self.destroy_node()
            raise
        ClockWatch(self)
        self.scores = LiveScores()
        self.done = False
        self.gave_up = False
        self._pairer = NearestStampPairer(round(self.values["slop"] * 1e9), _WAITING)
        self._truths = 0
        self._began = time.monotonic()
        self._last_truth_publisher: float | None = None  # time when a publisher was last seen
        self._last_mask: float | None = None
        self._longest_wait = 0.0
        self._truth_topics = [self.resolve_topic_name(name) for name in _TRUTH_TYPES]
        self._hears_truth = False
        self._masks = self._listen(Image, topics.MASK.name, self._mask_arrived).topic_name
        self._listen(topics.FRAME_STATUS.type, topics.FRAME_STATUS.name, self.scores.add_status)
        info = topics.LABEL_INFO
        self.create_subscription(info.type, info.name, self.scores.name_classes, info.qos())
        self._mean_iou = self.create_publisher(Float64, MEAN_IOU, 10)
        self._complaints = Complaints(self.get_namespace())
        self.create_subscription(
            DiagnosticArray, topics.DIAGNOSTICS.name, self._complaints.take, 10
        )
        self._diagnostics = self.create_publisher(DiagnosticArray, topics.DIAGNOSTICS.name, 10)
        self.create_timer(_CHECK_PERIOD, self._check_end)
        self.create_timer(self.values["report_period"], self._publish_scores)

    def finish(self) -> bool:
        """Score the remaining pairs, report, and write `output`; return whether any was scored."""
        self._score(self._pairer.flush())
        if not self.scores.frames:
            self.get_logger().error(f"nothing was scored: {self._reason()}")
            return False
        self._publish_scores()
        if self.values["output"]:
            with new_output(self.values["output"]) as path:
                path.write_text(json.dumps(self.report(), indent=2, allow_nan=False) + "\n")
        return True

    def _reason(self) -> str:
        if error := self._complaints.error():
            return error
        if not self._hears_truth:
            return f"nobody publishes {self._masks}"
        return (
            f"{self._truths} images arrived on {TRUTH}, "
            f"{self._pairer.counts.dropped_rgb} masks had no ground truth"
        )

    def report(self) -> dict[str, object]:
        """Return the content of `output`."""
        counts = self._pairer.counts
        return {
            "truth": {
                "received": self._truths,
                "scored": self.scores.frames,
                "without_class_map": counts.dropped_thermal,
            },
            "class_maps_without_truth": counts.dropped_rgb,
            **self.scores.report(),
        }

    def _listen(self, kind: type, name: str, callback: Any) -> Any:
        return self.create_subscription(
            kind,
            name,
            callback,
            QoSProfile(depth=_DEPTH),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )

    def _hear_truth(self) -> None:
        self._hears_truth = True
        for name, kind in _TRUTH_TYPES.items():
            self._listen(kind, name, self._truth_arrived)

    def _truth_arrived(self, message: Image | CompressedImage) -> None:
        self._truths += 1
        # The publisher may disappear before the timer checks.
        self._last_truth_publisher = time.monotonic()
        if self._is_sound(message):
            self._score(self._pairer.add_thermal(_stamp_ns(message), message))

    def _mask_arrived(self, message: Image) -> None:
        now = time.monotonic()
        if self._last_mask is not None:
            self._longest_wait = max(self._longest_wait, now - self._last_mask)
        self._last_mask = now
        if self._is_sound(message):
            self._score(self._pairer.add_rgb(_stamp_ns(message), message))

    def _is_sound(self, message: Image | CompressedImage) -> bool:
        try:
            check_stamp(message.header)
            check(message, MASK_ENCODINGS, _MAX_BYTES)
        except BadImage as error:
            self._refuse("an image", error)
            return False
        return True

    def _score(self, pairs: list[Pair]) -> None:
        for pair in pairs:
            try:
                truth, labels = (mask_array(m, _MAX_BYTES) for m in (pair.thermal, pair.rgb))
                self.scores.add_mask(truth, labels)
            except ValueError as error:
                self._refuse(TRUTH, error)
                continue
            self._mean_iou.publish(Float64(data=self.scores.mean_iou))

    def _refuse(self, topic: str, error: ValueError) -> None:
        self.scores.faults.add(topic, error)
        self.get_logger().error(f"{topic} refused: {error}", throttle_duration_sec=5.0)

    def _check_end(self) -> None:
        now = time.monotonic()
        if not self._hears_truth and self.count_publishers(self._masks):
            self._hear_truth()
        if self._last_mask is None and self._complaints.refusal():
            self.gave_up = True
        elif any(map(self.count_publishers, self._truth_topics)):
            self._last_truth_publisher = now
        elif self._last_truth_publisher is None:
            self.gave_up = now - self._began > self.values["start_timeout"]
        elif self._last_mask is None:
            self.done = now - self._last_truth_publisher > _FIRST_PATIENCE
        else:
            patience = max(_LEAST_PATIENCE, _PATIENCE_FACTOR * self._longest_wait)
            self.done = now - max(self._last_truth_publisher, self._last_mask) > patience

    def _publish_scores(self) -> None:
        scores, counts = self.scores, self._pairer.counts
        if not scores.frames:
            return
        self.get_logger().info(
            f"mIoU {scores.mean_iou:.4f} over {scores.frames} frames, latency "
            f"{1e3 * scores.latency:.0f} ms, {counts.dropped_thermal} truths without a mask"
        )
        values = {
            "mIoU": f"{scores.mean_iou:.4f}",
            "frames scored": scores.frames,
            "truths received": self._truths,
            "truths without a mask": counts.dropped_thermal,
            "masks without truth": counts.dropped_rgb,
            "latency, median [ms]": f"{1e3 * scores.latency:.1f}",
        }
        status = DiagnosticStatus(
            level=DiagnosticStatus.OK,
            name=f"{self.get_fully_qualified_name().lstrip('/')}: segmentation",
            message=f"mIoU {scores.mean_iou:.4f} over {scores.frames} frames",
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)


def main(args: list[str] | None = None) -> int:
    """Score until the ground truth ends, SIGINT or SIGTERM; return the exit status.

    It is 1 if nothing could be scored.
    """
    return run(PROGRAM, args, _score_until)


def _score_until(stop: threading.Event, _: list[str]) -> int:
    node = EvaluationNode()
    try:
        spin_until(lambda: stop.is_set() or node.done or node.gave_up, node)
        return 0 if node.finish() else 1
    finally:
        node.destroy_node()


def _stamp_ns(message: Image | CompressedImage) -> int:
    return Time.from_msg(message.header.stamp).nanoseconds


if __name__ == "__main__":
    sys.exit(main())
