"""`difusionseg COMMAND`: everything that needs no robot."""

from __future__ import annotations

import argparse
import sys

from difusionseg_core.cli import (
    average,
    benchmark,
    check_data,
    compare,
    convert,
    evaluate,
    evaluate_bag,
    export,
    import_labels,
    predict,
    refine_labels,
    register,
    synthesize,
    train,
)

COMMANDS = (
    predict,
    train,
    evaluate,
    evaluate_bag,
    compare,
    check_data,
    import_labels,
    synthesize,
    refine_labels,
    average,
    register,
    convert,
    export,
    benchmark,
)


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the program with all its commands."""
    parser = argparse.ArgumentParser(
        prog="difusionseg", description="Fuse and segment RGB and thermal images."
    )
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit status. Errors that a user can fix are one line."""
    args = make_parser().parse_args(arguments)
    try:
        return args.run(args)
    except (ValueError, OSError, ImportError) as error:
        print(f"difusionseg: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
