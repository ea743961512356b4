"""What the launch files start, as data, with or without ROS's `launch`.

Imports `common` and the core's `recordings`.
"""
