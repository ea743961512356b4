"""`difusionseg convert`: published checkpoints to weights of this package, and back."""

from __future__ import annotations

import argparse
from pathlib import Path

_EXAMPLE = """examples:
  difusionseg convert best_mIoU.pth paper_msrs.safetensors
  difusionseg convert paper_msrs.safetensors for_the_authors_code.pth
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command and its options."""
    parser = subparsers.add_parser(
        "convert",
        help="convert published checkpoints",
        description="Convert the authors' checkpoints (.pth) to .safetensors, or back.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", type=Path, help="a checkpoint, or .safetensors to go back")
    parser.add_argument("target", type=Path, help="the file to write; .pth or .safetensors")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Convert in the direction that the file endings tell."""
    endings = args.source.suffix == ".safetensors", args.target.suffix == ".safetensors"
    if endings[0] == endings[1]:
        raise ValueError("one of the two files must end in .safetensors, the other in .pth")
    if not args.target.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {args.target.parent}")
    from difusionseg_core.checkpoints.weights_file import export_checkpoint, import_checkpoint

    convert = export_checkpoint if endings[0] else import_checkpoint
    info = convert(args.source, args.target)
    print(f"{args.target}: {info.model}, {info.num_classes} classes")
    return 0
