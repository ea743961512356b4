"""rosbag2 recordings without ROS: read, write and play back.

Imports `cameras`, `classes`, `data`, `imaging`, `objects` and `files`.
"""
