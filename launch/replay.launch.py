"""Plays a recording or a data-set folder as camera topics; `ros2 launch ... -s` shows how."""

from launch import LaunchDescription

from difusionseg_ros.bringup.description import REPLAY_ARGUMENTS, replay_processes
from difusionseg_ros.bringup.launch_actions import actions


def generate_launch_description() -> LaunchDescription:
    """Start a replay alone."""
    return LaunchDescription(actions(REPLAY_ARGUMENTS, replay_processes))
