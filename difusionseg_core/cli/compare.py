"""`difusionseg compare`: evaluations of the same images side by side."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from difusionseg_core.files import new_output

_DESCRIPTION = """Print the scores of several evaluations and the difference of each to the first:
its bootstrap interval, and how many single images are better or worse. With --output, also write
comparison.json, report.html and report.md, which show the images that gained and lost most."""

_EXAMPLE = """example:
  difusionseg compare results_1_step results_3_steps --output comparison
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command and its options."""
    parser = subparsers.add_parser(
        "compare",
        help="compare evaluations",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "evaluations",
        type=Path,
        nargs="+",
        metavar="DIR",
        help="results of `evaluate` or of `evaluate-bag`",
    )
    parser.add_argument("--output", type=Path, help="folder to create")
    parser.add_argument("--seed", type=int, default=0, help="seed of the bootstrap (default: 0)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare; raises ValueError if there is nothing to compare."""
    from difusionseg_core.evaluation.comparison import compare
    from difusionseg_core.evaluation.comparison_images import all_difference_figures
    from difusionseg_core.evaluation.comparison_page import comparison_page
    from difusionseg_core.evaluation.data_sets.result_store import read_results
    from difusionseg_core.report.document import to_text, write_report

    if len(args.evaluations) < 2:
        raise ValueError("name at least two evaluations")
    names = _names(args.evaluations)
    results = {
        name: read_results(folder) for name, folder in zip(names, args.evaluations, strict=True)
    }
    comparison = compare(results, args.seed)
    page = comparison_page(comparison)
    if args.output:
        with new_output(args.output) as output:
            folders = dict(zip(names, args.evaluations, strict=True))
            page = comparison_page(comparison, all_difference_figures(comparison, folders))
            output.mkdir()
            text = json.dumps(asdict(comparison), indent=2)
            (output / "comparison.json").write_text(text + "\n")
            write_report(page, output)
    print(to_text(page))
    return 0


def _names(folders: list[Path]) -> list[str]:
    """Return the folders' own names if they differ, otherwise their paths."""
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        names = [str(folder) for folder in folders]
    if len(set(names)) < len(names):
        raise ValueError("an evaluation is named twice")
    return names
