"""ROS 2 nodes around `difusionseg_core`, and this package's messages.

The generated `difusionseg_ros.msg` lives in colcon's install folder; extending the path finds it
there also when this file is imported from the source tree.
"""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
