"""`difusionseg import-labels`: masks from annotations of other programs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from difusionseg_core.data.annotation_files import FORMATS

_DESCRIPTION = """Draw the regions of an annotation export as masks: DIR/labels/NAME.png with class
ids, one for each image of the export, and DIR/data.yaml with the names of the classes. A data.yaml
that exists is kept; the labels must then be its classes. No mask is overwritten.

formats:
  COCO     a .json file with polygons or run lengths; small objects lie on top
  labelme  a .json file, or a folder of them
  CVAT     annotations.xml of 'CVAT for images 1.1'
Masks (PNG), as CVAT and others also export them, need no import: see data.yaml.
"""
_EXAMPLE = """examples:
  difusionseg import-labels instances_train.json --output yard
  difusionseg import-labels labelme_files --output yard --ignore dirt
"""
_SHOWN = 3  # lines about skipped regions


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command and its options."""
    parser = subparsers.add_parser(
        "import-labels",
        help="draw masks from COCO, labelme or CVAT annotations",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("annotations", type=Path, help="a file, or a folder of labelme files")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="the data set")
    parser.add_argument("--format", choices=FORMATS, help="(default: recognized by the content)")
    parser.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="LABEL",
        help="a label whose regions become 255, which counts nowhere; may be repeated",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Import the annotations. Raises DataError, OSError or ImportError."""
    from difusionseg_core.data.annotation_files import read_annotations
    from difusionseg_core.data.import_labels import import_labels

    annotations = read_annotations(args.annotations, args.format)
    label_set, count = import_labels(annotations, args.output, args.ignore)
    for line in annotations.skipped[:_SHOWN]:
        print(f"difusionseg: skipped: {line}", file=sys.stderr)
    if len(annotations.skipped) > _SHOWN:
        print(f"difusionseg: skipped: {len(annotations.skipped) - _SHOWN} more", file=sys.stderr)
    print(f"{args.output}: {count} masks of {label_set.num_classes} classes")
    return 0
