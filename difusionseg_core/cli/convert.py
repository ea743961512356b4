"""`difusionseg convert`: checkpoints to weights of this package, and back; means of several."""

from __future__ import annotations

import argparse
from pathlib import Path

_EXAMPLE = """examples:
  difusionseg convert best_mIoU.pth paper_msrs.safetensors
  difusionseg convert runs/lite/latest/checkpoints/best.ckpt lite.safetensors
  difusionseg convert paper_msrs.safetensors for_the_authors_code.pth

the mean of trainings that started from the same weights:
  difusionseg convert runs/a/latest/checkpoints/last.ckpt lite.safetensors mean.safetensors
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command and its options."""
    parser = subparsers.add_parser(
        "convert",
        help="convert checkpoints",
        description="Convert a checkpoint of the authors' code or of Lightning (.pth, .pt, .ckpt) "
        "to .safetensors, or weights back to .pth. Names and colours of the classes are kept. "
        "Nothing in a checkpoint is executed. Of several sources the mean of their weights is "
        "written, which is often better than each of them.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "source",
        type=Path,
        nargs="+",
        help="the checkpoint, or .safetensors to convert back; or several of one model",
    )
    parser.add_argument("target", type=Path, help="the file to write, .safetensors or .pth")
    parser.add_argument(
        "--ema", action="store_true", help="take the moving averages that the checkpoint holds"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing target")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Convert to the format that the target's ending names."""
    first, *others = args.source
    to_ours = args.target.suffix == ".safetensors"
    if not to_ours and (others or first.suffix != ".safetensors" or args.target.suffix != ".pth"):
        raise ValueError(
            f"cannot convert {', '.join(map(str, args.source))} to {args.target}: checkpoints "
            "become .safetensors, and one .safetensors becomes .pth"
        )
    if not args.target.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {args.target.parent}")
    if args.target.exists() and not args.overwrite:
        raise FileExistsError(f"{args.target} exists; name another target or add --overwrite")
    if args.ema and (others or not to_ours):
        raise ValueError("--ema is for one checkpoint that becomes .safetensors")
    from difusionseg_core.checkpoints.mean_weights import write_mean
    from difusionseg_core.checkpoints.weights_file import export_checkpoint, import_checkpoint

    if others:
        info = write_mean(args.source, args.target)
    elif to_ours:
        info = import_checkpoint(first, args.target, args.ema)
    else:
        info = export_checkpoint(first, args.target)
    names = ", ".join(info.classes.class_names)
    print(f"{args.target}: {info.model}, {info.num_classes} classes ({names})")
    return 0
