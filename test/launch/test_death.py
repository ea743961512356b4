"""When our nodes end, a parent launch continues; a launch of our file alone ends."""

import os
import signal

import pytest

pytestmark = pytest.mark.slow

ACTIVE = r"network .* on cpu"


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_killed_node_is_started_again_and_the_driver_lives_on(launch, parent):
    parent = launch(parent("driver, included('bringup', fusion_respawn_delay='0.5'),"))
    driver = parent.wait_for_start("driver")
    node = parent.wait_for_start("fusion_node")
    parent.wait_for(ACTIVE)
    os.kill(node, signal.SIGKILL)
    parent.wait_for(r"fusion_node-\d+ ended with status -9; starting it again in 0.5 s")
    assert parent.wait_for_start("fusion_node") != node
    parent.wait_for(ACTIVE)
    assert is_running(driver)
    assert parent.stop() in (0, 1)  # 1: the driver (sleep) does not handle SIGINT


def test_a_killed_node_without_restart_does_not_end_the_driver(launch, parent):
    parent = launch(parent("driver, included('bringup', fusion_respawn='false'),"))
    driver = parent.wait_for_start("driver")
    os.kill(parent.wait_for_start("fusion_node"), signal.SIGKILL)
    parent.wait_for("ended with status -9; the rest of the launch continues without it")
    assert is_running(driver)


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        ("fusion_params_file='no_such.yaml'", "params_file 'no_such.yaml' does not exist"),
        ("fusion_bag='no_such_bag'", "no_such_bag"),
        ("fusion_rviz='maybe'", "rviz is 'maybe'"),
        ("fusion_viewer='true', fusion_viewer_port='x'", "viewer_port is 'x'"),
        ("fusion_loop='true'", "loop:=true needs a recording"),
        ("rgb_topic='/camera/image_raw/compressed'", "rgb_transport:=compressed"),
    ],
)
def test_a_node_that_cannot_start_does_not_end_the_driver(launch, parent, arguments, printed):
    parent = launch(parent(f"included('bringup', {arguments}), driver,"))
    parent.wait_for(printed)
    assert is_running(parent.wait_for_start("driver"))


def test_a_node_that_cannot_configure_is_started_again(launch, parent):
    parent = launch(
        parent("driver, included('bringup', fusion_model='no', fusion_respawn_delay='0.5'),")
    )
    driver = parent.wait_for_start("driver")
    parent.wait_for_start("fusion_node")
    parent.wait_for("model 'no' is unknown")
    parent.wait_for("starting it again in 0.5 s")
    parent.wait_for_start("fusion_node")
    assert is_running(driver)


@pytest.mark.parametrize(
    ("argument", "printed"),
    [
        ("model:=no_such_model", "model 'no_such_model' is unknown"),
        ("params_file:=no_such.yaml", "params_file 'no_such.yaml' does not exist"),
        ("modle:=lite", "unknown argument 'modle'; did you mean model?"),
    ],
)
def test_alone_a_node_that_cannot_start_ends_the_launch_with_an_error(
    launch, ours, argument, printed
):
    bringup = launch(ours("bringup"), argument)
    assert bringup.wait() == 1
    assert printed in "".join(bringup.lines)


def test_alone_the_viewer_outlives_the_node(launch, ours):
    bringup = launch(ours("bringup"), "viewer:=true", "viewer_port:=0", "respawn_delay:=0.5")
    node = bringup.wait_for_start("fusion_node")
    viewer = bringup.wait_for_start("viewer")
    bringup.wait_for(ACTIVE)
    os.kill(node, signal.SIGKILL)
    bringup.wait_for_start("fusion_node")
    assert is_running(viewer)
    bringup.wait_for(ACTIVE)
    assert bringup.stop() == 0


def test_alone_a_killed_node_without_restart_ends_the_launch_with_an_error(launch, ours):
    bringup = launch(ours("bringup"), "respawn:=false")
    os.kill(bringup.wait_for_start("fusion_node"), signal.SIGKILL)
    assert bringup.wait() == 1


def test_a_second_viewer_on_the_same_port_ends_nothing(launch, ours, unused_port):
    viewer = ("viewer:=true", f"viewer_port:={unused_port}")
    first = launch(ours("bringup"), *viewer)
    first.wait_for("watch on http")
    second = launch(ours("bringup"), *viewer, "namespace:=second")
    second.wait_for("cannot serve on")
    second.wait_for(ACTIVE)
    assert second.stop() == 0


def test_ctrl_c_in_the_first_seconds_leaves_no_traceback(launch, ours):
    bringup = launch(ours("bringup"))
    bringup.wait_for_start("fusion_node")
    assert bringup.stop() == 0
    assert "Traceback" not in "".join(bringup.lines)
