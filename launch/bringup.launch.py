"""Starts the fusion node on two camera topics; `ros2 launch ... -s` shows the arguments."""

from launch import LaunchDescription

from difusionseg_ros.bringup.description import BRINGUP_ARGUMENTS, bringup_processes
from difusionseg_ros.bringup.launch_actions import actions


def generate_launch_description() -> LaunchDescription:
    """Start the fusion node and what belongs to it."""
    return LaunchDescription(actions(BRINGUP_ARGUMENTS, bringup_processes))
