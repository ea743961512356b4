"""`difusionseg convert`: checkpoints of other programs to weights of this package, and back."""

from __future__ import annotations

import argparse
from pathlib import Path

_EXAMPLE = """examples:
  difusionseg convert best_mIoU.pth paper_msrs.safetensors
  difusionseg convert runs/lite/latest/checkpoints/best.ckpt lite.safetensors
  difusionseg convert paper_msrs.safetensors for_the_authors_code.pth
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command and its options."""
    parser = subparsers.add_parser(
        "convert",
        help="convert checkpoints",
        description="Convert a checkpoint of the authors' code or of Lightning (.pth, .pt, .ckpt) "
        "to .safetensors, or weights back to .pth. Names and colours of the classes are kept. "
        "Nothing in a checkpoint is executed.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", type=Path, help="the checkpoint, or .safetensors to convert back")
    parser.add_argument("target", type=Path, help="the file to write, .safetensors or .pth")
    parser.add_argument(
        "--ema", action="store_true", help="take the moving averages that the checkpoint holds"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing target")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Convert to the format that the target's ending names."""
    to_ours = args.target.suffix == ".safetensors"
    if not to_ours and (args.source.suffix != ".safetensors" or args.target.suffix != ".pth"):
        raise ValueError(
            f"cannot convert {args.source} to {args.target}: a checkpoint becomes .safetensors, "
            "and .safetensors becomes .pth"
        )
    if not args.target.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {args.target.parent}")
    if args.target.exists() and not args.overwrite:
        raise FileExistsError(f"{args.target} exists; name another target or add --overwrite")
    if args.ema and not to_ours:
        raise ValueError("--ema is for checkpoints; a .safetensors file holds one set of weights")
    from difusionseg_core.checkpoints.weights_file import export_checkpoint, import_checkpoint

    if to_ours:
        info = import_checkpoint(args.source, args.target, args.ema)
    else:
        info = export_checkpoint(args.source, args.target)
    names = ", ".join(info.classes.class_names)
    print(f"{args.target}: {info.model}, {info.num_classes} classes ({names})")
    return 0
