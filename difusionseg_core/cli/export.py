"""`difusionseg export`: a model as a file that runs without PyTorch or without this package."""

from __future__ import annotations

import argparse
from pathlib import Path

from difusionseg_core.cli.options import size as size_option

FORMATS = ("onnx", "openvino", "torch")
_EXAMPLE = """examples:
  difusionseg export --model lite --format onnx --output lite.onnx
  difusionseg export --model lite --format openvino --size 480x640 --output lite_480x640.xml

the shipped graph, after training new weights:
  difusionseg export --model lite --beside-weights
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command and its options."""
    parser = subparsers.add_parser(
        "export",
        help="write a model as ONNX, OpenVINO IR or TorchScript",
        description="Write a model as a graph from camera images to result images, and compare it "
        "with the model in PyTorch. Pass the file as --model to other commands, or to the node.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default="lite", help="lite, or a .safetensors file")
    parser.add_argument("--format", default="onnx", choices=FORMATS)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--size", type=size_option, help="HEIGHTxWIDTH, the only size of the graph")
    size.add_argument("--dynamic", action="store_true", help="any size (the default)")
    parser.add_argument(
        "--steps", type=int, help="default steps of the graph (default: the model's)"
    )
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--output", type=Path, help="the file to write: .onnx, .xml or .pt")
    target.add_argument(
        "--beside-weights",
        action="store_true",
        help="replace the graph beside the weights file, which shares its weights (ONNX)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Export, compare with PyTorch, and keep the file if the results agree."""
    from difusionseg_core.predictor import find_weights

    weights = find_weights(args.model)
    if args.beside_weights and (args.format != "onnx" or args.size or args.steps):
        raise ValueError("--beside-weights is ONNX for every size, with the model's own steps")
    from difusionseg_core.backends.export import export_file

    output = weights.with_suffix(".onnx") if args.beside_weights else args.output
    report = export_file(weights, output, args.format, args.size, args.steps, args.beside_weights)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB; against PyTorch, {report}")
    return 0
