"""The faults of a soak: each function causes one at a running fusion node."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

from builtin_interfaces.msg import Time
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool

from tools.ros_graph import GraphFailed
from tools.soak_driver import SoakDriver

SILENCE = 0.5  # seconds that a camera pauses
BURST = 20  # pairs sent without waiting for results
ODD_FRAMES = 5  # frames of another size
JUMP = 60.0  # seconds
MALFORMED = (
    {"encoding": "nonsense"},
    {"data": b"\0" * 10},
    {"data": b""},
    {"width": 0, "height": 0},
    {"step": 1},
    {"height": 2**30},
)
PARAMETERS = (
    {"steps": 2, "overlay_opacity": 0.1, "slop": 0.02},
    {"thermal_mode": "percentile", "thermal_time_offset": 0.001},
    {"steps": 0},  # refused
)


def rgb_camera_pauses(driver: SoakDriver) -> None:
    """Send thermal images only, for a while."""
    _send_alone(driver, driver.cameras.thermal_publisher, lambda: driver.cameras.thermal)


def thermal_camera_pauses(driver: SoakDriver) -> None:
    """Send RGB images only, for a while."""
    _send_alone(driver, driver.cameras.rgb_publisher, lambda: driver.cameras.rgb)


def both_cameras_pause(driver: SoakDriver) -> None:
    """Send no images for a while."""
    driver.wait(SILENCE)


def malformed_images(driver: SoakDriver) -> None:
    """Send images with contradictory or invalid fields on both topics."""
    for change in MALFORMED:
        for publisher, image in (
            (driver.cameras.rgb_publisher, driver.cameras.rgb),
            (driver.cameras.thermal_publisher, driver.cameras.thermal),
        ):
            message = copy.copy(image)
            message.header = copy.copy(image.header)
            message.header.stamp = driver.stamp()
            for field, value in change.items():
                setattr(message, field, value)
            publisher.publish(message)


def other_size(driver: SoakDriver) -> None:
    """Send some frames of another size, then the original size again."""
    height, width = driver.size
    driver.cameras.resize(height // 2 + 1, width // 2 + 3)
    for _ in range(ODD_FRAMES):
        driver.frame()
    driver.cameras.resize(height, width)


def stamps_jump_back(driver: SoakDriver) -> None:
    """Continue with earlier stamps."""
    driver.shift -= JUMP


def stamps_jump_forward(driver: SoakDriver) -> None:
    """Continue with later stamps."""
    driver.shift += JUMP


def unstamped_images(driver: SoakDriver) -> None:
    """Send pairs without stamps."""
    for _ in range(3):
        driver.cameras.publish_pair(Time())


def burst(driver: SoakDriver) -> None:
    """Send more pairs at once than the network can process."""
    for _ in range(BURST):
        driver.cameras.publish_pair(driver.stamp())


def subscribers_reconnect(driver: SoakDriver) -> None:
    """Unsubscribe from all outputs, and subscribe again."""
    driver.unsubscribe()
    driver.wait(0.1)
    driver.subscribe()


def parameters_change(driver: SoakDriver) -> None:
    """Change some parameters, one of them to a refused value, and restore all."""
    before = {"steps": driver.steps, "overlay_opacity": 0.5, "slop": 0.05}
    before |= {"thermal_mode": "auto", "thermal_time_offset": 0.0}
    for values in (*PARAMETERS, before):
        parameters = [Parameter(k, value=v).to_parameter_msg() for k, v in values.items()]
        driver.call(
            SetParameters,
            "fusion_node/set_parameters",
            SetParameters.Request(parameters=parameters),
        )
        driver.frame()  # each takes effect, and its caches in the network are filled


def pause_on_request(driver: SoakDriver) -> None:
    """Stop and resume the network by its service."""
    for enabled in (False, True):
        driver.call(SetBool, "fusion_node/enable", SetBool.Request(data=enabled))
        driver.cameras.publish_pair(driver.stamp())


def deactivate_and_activate(driver: SoakDriver) -> None:
    """Deactivate under load, while pairs are in flight, and activate again."""
    burst(driver)
    _change_state(driver, Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE)


def reload(driver: SoakDriver) -> None:
    """Free the network's memory and load it again."""
    _change_state(
        driver,
        Transition.TRANSITION_DEACTIVATE,
        Transition.TRANSITION_CLEANUP,
        Transition.TRANSITION_CONFIGURE,
        Transition.TRANSITION_ACTIVATE,
    )


FAULTS: tuple[Callable[[SoakDriver], None], ...] = (
    rgb_camera_pauses,
    malformed_images,
    other_size,
    stamps_jump_back,
    subscribers_reconnect,
    parameters_change,
    thermal_camera_pauses,
    burst,
    deactivate_and_activate,
    stamps_jump_forward,
    unstamped_images,
    both_cameras_pause,
    pause_on_request,
    reload,
)


def _send_alone(driver: SoakDriver, publisher, image: Callable) -> None:
    end = time.monotonic() + SILENCE
    while time.monotonic() < end:
        message = image()
        message.header.stamp = driver.stamp()
        publisher.publish(message)
        driver.wait(0.02)


def _change_state(driver: SoakDriver, *transitions: int) -> None:
    for transition in transitions:
        request = ChangeState.Request()
        request.transition.id = transition
        answer = driver.call(ChangeState, "fusion_node/change_state", request)
        if not answer.success:
            raise GraphFailed(f"the node refused lifecycle transition {transition}")
