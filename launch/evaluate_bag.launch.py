"""Replays a recording into the fusion node and scores it; `ros2 launch ... -s` shows how."""

from launch import LaunchDescription

from difusionseg_ros.bringup.evaluate_bag import EVALUATE_BAG_ARGUMENTS, evaluate_bag_processes
from difusionseg_ros.bringup.launch_actions import actions


def generate_launch_description() -> LaunchDescription:
    """Start a replay, the fusion node, and the node that scores it."""
    return LaunchDescription(actions(EVALUATE_BAG_ARGUMENTS, evaluate_bag_processes))
