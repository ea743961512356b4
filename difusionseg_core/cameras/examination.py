"""Examination of both cameras for the fusion node: a report, and parameters to set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from difusionseg_core.cameras.camera_watch import RGB, CameraWatch, Finding
from difusionseg_core.cameras.stamp_quality import clock_advice
from difusionseg_core.imaging.codec.camera_images import BadImage, check, rgb_array, thermal_pixels
from difusionseg_core.imaging.codec.encodings import RGB_ENCODINGS, THERMAL_ENCODINGS
from difusionseg_core.imaging.thermal.conversion import ThermalConversion, ThermalOptions

_DECODING_PERIOD = 0.3  # seconds; checks are cheap, decoding is not
_SLOP = 0.05  # seconds, the node's default
_LONG = 2.0  # seconds without a change after which images count as frozen
_MAX_BYTES = 25_000_000  # the node's default


class Examination:
    """Takes the messages of one camera, RGB or THERMAL, on a topic of a type.

    `about` are more facts for the report, such as QoS.
    """

    def __init__(
        self, role: str, topic: str, kind: str, about: Mapping[str, str] | None = None
    ) -> None:
        self.role = role
        self.topic = topic
        self.watch = CameraWatch(role)
        self.refusals: Counter[str] = Counter()
        self.received = 0
        self._facts = {"topic": topic, "type": kind, **(about or {})}
        self._conversion = ThermalConversion(ThermalOptions())
        self._begin = self._end = self._decoded = 0.0
        self._size: tuple[int, ...] | None = None

    def add(self, message: Any, arrived_ns: int) -> None:
        """Take the next message and the time of its arrival [ns]."""
        now = arrived_ns * 1e-9
        if not self.received:
            self._begin, self._decoded = now, now - _DECODING_PERIOD
        self._end = now
        self.received += 1
        stamp = message.header.stamp
        self.watch.received(message, stamp.sec * 10**9 + stamp.nanosec, arrived_ns)
        encodings = RGB_ENCODINGS if self.role == RGB else THERMAL_ENCODINGS
        try:
            check(message, encodings, _MAX_BYTES)
            self.watch.accepted(message, now)
            if now - self._decoded >= _DECODING_PERIOD:
                self._decoded = now
                self._inspect(message)
        except BadImage as error:
            self.refusals[str(error)] += 1

    @property
    def usable(self) -> bool:
        """Whether messages came, and most of them were images that the node takes."""
        return self._size is not None and self.refusals.total() < self.received / 2

    @property
    def size(self) -> tuple[int, ...] | None:
        """Height and width in pixels; None before the first image that could be read."""
        return self._size

    def findings(self) -> list[Finding]:
        """Return the findings about the images and stamps."""
        found = self.watch.findings(_LONG)
        stamps = self.watch.stamps
        if stamps.unstamped:
            found.append(
                Finding(
                    "unstamped",
                    f"{stamps.unstamped} of {self.received} images have no stamp: set rgb_stamps "
                    "and thermal_stamps to arrival",
                    {"rgb_stamps": "arrival", "thermal_stamps": "arrival"},
                    warning=True,
                )
            )
        return found

    def lines(self) -> list[str]:
        """Return the report about this camera."""
        facts = dict(self._facts)
        if self.received > 1 and self._end > self._begin:
            rate = (self.received - 1) / (self._end - self._begin)
            facts["rate"] = f"{rate:.1f} Hz, {self.received} messages"
        else:
            plural = "" if self.received == 1 else "s"
            facts["rate"] = f"{self.received} message{plural}"
        facts |= self.watch.facts() if self.received else {}
        lines = [f"{self.role} camera", *(f"  {name:<16} {text}" for name, text in facts.items())]
        if not self.received:
            lines.append("  ! no messages: check that the driver runs and publishes on this topic")
        lines += [f"  ! refused {count}x: {text}" for text, count in self.refusals.most_common(3)]
        lines += [f"  {'!' if item.warning else '-'} {item.text}" for item in self.findings()]
        return lines

    def _inspect(self, message: Any) -> None:
        if self.role == RGB:
            pixels = rgb_array(message, _MAX_BYTES)
            self._size = pixels.shape[:2]
            self.watch.inspect(message, pixels)
            return
        pixels = thermal_pixels(message, _MAX_BYTES)
        self._size = self._conversion(pixels).shape
        self.watch.inspect(message, pixels, self._conversion)


def report(
    rgb: Examination, thermal: Examination, settings: Mapping[str, object] | None = None
) -> tuple[list[str], dict[str, object]]:
    """Return the lines about both cameras, and the parameters of the node to set, by name.

    `settings` are parameters that follow from the topics, such as `rgb_transport`.
    """
    lines = [*rgb.lines(), "", *thermal.lines(), "", "together"]
    parameters: dict[str, object] = {}
    for item in (*rgb.findings(), *thermal.findings()):
        parameters |= item.parameters
    unstamped = rgb.watch.stamps.unstamped or thermal.watch.stamps.unstamped
    advice = clock_advice(rgb.watch.stamps, thermal.watch.stamps, _SLOP)
    if advice is not None and not unstamped:
        lines.append(f"  ! {advice.text}")
        parameters |= advice.parameters
    if rgb.size and thermal.size and rgb.size != thermal.size:
        lines.append(
            f"  ! thermal images have {thermal.size[1]}x{thermal.size[0]} pixels, RGB images "
            f"{rgb.size[1]}x{rgb.size[0]}: find thermal_to_rgb with `difusionseg register`"
        )
    if lines[-1] == "together":
        lines.append("  clocks and sizes agree" if rgb.usable and thermal.usable else "  unknown")
    parameters |= settings or {}
    if parameters:
        lines += ["", "set these parameters of the node (a file for params_file):"]
        lines += ["", "/**/fusion_node:", "  ros__parameters:"]
        lines += [f"    {name}: {value}" for name, value in parameters.items()]
    return lines, parameters
