"""The active fusion node: cameras -> pairing -> worker -> outputs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from difusionseg_core.backends import OutOfMemory
from difusionseg_core.cameras.pairing import NearestStampPairer
from difusionseg_core.cameras.stamp_quality import clock_advice
from difusionseg_core.predictor import Predictor
from difusionseg_ros.common.throttled_log import ThrottledLog
from difusionseg_ros.common.topics import RGB_CAMERA_INFO, THERMAL_CAMERA_INFO, Topic
from difusionseg_ros.fusion import diagnostics
from difusionseg_ros.fusion.camera_input import RGB, THERMAL, CameraInput
from difusionseg_ros.fusion.frame_processor import Frame, FrameProcessor
from difusionseg_ros.fusion.frame_totals import FrameTotals
from difusionseg_ros.fusion.nearest_sync import NearestSync, PairTiming
from difusionseg_ros.fusion.outputs import Outputs
from difusionseg_ros.fusion.parameters import Settings
from difusionseg_ros.fusion.single_camera import SingleCameraFilter
from difusionseg_ros.fusion.worker import NewestWinsWorker


class Pipeline:
    """Subscribes, pairs, runs the network in a worker and publishes, from creation until `close`.

    `settings` returns the current parameters; changes take effect from the next frame. Totals
    start at zero. Message callbacks only check and enqueue. While `paused`, frames are dropped.
    `give_up` is called, in the worker's thread, with an error after which the node must stop.
    Raises what rclpy raises for an impossible QoS override.
    """

    def __init__(
        self,
        node: Node,
        predictor: Predictor,
        outputs: Outputs,
        settings: Callable[[], Settings],
        give_up: Callable[[Exception], None],
    ) -> None:
        self.paused = False
        self._node = node
        self._predictor = predictor
        self._outputs = outputs
        self._settings = settings
        self._give_up = give_up
        self._log = ThrottledLog(node.get_logger(), lambda: settings().log_period)
        self._totals = FrameTotals()
        self._moved = ""
        self._warned: set[tuple[str, str]] = set()  # topic and kind of the findings in the log

        with ExitStack() as opened:  # closes everything opened if something below fails
            self._connect(settings(), opened)
            self._open = opened.pop_all()

    def _connect(self, settings: Settings, opened: ExitStack) -> None:
        node = self._node
        # Opened first, so closed last, when no new frames can arrive.
        self._worker = NewestWinsWorker(self._process, self._process_failed)
        opened.callback(self._worker.stop)
        self._rgb = CameraInput(node, RGB, settings.rgb_transport, self._settings, self._log)
        opened.callback(self._rgb.close)
        self._thermal = CameraInput(
            node, THERMAL, settings.thermal_transport, self._settings, self._log
        )
        opened.callback(self._thermal.close)
        self._processor = FrameProcessor(
            self._rgb,
            self._thermal,
            self._predictor,
            self._outputs,
            self._settings,
            node.get_clock(),
            self._log,
        )
        self._camera_infos: dict[Topic, CameraInfo] = {}
        for topic in (RGB_CAMERA_INFO, THERMAL_CAMERA_INFO):
            subscription = node.create_subscription(
                CameraInfo,
                topic.name,
                partial(self._camera_infos.__setitem__, topic),
                topic.qos(),
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
            opened.callback(node.destroy_subscription, subscription)
        pairer = NearestStampPairer(
            _nanoseconds(settings.slop),
            settings.queue_size,
            _nanoseconds(settings.thermal_time_offset),
        )
        self._sync = NearestSync(
            SingleCameraFilter(self._rgb, lambda: self._given_up(self._thermal), self._rgb_alone),
            SingleCameraFilter(
                self._thermal, lambda: self._given_up(self._rgb), self._thermal_alone
            ),
            pairer,
            node.get_logger(),
        )
        self._sync.registerCallback(self._pair_arrived)
        self._last_report = self._report()
        # A steady clock: missing images must be reported also if simulated time stops.
        timer = node.create_timer(
            settings.diagnostics_period,
            self._diagnose,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )
        opened.callback(node.destroy_timer, timer)

    def settings_changed(self, settings: Settings) -> None:
        """Pass new values to the pairer; everything else reads them with every frame."""
        self._sync.retune(_nanoseconds(settings.slop), _nanoseconds(settings.thermal_time_offset))

    def close(self) -> None:
        """Unsubscribe, let the current frame finish, and stop."""
        self._open.close()

    def _pair_arrived(
        self, rgb: Image | CompressedImage, thermal: Image | CompressedImage, timing: PairTiming
    ) -> None:
        self._totals.paired(timing)
        self._submit(rgb, thermal, timing.arrived, timing.offset_ns * 1e-9)

    def _given_up(self, camera: CameraInput) -> bool:
        return self._settings().on_missing_camera == "degrade" and camera.missing

    def _rgb_alone(self, rgb: Image | CompressedImage) -> None:
        self._submit(rgb, None, time.monotonic())

    def _thermal_alone(self, thermal: Image | CompressedImage) -> None:
        self._submit(None, thermal, time.monotonic())

    def _submit(
        self,
        rgb: Image | CompressedImage | None,
        thermal: Image | CompressedImage | None,
        arrived: float,
        time_offset: float = math.nan,
    ) -> None:
        frame = Frame(
            rgb,
            thermal,
            arrived=arrived,
            submitted=time.monotonic(),
            camera_info=self._camera_infos.get(RGB_CAMERA_INFO),
            thermal_camera_info=self._camera_infos.get(THERMAL_CAMERA_INFO),
            time_offset=time_offset,
        )
        self._worker.submit(frame)

    def _process(self, frame: Frame) -> None:
        if self.paused:
            return
        try:
            status = self._processor.process(frame)
        except OutOfMemory as error:
            self._make_room(error)
            status = self._processor.process(frame)
        if status is None:
            return
        self._totals.finished(
            status, self._sync.counts, self._worker.replaced, self._rgb.bad + self._thermal.bad
        )
        self._outputs.publish_status(status)

    def _make_room(self, error: OutOfMemory) -> None:
        """Continue on the CPU; or give up and raise the error, as `on_out_of_memory` says."""
        if self._settings().on_out_of_memory == "stop":
            self._give_up(error)
            raise error
        self._moved = f"the memory of {self._predictor.device} was not enough"
        self._predictor.to_cpu()
        self._node.get_logger().error(f"network: {self._moved}; continuing on the CPU: {error}")

    def _process_failed(self, error: Exception) -> None:
        self._totals.raised(error)
        self._log.error("network", f"a frame failed: {self._totals.last_failure}")

    def _diagnose(self) -> None:
        report = self._report()
        settings = self._settings()
        name = self._node.get_fully_qualified_name().lstrip("/")
        message = DiagnosticArray(
            status=[
                *diagnostics.statuses(name, self._last_report, report, settings.camera_timeout),
                self._processor.thermometer.status(f"{name}: temperature", settings),
            ]
        )
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._outputs.publish_diagnostics(message)
        self._last_report = report
        self._log_findings(report)

    def _log_findings(self, report: diagnostics.NodeReport) -> None:
        """Log each warning about the cameras' images once, and again if it comes back."""
        present = {
            (camera.topic, finding.kind): finding
            for camera in (report.rgb, report.thermal)
            for finding in camera.findings
            if finding.warning
        }
        for topic, kind in present.keys() - self._warned:
            self._node.get_logger().warning(f"{topic}: {present[topic, kind].text}")
        self._warned = set(present)

    def _report(self) -> diagnostics.NodeReport:
        return diagnostics.NodeReport(
            time=time.monotonic(),
            rgb=self._rgb.report(),
            thermal=self._thermal.report(),
            pairing=self._sync.counts,
            offsets=tuple(self._totals.offsets),
            lags=tuple(self._totals.lags),
            apart=_seconds(self._sync.newest_apart_ns),
            clock_advice=self._clock_advice(),
            model=diagnostics.ModelReport(
                device=self._predictor.device,
                backend=self._predictor.backend,
                steps=self._settings().steps,
                processed=self._totals.processed,
                alone=self._totals.alone,
                replaced=self._worker.replaced,
                failed=self._totals.failed,
                last_error=self._totals.last_failure,
                latencies=tuple(self._totals.latencies),
                moved=self._moved,
                paused=self.paused,
            ),
            outputs=self._outputs.report(),
        )

    def _clock_advice(self) -> str:
        settings = self._settings()
        advice = clock_advice(
            self._rgb.used_stamps,
            self._thermal.used_stamps,
            settings.slop,
            settings.thermal_time_offset,
        )
        return "" if advice is None else advice.text


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


def _seconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds * 1e-9
