"""Report simulated time without a clock: all timers of the node would wait forever."""

from __future__ import annotations

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

PATIENCE = 3.0  # seconds


class ClockWatch:
    """Warns if `use_sim_time` is set and nothing has arrived on /clock for `PATIENCE` seconds."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._reported = False
        # A steady clock, because simulated time may stop.
        node.create_timer(PATIENCE, self.check, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def check(self) -> None:
        """Log the warning once, and again after the clock has started and stopped."""
        simulated = self._node.get_parameter("use_sim_time").value
        waiting = bool(simulated) and self._node.get_clock().now().nanoseconds == 0
        if waiting and not self._reported:
            self._node.get_logger().warning(
                f"use_sim_time is set, but no time has arrived on /clock for {PATIENCE:g} s: start "
                "the simulator or the player (ros2 bag play --clock), or set use_sim_time to false"
            )
        self._reported = waiting
