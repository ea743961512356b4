"""What evaluate_bag starts: replay, fusion node, and evaluation node, which ends the others.

    scripts/run evaluate_bag bag:=sample output:=evaluation.json

takes the arguments of `ros2 launch difusionseg_ros evaluate_bag.launch.py`. The recording plays in
real time: a computer that is too slow drops frames, which lowers the scores. `difusionseg
evaluate-bag` evaluates without ROS and without drops.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from difusionseg_core.recordings.topic_choice import MASK
from difusionseg_ros.bringup.arguments import (
    Argument,
    BadArgument,
    number,
    path,
    read_arguments,
)
from difusionseg_ros.bringup.description import (
    BRINGUP_ARGUMENTS,
    PACKAGE,
    bringup_processes,
    open_bag,
    start_described,
)
from difusionseg_ros.bringup.processes import Process
from difusionseg_ros.bringup.surroundings import NOTHING_AROUND, Surroundings

_PREFIX = "evaluation_"
_FROM_BRINGUP = (
    *("rgb_topic", "thermal_topic", "rgb_transport", "thermal_transport"),
    *("model", "device", "params_file", "namespace", "use_sim_time"),
)
_TAKEN_OVER = [
    replace(item, prefix=item.prefix and _PREFIX)
    for item in BRINGUP_ARGUMENTS
    if item.name in _FROM_BRINGUP
]
EVALUATE_BAG_ARGUMENTS = (
    Argument("bag", "", "recording or data-set folder with ground truth; required", _PREFIX),
    Argument("output", "", "JSON file for the scores; empty: log only", _PREFIX),
    Argument("mask_topic", "", "ground truth in the bag; empty: ground_truth/mask", _PREFIX),
    Argument("speed", "1.0", "pace of a recording; 0.5 is half as fast", _PREFIX),
    *_TAKEN_OVER,
)
_START_TIMEOUT = 600.0  # seconds the replay waits while the network is loaded


def evaluate_bag_processes(
    values: Mapping[str, str], around: Surroundings = NOTHING_AROUND
) -> list[Process]:
    """Return what to start, for the values of EVALUATE_BAG_ARGUMENTS. Raises BadArgument."""
    if not values["bag"]:
        raise BadArgument("name what to replay: bag:=RECORDING_OR_FOLDER")
    values = {**values, "bag": path(values["bag"]), "output": path(values["output"])}
    if values["output"] and Path(values["output"]).exists():
        raise BadArgument(f"output: {values['output']} exists; name another or remove it")
    source = open_bag(values, values["mask_topic"] or None)
    source.close()
    if not {MASK, f"{MASK}/compressed"} & source.topics.keys():
        raise BadArgument(
            f"bag: {values['bag']} has no ground truth on {MASK}; name its topic with mask_topic"
        )
    brought_up = {item.name: values[item.name] for item in _TAKEN_OVER} | {"bag": values["bag"]}
    # No restart: a node that died has missed images.
    defaults = {**read_arguments((), BRINGUP_ARGUMENTS), "respawn": "false"}
    node, replay = bringup_processes({**defaults, **brought_up}, around)
    pace = {
        "speed": number(values, "speed"),
        "wait_for_subscribers": _START_TIMEOUT,
        "wait_for_mask_subscriber": True,
    }
    truth = {"mask_topic": values["mask_topic"]} if values["mask_topic"] else {}
    output = {"output": str(Path(values["output"]).absolute())} if values["output"] else {}
    return [
        node,
        replace(replay, parameters={**replay.parameters, **truth, **pace}, failure_ends_all=True),
        Process(
            PACKAGE,
            "evaluation_node",
            namespace=values["namespace"],
            parameters={**output, "start_timeout": _START_TIMEOUT},
            failure_ends_all=True,
            finishes=True,
        ),
    ]


def main() -> int:
    """Run evaluate_bag without ROS's `launch`; returns the exit status."""
    return start_described("evaluate_bag", __doc__, EVALUATE_BAG_ARGUMENTS, evaluate_bag_processes)


if __name__ == "__main__":
    sys.exit(main())
