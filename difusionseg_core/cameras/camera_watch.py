"""Observation of one camera over time: facts about its images, and findings with advice."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from difusionseg_core.cameras.frozen_frames import FrozenFrames
from difusionseg_core.cameras.image_contents import (
    range_of_counts,
    significant_bits,
    telemetry_rows,
)
from difusionseg_core.cameras.stamp_quality import StampQuality
from difusionseg_core.imaging.codec.camera_images import is_compressed
from difusionseg_core.imaging.codec.compressed_images import lost_depth, parse_format
from difusionseg_core.imaging.codec.encodings import BAYER, ENCODINGS, GREY, PACKED_YUV, PLANAR_YUV
from difusionseg_core.imaging.thermal.conversion import ThermalConversion, cropped

RGB, THERMAL = "rgb", "thermal"
_AGREEING = 3  # consecutive inspections that must find the same telemetry rows


@dataclass(frozen=True)
class Finding:
    """A possible fault: one line, and the parameters of the node that help, if any.

    `kind` names it for programs; a `warning` is about images that lose quality, other findings are
    hints.
    """

    kind: str
    text: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    warning: bool = False


class CameraWatch:
    """Observes the messages of one camera, RGB or THERMAL.

    `received` and `accepted` are cheap and are called for every message; `inspect` examines the
    pixels of some messages.
    """

    def __init__(self, role: str) -> None:
        self.role = role
        self.stamps = StampQuality()
        self.frozen = FrozenFrames()
        self._layout = ""
        self._format: str | None = None
        self._size = ""
        self._range: tuple[float, float] | None = None
        self._bits = 0
        self._levels: int | None = None
        self._palette: str | None = None
        self._palette_warning = ""
        self._crop: tuple[int, ...] = (0, 0, 0, 0)
        self._telemetry: tuple[tuple[int, int], int] = ((0, 0), 0)

    def received(self, message: Any, stamp_ns: int, arrived_ns: int) -> None:
        """Take a message, its stamp as sent, and its arrival by the clock of the node [ns]."""
        self.stamps.add(stamp_ns, arrived_ns)
        if is_compressed(message):
            self._format = message.format[:60]
        else:
            self._layout = message.encoding[:40]
            self._size = f"{message.width}x{message.height}"

    def accepted(self, message: Any, now: float) -> None:
        """Take a message that passed `camera_images.check`, and the time of a steady clock [s]."""
        if self.role == THERMAL:
            self.frozen.add(message, now)

    def inspect(
        self, message: Any, pixels: np.ndarray, conversion: ThermalConversion | None = None
    ) -> None:
        """Look at a message's decoded pixels: (H, W) counts, or (H, W, 3) uint8 RGB.

        `conversion` is the thermal camera's, after it converted them.
        """
        self._size = f"{pixels.shape[1]}x{pixels.shape[0]}"
        if self.role == RGB:
            self._bits = max(self._bits, significant_bits(message) or 0)
            return
        if conversion is not None:
            self._palette = conversion.palette
            self._palette_warning = conversion.warning
            self._crop = conversion.options.crop
            pixels = cropped(pixels, self._crop)
        self._range = range_of_counts(pixels)
        if is_compressed(message) and lost_depth(message.format):
            self._levels = len(np.unique(pixels[::2, ::2]))
        if pixels.ndim == 2:
            rows = telemetry_rows(pixels)
            same = rows == self._telemetry[0]
            self._telemetry = rows, self._telemetry[1] + 1 if same else 1

    def facts(self) -> dict[str, str]:
        """Return the known facts about the camera's images, as text by name."""
        facts = {
            "encoding": " ".join(self._layout.split()),
            "format": "" if self._format is None else repr(self._format),
            "size": self._size,
            "stamps": self.stamps.text(),
        }
        if self._range is not None and not math.isnan(self._range[0]):
            facts["range of counts"] = f"{self._range[0]:g} to {self._range[1]:g}"
        if self._palette is not None:
            facts["palette"] = self._palette or "unknown"
        if self.role == THERMAL:
            facts["shutter events"] = str(self.frozen.shutter_events)
        facts["conversion"] = self.conversion()
        return {name: value for name, value in facts.items() if value}

    def conversion(self) -> str:
        """Return the conversion of the images, as text."""
        if self._format is not None:
            format = parse_format(self._format)
            source, steps = ENCODINGS.get(format.source), ["decoded"]
            if self.role == THERMAL and lost_depth(self._format):
                steps.append("multiplied by 256")
        else:
            source, steps = ENCODINGS.get(self._layout), []
        order = GREY if source is None else source.order
        if order in BAYER:
            steps.append("demosaiced")
        if order in PACKED_YUV + PLANAR_YUV:
            steps.append("luma taken" if self.role == THERMAL else "converted from YUV")
        if self.role == RGB and source is not None and source.dtype == "u2":
            steps.append("scaled to 8 bits")
        if self.role == THERMAL and self._palette is not None:
            steps.append(f"palette {self._palette or 'unknown: luma'}")
        if self.role == THERMAL and source is not None and source.dtype != "u1":
            steps.append("scaled to grey by thermal_mode")
        return ", ".join(steps) or ("taken as it is" if self._layout or self._format else "")

    def findings(self, timeout: float, rgb_bits: int = 16) -> list[Finding]:
        """Return the current findings.

        `timeout` [s] is the time after which an unchanged image is reported; `rgb_bits` is the
        parameter of that name.
        """
        found = []
        if self.frozen.unchanged > timeout:
            found.append(
                Finding(
                    "frozen",
                    f"thermal image has not changed for {self.frozen.unchanged:.0f} s: stuck "
                    "shutter or driver?",
                    warning=True,
                )
            )
        if self._levels is not None:
            found.append(
                Finding(
                    "lost depth",
                    f"16-bit counts arrive as 8 bits, {self._levels} grey levels are left: set the "
                    "publisher's parameter .format to png",
                    warning=True,
                )
            )
        if self._palette_warning:
            found.append(Finding("palette", self._palette_warning, warning=True))
        (top, bottom), agreeing = self._telemetry
        if (top or bottom) and agreeing >= _AGREEING:
            crop = [top + self._crop[0], bottom + self._crop[1], *self._crop[2:]]
            found.append(
                Finding(
                    "telemetry",
                    f"{top + bottom} rows at the edge differ wildly from the image: telemetry? set "
                    f"thermal_crop to {crop}",
                    {"thermal_crop": crop},
                )
            )
        if 8 < self._bits < min(rgb_bits, 16):
            found.append(
                Finding(
                    "bits",
                    f"RGB values use {self._bits} of {rgb_bits} bits: set rgb_bits to {self._bits} "
                    "if images are dark",
                    {"rgb_bits": self._bits},
                )
            )
        return found
