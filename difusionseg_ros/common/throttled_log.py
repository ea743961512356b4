"""Error lines that repeat with every frame, thinned out."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.impl.rcutils_logger import RcutilsLogger


class ThrottledLog:
    """Logs errors, one line for each subject at most every `period()` seconds.

    rclpy's own throttle counts by the place in the code, so that two cameras with the same fault
    would hide each other.
    """

    def __init__(self, logger: RcutilsLogger, period: Callable[[], float]) -> None:
        self._logger = logger
        self._period = period
        self._last: dict[str, float] = {}

    def error(self, subject: str, text: str) -> None:
        """Log "subject: text" unless a line about the subject was logged just before."""
        now = time.monotonic()
        if now - self._last.get(subject, -float("inf")) >= self._period():
            self._last[subject] = now
            self._logger.error(f"{subject}: {text}")
