"""Launch arguments: their names on the command line and in other launch files, and their values."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class BadArgument(ValueError):
    """A launch argument is invalid; the message is one line that names it."""


@dataclass(frozen=True)
class Argument:
    """A launch argument, given as `name:=value`. An empty default means "not given".

    An included launch file shares all launch configurations with its parent, where `model` or
    `namespace` may belong to other nodes. So a parent uses the name `prefix` + `name`. On the
    command line, both names work.
    """

    name: str
    default: str
    description: str
    prefix: str = "fusion_"

    @property
    def included_name(self) -> str:
        """The name for use in other launch files."""
        return self.prefix + self.name


def read_arguments(tokens: Sequence[str], known: Sequence[Argument]) -> dict[str, str]:
    """Return the values by name from `name:=value` tokens, with defaults for all others.

    Raises BadArgument for a token of another form and for an unknown name.
    """
    names = {argument.included_name: argument.name for argument in known}
    names |= {argument.name: argument.name for argument in known}
    values = {argument.name: argument.default for argument in known}
    for token in tokens:
        name, separator, value = token.partition(":=")
        if not separator:
            raise BadArgument(f"'{token}' is not of the form name:=value")
        if name not in names:
            nearest = difflib.get_close_matches(name, names, 1)
            hint = f"; did you mean {nearest[0]}?" if nearest else ""
            raise BadArgument(f"unknown argument '{name}'{hint} Known: {', '.join(values)}")
        values[names[name]] = value
    return values


def path(value: str) -> str:
    """Return the path with a leading ~ expanded, which shells do not do in `bag:=~/recording`."""
    return str(Path(value).expanduser()) if value else value


def number(values: Mapping[str, str], name: str, least: float = -math.inf) -> float:
    """Return the value of the argument `name`, at least `least`. Raises BadArgument."""
    try:
        value = float(values[name])
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= least):
        wanted = "a number" if least == -math.inf else f"a number from {least:g}"
        raise BadArgument(f"{name} is '{values[name]}'; it must be {wanted}")
    return value


def port(values: Mapping[str, str], name: str) -> int:
    """Return the TCP port in the argument `name`. Raises BadArgument."""
    text = values[name]
    if not text.isdecimal() or int(text) > 65535:
        raise BadArgument(f"{name} is '{text}'; it must be a port, 0 to 65535")
    return int(text)


def is_true(values: Mapping[str, str], name: str) -> bool:
    """Return whether the argument `name` is true. Raises BadArgument unless true or false."""
    if values[name].lower() not in ("true", "false"):
        raise BadArgument(f"{name} is '{values[name]}'; it must be true or false")
    return values[name].lower() == "true"
