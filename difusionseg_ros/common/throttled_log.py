"""Log lines that would repeat with every frame, at a limited rate."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.impl.rcutils_logger import RcutilsLogger


class ThrottledLog:
    """Logs errors and warnings, one line for each subject at most every `period()` seconds.

    rclpy's own throttle counts by the place in the code, so that two cameras with the same fault
    would hide each other.
    """

    def __init__(self, logger: RcutilsLogger, period: Callable[[], float]) -> None:
        self._logger = logger
        self._period = period
        self._last: dict[str, float] = {}

    def error(self, subject: str, text: str) -> None:
        """Log "subject: text" unless a line about the subject was logged just before."""
        if self._is_due(subject):
            self._logger.error(f"{subject}: {text}")

    def warning(self, subject: str, text: str) -> None:
        """The same, as a warning."""
        if self._is_due(subject):
            self._logger.warning(f"{subject}: {text}")

    def _is_due(self, subject: str) -> bool:
        now = time.monotonic()
        if now - self._last.get(subject, -float("inf")) < self._period():
            return False
        self._last[subject] = now
        return True
