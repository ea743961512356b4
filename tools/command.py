"""Shared code of the programs behind `scripts/`: options, errors and exit status."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from difusionseg_core.cli.options import size
from difusionseg_ros.bringup.processes import NotInstalled
from tools.ros_graph import GraphFailed


def run_to_end(name: str, work: Callable[[], int]) -> int:
    """Run `work` and return its exit status.

    The status is 1 after an error, which is printed in one line, and 130 if interrupted.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return work()
    except (GraphFailed, NotInstalled, ValueError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{name}: interrupted; nothing was written", file=sys.stderr)
        return 130


def measurement_parser(
    program: str, description: str, default_size: tuple[int, int]
) -> argparse.ArgumentParser:
    """Return a parser with the options of every program that measures a node on test images."""
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    parser.add_argument("--size", type=size, default=default_size, help="HEIGHTxWIDTH in pixels")
    parser.add_argument("--model", default="lite", help="lite, or a .safetensors file")
    parser.add_argument("--backend", default="auto", help="the node's parameter (default: auto)")
    return parser


def written(measure: Callable[[], dict], output: Path | None) -> dict:
    """Return the figures of `measure`, and write them to `output`, whose folder must exist."""
    if output and not output.absolute().parent.is_dir():
        raise FileNotFoundError(f"there is no folder {output.absolute().parent}")
    figures = measure()
    if output:
        output.write_text(json.dumps(figures, indent=2) + "\n")
    return figures
