"""rosbag2 recordings without ROS: read, write and play back.

Imports `imaging`, `data` and `files`.
"""
