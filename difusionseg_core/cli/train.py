"""`difusionseg train`: Lightning's command line over this package's model and data."""

from __future__ import annotations

import argparse
import sys

HELP = "train a model"


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Lightning has a parser of its own, so everything after `train` goes to it untouched."""
    parser = subparsers.add_parser("train", help=HELP, add_help=False, prefix_chars="\0")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train as the configuration says."""
    from lightning.pytorch.cli import LightningCLI

    from difusionseg_core.training.datamodule import PairData
    from difusionseg_core.training.module import LiteTraining

    # Lightning reads the program's own arguments, and warns where it is handed others.
    sys.argv = ["difusionseg train", "fit", *args.arguments]
    LightningCLI(
        LiteTraining,
        PairData,
        seed_everything_default=0,
        save_config_kwargs={"overwrite": True},  # a resumed run writes it again
    )
    return 0
