"""`difusionseg refine-labels`: class maps to train on, by a trained model and people's boxes."""

from __future__ import annotations

import argparse
from pathlib import Path

_DESCRIPTION = """Self-training: let a trained model draw the class maps of a data set anew, bound
by the boxes that people marked. OUTPUT is a data set with links to the same images, without the
boxes, which its class maps already obey.
"""
_EXAMPLE = """example:
  difusionseg refine-labels --data MSRS/train --model lite --output refined
  difusionseg train --config lite_msrs --data.train refined \\
      --data.validation MSRS/val --model.start difusionseg_core/weights/lite.safetensors
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command and its options."""
    parser = subparsers.add_parser(
        "refine-labels",
        help="draw class maps to train on by a trained model and people's boxes",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of a data set with boxes")
    parser.add_argument("--model", default="lite", help="lite, or a .safetensors file")
    parser.add_argument("--output", type=Path, required=True, help="folder to make")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the new data set, whole or not at all. Raises DataError, ValueError or OSError."""
    from tqdm import tqdm

    from difusionseg_core.checkpoints.weights_file import load_model
    from difusionseg_core.data.folder import LABELS, THERMAL, VISIBLE, open_data_set
    from difusionseg_core.data.frames import read_frame
    from difusionseg_core.data.image_files import DataError, write_png
    from difusionseg_core.files import new_output
    from difusionseg_core.predictor import find_weights
    from difusionseg_core.training.refined_labels import refine_labels
    from difusionseg_core.training.teacher import class_probabilities

    data_set = open_data_set(args.data)
    without = [pair.name for pair in data_set.pairs if not (pair.labels and pair.boxes)]
    if without:
        raise DataError(
            f"{args.data}: expected a class map and a box file for every pair, found "
            f"{len(without)} without, {without[0]} first"
        )
    model = load_model(find_weights(args.model)).eval()
    if model.num_classes != data_set.label_set.num_classes:
        raise ValueError(
            f"the model has {model.num_classes} classes, the data set "
            f"{data_set.label_set.num_classes}"
        )
    with new_output(args.output) as folder:
        for part in (VISIBLE, THERMAL, LABELS):
            (folder / part).mkdir(parents=True)
        for pair in tqdm(data_set.pairs, desc="refining", unit="pair", disable=None):
            frame = read_frame(pair, data_set.label_set)
            probabilities = class_probabilities(model, frame.rgb, frame.thermal)
            labels = refine_labels(probabilities, frame.labels, frame.boxes)
            write_png(folder / LABELS / f"{pair.name}.png", labels)
            for part, image in ((VISIBLE, pair.visible), (THERMAL, pair.thermal)):
                (folder / part / image.name).symlink_to(image.resolve())
    print(f"{args.output}: class maps of {len(data_set.pairs)} pairs")
    return 0
