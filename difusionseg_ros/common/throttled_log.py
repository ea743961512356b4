"""A rate limit for log lines that would repeat with every frame."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.impl.rcutils_logger import RcutilsLogger


class ThrottledLog:
    """Logs errors and warnings, at most one line per subject in `period()` seconds.

    rclpy's throttle counts by place in the code: of two cameras with the same fault it would log
    only one.
    """

    def __init__(self, logger: RcutilsLogger, period: Callable[[], float]) -> None:
        self._logger = logger
        self._period = period
        self._last: dict[str, float] = {}

    def error(self, subject: str, text: str) -> None:
        """Log "subject: text" unless the subject had a line in the last `period()` seconds."""
        if self._is_due(subject):
            self._logger.error(f"{subject}: {text}")

    def warning(self, subject: str, text: str) -> None:
        """Log a warning in the same way."""
        if self._is_due(subject):
            self._logger.warning(f"{subject}: {text}")

    def _is_due(self, subject: str) -> bool:
        now = time.monotonic()
        if now - self._last.get(subject, -float("inf")) < self._period():
            return False
        self._last[subject] = now
        return True
