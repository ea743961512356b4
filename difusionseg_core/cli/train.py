"""`difusionseg train`: Lightning's command line over this package's models and data."""

from __future__ import annotations

import argparse

HELP = "train a model"


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Pass everything after `train` to Lightning, which has its own parser."""
    parser = subparsers.add_parser("train", help=HELP, add_help=False, prefix_chars="\0")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train with the options, or print the help."""
    if {"-h", "--help"} & set(args.arguments):
        from difusionseg_core.training.option_help import print_help

        print_help()
        return 0
    from difusionseg_core.training.command_line import train

    return train(["--help" if each == "--help_all" else each for each in args.arguments])
