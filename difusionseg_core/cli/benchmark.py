"""`difusionseg benchmark`: time by part and memory, of one configuration or of two in turns."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

from difusionseg_core.backends import BACKENDS
from difusionseg_core.backends.precision import PRECISIONS
from difusionseg_core.cli.options import count, size
from difusionseg_core.evaluation.benchmark import Configuration, measure, ratio
from difusionseg_core.evaluation.benchmark_table import compared, table
from difusionseg_core.evaluation.machine import machine

_EXAMPLE = """examples:
  difusionseg benchmark --model lite --repeats 20
  difusionseg benchmark --model paper --against precision=bf16 --output bf16.json
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command and its options."""
    parser = subparsers.add_parser(
        "benchmark",
        help="time a model, part by part",
        description="Medians over repeated frames after a warm-up, with random images, as a "
        "Markdown table.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default="lite", help="paper or lite (random weights), or a file")
    parser.add_argument("--size", type=size, default=(480, 640), help="HEIGHTxWIDTH in pixels")
    parser.add_argument("--backend", default="auto", help=", ".join(BACKENDS))
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--precision", default="auto", choices=PRECISIONS)
    parser.add_argument("--steps", type=int, help="diffusion steps, 1 to 20 (default: the model's)")
    parser.add_argument("--compile", action="store_true", help="use torch.compile")
    parser.add_argument("--repeats", type=count, default=5, help="counted frames (default: 5)")
    parser.add_argument("--warmup", type=int, default=2, help="frames not counted (default: 2)")
    parser.add_argument(
        "--against",
        nargs="+",
        type=_change,
        metavar="OPTION=VALUE",
        help="a second configuration: the first with these options changed",
    )
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure, print, and write the figures if requested."""
    height, width = args.size
    first = Configuration(
        args.model,
        height,
        width,
        args.backend,
        args.device,
        args.precision,
        args.steps,
        args.compile,
    )
    configurations = [first]
    if args.against:
        configurations.append(
            replace(first, **{k: v for one in args.against for k, v in one.items()})
        )
    measurements = measure(configurations, args.repeats, args.warmup)
    report = {
        "machine": machine(),
        "repeats": args.repeats,
        "configurations": [
            {
                **asdict(what),
                **result.used,
                "seconds": result.seconds,
                "frames_per_second": 1 / result.seconds["total"],
                "peak_rss_mb": result.peak_rss_mb,
                "totals": result.totals,
            }
            for what, result in zip(configurations, measurements, strict=True)
        ],
    }
    print(", ".join(f"{key} {value}" for key, value in report["machine"].items()), end="\n\n")
    print(table(configurations, measurements))
    if args.against:
        report["ratio"] = ratio(*measurements)
        print(f"\n{compared(report['ratio'])} (median over {args.repeats} pairs of frames)")
    if args.output:
        args.output.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def _change(text: str) -> dict[str, object]:
    name, _, value = text.partition("=")
    if name == "size":
        height, width = size(value)
        return {"height": height, "width": width}
    if name == "steps":
        return {"steps": count(value)}
    if name in ("model", "backend", "device", "precision"):
        return {name: value}
    if text in ("compile=true", "compile=false"):
        return {"compile": value == "true"}
    raise argparse.ArgumentTypeError(
        "expected model, size, backend, device, precision, steps or compile (true, false) =VALUE, "
        f"not '{text}'"
    )
