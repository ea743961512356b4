"""A small ROS graph of one's own: nodes in this process, and the children that they talk to."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable
from typing import IO

from rclpy.executors import SingleThreadedExecutor

LOG_LINES = 10


class GraphFailed(RuntimeError):
    """The graph cannot do its work; the message begins with a line that says why."""


class Graph:
    """Nodes served by `executor` in this process, and `children`, whose prints go to `log`."""

    def __init__(
        self,
        executor: SingleThreadedExecutor,
        children: list[subprocess.Popen],
        log: IO[bytes],
    ) -> None:
        self._executor = executor
        self._children = children
        self._log = log

    def spin_until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Serve the nodes until the condition holds; False where it did not within `timeout` s.

        Raises GraphFailed when one of the processes ends.
        """
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() >= deadline:
                return False
            if any(child.poll() is not None for child in self._children):
                raise GraphFailed(self.with_log("the fusion node ended"))
            self._executor.spin_once(timeout_sec=0.1)
        return True

    def with_log(self, line: str) -> str:
        """The line, followed by the last lines that the processes printed."""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").splitlines()[-LOG_LINES:]
        return "\n  ".join([line + "; its last words:", *lines]) if lines else line


def use_own_domain() -> None:
    """Keep this graph's topics from a robot's, unless the user chose a domain."""
    if "ROS_DOMAIN_ID" in os.environ:
        return
    os.environ["ROS_DOMAIN_ID"] = str(random.randint(1, 100))
    if os.environ.get("ROS_DISTRO") == "humble":
        os.environ["ROS_LOCALHOST_ONLY"] = "1"
    else:
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
