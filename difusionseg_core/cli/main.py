"""`difusionseg COMMAND`: everything that needs no robot."""

from __future__ import annotations

import argparse
import sys

from difusionseg_core import __version__
from difusionseg_core.cli import (
    benchmark,
    check_data,
    compare,
    convert,
    evaluate,
    evaluate_bag,
    export,
    import_labels,
    predict,
    register,
    synthesize,
    train,
)
from difusionseg_core.cli.missing_packages import how_to_install

COMMANDS = (
    predict,
    train,
    evaluate,
    evaluate_bag,
    compare,
    check_data,
    import_labels,
    synthesize,
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
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit status. Errors that a user can fix are one line."""
    arguments = sys.argv[1:] if arguments is None else arguments
    args = make_parser().parse_args(arguments)
    try:
        return args.run(args)
    except ModuleNotFoundError as error:
        if not error.name or error.name.startswith("difusionseg"):
            raise  # a broken installation of this package: the traceback is wanted
        missing = how_to_install(error.name.partition(".")[0], arguments[0])
        print(f"difusionseg: {missing}", file=sys.stderr)
        return 1
    except (ValueError, OSError, ImportError) as error:
        print(f"difusionseg: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
