"""Full names of topics under a parent launch's namespaces and remaps."""

import pytest

from difusionseg_ros.bringup.surroundings import Surroundings


@pytest.mark.parametrize(
    ("pushed", "own", "namespace"),
    [
        ("", "", "/"),
        ("", "robot", "/robot"),
        ("", "/robot/", "/robot"),
        ("fleet", "", "/fleet"),
        ("/fleet", "robot", "/fleet/robot"),
        ("/fleet/north", "robot", "/fleet/north/robot"),
        ("/fleet", "/robot", "/robot"),  # an absolute one is taken as it is
    ],
)
def test_namespaces_are_nested_as_by_launch_ros(pushed, own, namespace):
    assert Surroundings(pushed).inner_namespace(own) == namespace


def test_launch_ros_agrees():
    names = pytest.importorskip("launch_ros.utilities", reason="launch_ros is not installed")
    for pushed in ("", "fleet", "/fleet", "/fleet/north"):
        for own in ("robot", "/robot", "robot/left"):
            expected = names.make_namespace_absolute(names.prefix_namespace(pushed, own))
            assert Surroundings(pushed).inner_namespace(own) == expected


@pytest.mark.parametrize(
    ("around", "namespace", "remaps", "topic"),
    [
        (Surroundings(), "", {}, "/rgb/image"),
        (Surroundings("fleet"), "robot", {}, "/fleet/robot/rgb/image"),
        (Surroundings("fleet"), "", {"rgb/image": "/camera/image"}, "/camera/image"),
        (Surroundings("fleet"), "", {"rgb/image": "camera/image"}, "/fleet/camera/image"),
        (Surroundings("fleet", [("rgb/image", "/a")]), "", {"rgb/image": "/b"}, "/a"),
        (Surroundings("fleet", [("/fleet/rgb/image", "b")]), "", {}, "/fleet/b"),
        (Surroundings("fleet", [("/rgb/image", "b")]), "", {}, "/fleet/rgb/image"),
    ],
)
def test_the_first_matching_remap_applies(around, namespace, remaps, topic):
    assert around.topic("rgb/image", namespace, remaps) == topic
