"""How images are paired in time: the node's parameters, for live images and recordings alike."""

from __future__ import annotations

from dataclasses import dataclass

from difusionseg_core.cameras.pairing import NearestStampPairer
from difusionseg_core.cameras.stamp_quality import used_stamp


@dataclass(frozen=True)
class PairingOptions:
    """The node's parameters of the same names, with its defaults.

    `slop` and `thermal_time_offset` are in seconds; `rgb_stamps` and `thermal_stamps` are of
    `stamp_quality.STAMPS`.
    """

    slop: float = 0.05
    thermal_time_offset: float = 0.0
    queue_size: int = 10
    rgb_stamps: str = "header"
    thermal_stamps: str = "header"

    @property
    def slop_ns(self) -> int:
        """Maximum time between the images of a pair in nanoseconds."""
        return round(self.slop * 1e9)

    def pairer(self) -> NearestStampPairer:
        """A new pairer. Raises ValueError for values out of range."""
        return NearestStampPairer(
            self.slop_ns, self.queue_size, round(self.thermal_time_offset * 1e9)
        )

    def used_stamp(self, role: str, stamp_ns: int, arrived_ns: int) -> int:
        """The time by which an image of "rgb" or "thermal" is paired [ns]."""
        return used_stamp(getattr(self, f"{role}_stamps"), stamp_ns, arrived_ns)
