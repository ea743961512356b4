"""Launch arguments and namespaces do not leak between our launch file and its parent."""

import ast

import cv2
import numpy as np
import pytest
import rclpy
from rcl_interfaces.srv import GetParameters
from rclpy.qos import ReliabilityPolicy

from difusionseg_core.recordings.rosbag2 import RecordingWriter

pytestmark = pytest.mark.slow

THEIRS = {
    "model": "yolo.pt",
    "params_file": "/opt/nav2.yaml",
    "namespace": "nav",
    "device": "tpu",
    "rviz": "yes",
    "viewer": "yes",
    "viewer_port": "none",
    "viewer_control": "maybe",
    "bag": "/no/such/bag",
    "loop": "often",
    "respawn": "never",
    "respawn_delay": "long",
}
DECLARED = "".join(
    f"DeclareLaunchArgument({n!r}, default_value={v!r}),\n" for n, v in THEIRS.items()
)


@pytest.fixture
def observer():
    """A node in this process, on the domain of the launched ones."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("observer", context=context)
    executor = rclpy.executors.SingleThreadedExecutor(context=context)
    executor.add_node(node)
    node.until = lambda future: executor.spin_until_future_complete(future, 60)
    yield node
    executor.shutdown()
    node.destroy_node()
    context.try_shutdown()


def parameters(observer, node, *names):
    client = observer.create_client(GetParameters, f"{node}/get_parameters")
    assert client.wait_for_service(60)
    future = client.call_async(GetParameters.Request(names=names))
    observer.until(future)
    return future.result().values


def test_arguments_do_not_leak_between_launch_files(launch, parent, observer):
    parent = launch(parent(DECLARED + "printed('BEFORE'), included('bringup'), printed('AFTER'),"))
    before = ast.literal_eval(parent.wait_for(r"BEFORE (.*)")[1])
    after = ast.literal_eval(parent.wait_for(r"AFTER (.*)")[1])
    assert dict(before) == THEIRS
    assert after == before
    model, device = parameters(observer, "/fusion_node", "model", "device")
    assert (model.string_value, device.string_value) == ("lite", "auto")
    log = "".join(parent.lines)
    assert "not using" in log and "fusion_model" in log


def test_a_sibling_after_bringup_has_its_own_defaults(launch, parent):
    sibling = "DeclareLaunchArgument('model', default_value='theirs'), printed('AFTER'),"
    parent = launch(parent(f"included('bringup', fusion_model='lite'), {sibling}"))
    after = dict(ast.literal_eval(parent.wait_for(r"AFTER (.*)")[1]))
    assert after["model"] == "theirs"
    assert after.keys() == {"model", "fusion_model"}  # launch itself leaves what it was given


def test_arguments_of_the_parent_reach_the_node_by_their_own_names(launch, parent, observer):
    launch(
        parent(
            DECLARED
            + "included('bringup', fusion_device='cpu', fusion_namespace='robot', "
            + "rgb_topic='/camera/image_raw'),"
        )
    )
    (device,) = parameters(observer, "/robot/fusion_node", "device")
    assert device.string_value == "cpu"


@pytest.fixture
def recording(tmp_path):
    with RecordingWriter(tmp_path / "recording") as writer:
        for number in range(40):
            stamp = 10**9 + number * 10**8
            picture = np.full((48, 64, 3), 40, np.uint8)
            png = cv2.imencode(".png", picture[..., 0])[1].tobytes()
            writer.write_image("/rgb/image", stamp, "camera", picture, "rgb8")
            writer.write_compressed("/thermal/image/compressed", stamp, "camera", png, "png")
    return tmp_path / "recording"


@pytest.mark.parametrize(
    ("around", "base"),
    [
        ("", ""),
        ("PushRosNamespace('fleet'),", "/fleet"),
        ("PushRosNamespace('fleet'), PushRosNamespace('north'),", "/fleet/north"),
    ],
)
def test_under_a_pushed_namespace_a_replay_is_received_reliably(
    launch, parent, observer, recording, around, base
):
    launch(
        parent(
            f"GroupAction([{around} included('bringup', fusion_bag={str(recording)!r}, "
            "fusion_loop='true', fusion_namespace='robot')]),"
        )
    )
    for topic in ("rgb/image", "thermal/image/compressed"):
        name = f"{base}/robot/{topic}"
        while not (listeners := observer.get_subscriptions_info_by_topic(name)):
            rclpy.spin_once(observer, executor=observer.executor, timeout_sec=0.1)
        while not observer.count_publishers(name):
            rclpy.spin_once(observer, executor=observer.executor, timeout_sec=0.1)
        assert [each.qos_profile.reliability for each in listeners] == [ReliabilityPolicy.RELIABLE]


def test_a_launch_file_of_a_job_ends_alone_or_with_its_own_nodes(launch, parent, recording):
    """Here the job cannot begin, since the recording has no ground truth."""
    parent = launch(parent(f"included('evaluate_bag', evaluation_bag={str(recording)!r}), driver,"))
    parent.wait_for("nothing is started: .* has no ground truth")
    parent.wait_for_start("driver")
