"""Several pairs of cameras in one process: one fusion node per pair, and one shared network.

    ros2 run difusionseg_ros multi_fusion_node --ros-args -p pairs:="[front, rear]"

starts /front/fusion_node and /rear/fusion_node, with topics such as /front/rgb/image. Other
parameters apply to all pairs; `-r /front/rgb/image:=/camera_front/image_raw` remaps one topic.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

from rclpy.exceptions import InvalidParameterTypeException
from rclpy.node import Node

from difusionseg_ros.common.program import ParameterHelp, Program, run
from difusionseg_ros.fusion.parameters import BadParameter, described
from difusionseg_ros.fusion.shared_network import SharedNetwork
from difusionseg_ros.fusion_node import FusionNode, make_predictor, serve

PAIRS = ParameterHelp(
    "pairs", [], "names of the pairs, each the namespace of one fusion node, such as [front, rear]"
)
PROGRAM = Program("multi_fusion_node", __doc__, [PAIRS, *described()])

_NAMESPACE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# Remaps of name and namespace, which would give all nodes the same name.
_OWN_NAME = re.compile(r"__(ns|node|name):=")


def make_nodes(args: Sequence[str]) -> list[FusionNode]:
    """Make the fusion nodes for the parameter `pairs`, unconfigured; `args` are ROS arguments.

    Raises BadParameter.
    """
    parent = Node("multi_fusion_node")
    try:
        pairs = _pairs(parent)
        base = parent.get_namespace().rstrip("/")
    finally:
        parent.destroy_node()
    network = SharedNetwork(make_predictor)
    arguments = _without_own_name(args)
    nodes: list[FusionNode] = []
    try:
        for pair in pairs:
            nodes.append(
                FusionNode(
                    network.predictor_for,
                    (PAIRS.name,),
                    namespace=f"{base}/{pair}",
                    use_global_arguments=False,
                    cli_args=arguments,
                )
            )
    except BadParameter:
        for node in nodes:
            node.destroy_node()
        raise
    return nodes


def _pairs(node: Node) -> list[str]:
    wanted = "it must name the pairs by letters, digits and _, such as [front, rear]"
    try:
        pairs: list[str] = node.declare_parameter("pairs", [""]).value
    except InvalidParameterTypeException as error:
        raise BadParameter(f"parameter 'pairs' has the wrong type; {wanted}") from error
    if not all(map(_NAMESPACE.fullmatch, pairs)) or len(set(pairs)) < max(len(pairs), 1):
        raise BadParameter(f"parameter 'pairs' is {pairs}; {wanted}")
    return pairs


def _without_own_name(args: Sequence[str]) -> list[str]:
    """Return the ROS arguments without remaps of the node's name or namespace (`-r __ns:=`)."""
    kept: list[str] = []
    for argument in args:
        if _OWN_NAME.match(argument) and kept and kept[-1] in ("-r", "--remap"):
            kept.pop()
        else:
            kept.append(argument)
    return kept


def main(args: list[str] | None = None) -> int:
    """Run the nodes until SIGINT or SIGTERM; returns the exit status, as that of fusion_node."""
    return run(PROGRAM, args, lambda stop, given: serve(stop, lambda: make_nodes(given[1:])))


if __name__ == "__main__":
    sys.exit(main())
