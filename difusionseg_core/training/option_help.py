"""The help of `difusionseg train`: this package's options, described by the docstrings."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator

from docstring_parser import parse

from difusionseg_core.training.command_line import CONFIGURATIONS, OWN_OPTIONS, TRAININGS
from difusionseg_core.training.data.datamodule import PairData

_USAGE = """usage: difusionseg train --config NAME --data.train FOLDER --data.validation FOLDER ...

Train a model. It ends with the weights, their scores, a model card and an exported model in the
run's folder. Set every option in the configuration file or on the command line, which has priority.
"""
_EXAMPLES = """
examples:
  difusionseg synthesize --output drawn --scenes 40 --seed 1000
  difusionseg train --config lite_msrs --data.train MSRS/train --data.drawn drawn \\
      --data.validation MSRS/test
  difusionseg train --config lite_msrs --data.train '[MSRS/train, MINE/train]' \\
      --data.validation MINE/val --model.start lite
  difusionseg train --config paper_fmb --data.train FMB/train --data.validation FMB/test \\
      --model.backbone convnext_tiny.pth --trainer.devices 4
  difusionseg train --config lite_msrs ... --ckpt_path last
      continues a stopped training
  tensorboard --logdir runs
      shows curves and images

Options of Lightning (--trainer.max_epochs, --trainer.precision, --trainer.devices, callbacks,
loggers): difusionseg train --help_all, and --trainer.callbacks.help CLASS for one of them.
"""


def help_text() -> str:
    """Return the whole help text."""
    shipped = ", ".join(sorted(path.stem for path in CONFIGURATIONS.glob("*.yaml")))
    lines = [_USAGE]
    lines += _section("run", ((f"--{name}", text) for name, text in OWN_OPTIONS.items()))
    lines += [f"  shipped configurations: {shipped}", ""]
    lines += _section("data", options_of("data", PairData))
    for model, training in TRAININGS.items():
        lines += _section(f"model {model}", options_of("model", training))
    return "\n".join(lines) + _EXAMPLES


def print_help() -> None:
    """Print the help text."""
    print(help_text())


def options_of(group: str, owner: type) -> Iterator[tuple[str, str]]:
    """Yield (option, its meaning and default) of each parameter of a class."""
    meanings = {
        parameter.arg_name: " ".join((parameter.description or "").split())
        for parameter in parse(inspect.getdoc(owner) or "").params
    }
    for name, parameter in inspect.signature(owner).parameters.items():
        default = parameter.default
        text = meanings.get(name, "")
        if default is not parameter.empty and default is not None:
            shown = str(default).lower() if isinstance(default, bool) else default
            shown = f"{type(default).__name__}()" if hasattr(default, "__dict__") else shown
            text = f"{text} (default: {shown})".strip()
        yield f"--{group}.{name}", text


def _section(title: str, options: Iterator[tuple[str, str]]) -> list[str]:
    lines = [f"{title}:"]
    for option, text in options:
        wrapped = textwrap.wrap(text, 68) or [""]
        lines.append(f"  {option:27} {wrapped[0]}".rstrip() if len(option) < 28 else f"  {option}")
        rest = wrapped[1:] if len(option) < 28 else wrapped
        lines += [" " * 30 + line for line in rest if line]
    return [*lines, ""]
