"""A private ROS graph: nodes in this process, and child processes that they communicate with."""

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
    """The graph does not work; the first line of the message says why."""


class Graph:
    """Nodes of `executor` in this process, and `children`, whose output goes to `log`."""

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
        """Spin the nodes until the condition holds; return False if `timeout` [s] passes first.

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
        """Return the line, followed by the last log lines of the processes."""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").splitlines()[-LOG_LINES:]
        return "\n  ".join([line + "; last log lines:", *lines]) if lines else line


def use_own_domain() -> None:
    """Separate this graph from a robot's topics, unless the user has chosen a domain."""
    if "ROS_DOMAIN_ID" in os.environ:
        return
    os.environ["ROS_DOMAIN_ID"] = str(random.randint(1, 100))
    if os.environ.get("ROS_DISTRO") == "humble":
        os.environ["ROS_LOCALHOST_ONLY"] = "1"
    else:
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
