"""What evaluate_bag starts: replay, fusion node, and the evaluation node that ends it all.

    scripts/run evaluate_bag bag:=sample output:=evaluation.json

takes the arguments of `ros2 launch difusionseg_ros evaluate_bag.launch.py`. The recording plays in
real time, so a computer that is too slow for it drops frames, and the figures show it; without ROS
and without drops, `difusionseg evaluate-bag` does the same.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from difusionseg_core.recordings.rosbag2 import MASK
from difusionseg_ros.bringup.description import (
    BRINGUP_ARGUMENTS,
    PACKAGE,
    Argument,
    BadArgument,
    bringup_processes,
    number,
    open_bag,
    read_arguments,
    start_described,
)
from difusionseg_ros.bringup.processes import Process

_TAKEN_OVER = [item for item in BRINGUP_ARGUMENTS if item.name not in ("bag", "rviz", "viewer")]
EVALUATE_BAG_ARGUMENTS = (
    Argument("bag", "", "recording or data-set folder to replay, with ground truth; required"),
    Argument("output", "", "JSON file for the scores; empty: they are only logged"),
    Argument("mask_topic", "", "ground truth in the recording; empty: ground_truth/mask"),
    Argument("speed", "1.0", "pace of a recording; 0.5 is half as fast"),
    *_TAKEN_OVER,
)
_START_TIMEOUT = 600.0  # seconds that the replay waits for the network to be loaded


def evaluate_bag_processes(values: Mapping[str, str]) -> list[Process]:
    """What to start, for the values of EVALUATE_BAG_ARGUMENTS. Raises BadArgument."""
    if not values["bag"]:
        raise BadArgument("say what to replay, with bag:=RECORDING_OR_FOLDER")
    if values["output"] and Path(values["output"]).exists():
        raise BadArgument(f"output: {values['output']} exists; name another or remove it")
    source = open_bag(values, values["mask_topic"] or None)
    source.close()
    if not {MASK, f"{MASK}/compressed"} & source.topics.keys():
        raise BadArgument(
            f"bag: {values['bag']} has no ground truth on {MASK}; name its topic with mask_topic"
        )
    brought_up = {item.name: values[item.name] for item in _TAKEN_OVER} | {"bag": values["bag"]}
    node, replay = bringup_processes({**read_arguments((), BRINGUP_ARGUMENTS), **brought_up})
    pace = {
        "speed": number("speed", values["speed"]),
        "wait_for_subscribers": _START_TIMEOUT,
        "wait_for_mask_subscriber": True,
    }
    truth = {"mask_topic": values["mask_topic"]} if values["mask_topic"] else {}
    output = {"output": str(Path(values["output"]).absolute())} if values["output"] else {}
    return [
        node,
        replace(replay, parameters={**replay.parameters, **truth, **pace}),
        Process(
            PACKAGE,
            "evaluation_node",
            namespace=values["namespace"],
            parameters={**output, "start_timeout": _START_TIMEOUT},
            finishes=True,
        ),
    ]


def main() -> int:
    """The launch-less `evaluate_bag`; returns the exit status."""
    return start_described("evaluate_bag", __doc__, EVALUATE_BAG_ARGUMENTS, evaluate_bag_processes)


if __name__ == "__main__":
    sys.exit(main())
