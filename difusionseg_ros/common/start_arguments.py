"""The command line of a node: arguments for ROS, other arguments, and parameter files.

ROS refuses an integer for a double parameter, and a list of integers and doubles. Users expect 0
and 0.0 to be equal, so this module converts such values to doubles before ROS reads them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

_PARAMETERS = "ros__parameters"


def own_arguments(args: Sequence[str]) -> list[str]:
    """Return the arguments that are not for ROS: all outside of `--ros-args ... --`."""
    return [token for token, for_ros in _tokens(args) if not for_ros]


def parameter_files(args: Sequence[str]) -> list[str]:
    """Return the files that `--params-file` names, in order."""
    tokens = list(_tokens(args))
    return [
        token
        for (before, _), (token, for_ros) in zip(tokens, tokens[1:], strict=False)
        if for_ros and before == "--params-file"
    ]


def with_doubles(args: Sequence[str], defaults: Mapping[str, Any], copies: ExitStack) -> list[str]:
    """Return the arguments with doubles for integers if a parameter's default is a float or tuple.

    A parameter file that needs changes is replaced with a changed copy, which is removed when
    `copies` is closed. Unreadable arguments and files stay as they are; ROS reports them.
    """
    changed: list[str] = []
    before = ""
    for token, for_ros in _tokens(args, keep_marks=True):
        if for_ros and before in ("-p", "--param"):
            token = _assignment_with_doubles(token, defaults)
        elif for_ros and before == "--params-file":
            token = _file_with_doubles(token, defaults, copies)
        changed.append(token)
        before = token
    return changed


def as_declared(value: Any, default: Any) -> Any:
    """Return the value with doubles for integers if the default is a double.

    A list of numbers becomes a list of the default's type. It may be given as text, because
    `ros2 param` sends a mixed list as text. Other values stay as they are.
    """
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if not isinstance(default, tuple):
        return value
    if isinstance(value, str):
        parsed = _yaml(value)
        value = parsed if isinstance(parsed, list) else value
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return value
    numbers = list(value)
    if not all(type(number) in (int, float) for number in numbers):
        return value
    if type(default[0]) is float:
        return [float(number) for number in numbers]
    whole = all(float(number).is_integer() for number in numbers)
    return [int(number) for number in numbers] if whole else value


def foreign_files(args: Sequence[str], node: str) -> Iterator[tuple[str, list[str]]]:
    """Yield parameter files without an entry for `node` (its full name), with their entries."""
    for file in parameter_files(args):
        try:
            entries = list(_node_names(yaml.safe_load(Path(file).read_text())))
        except (OSError, ValueError, yaml.YAMLError):
            continue
        if entries and not any(_pattern(entry).fullmatch(node) for entry in entries):
            yield file, entries


def _tokens(args: Sequence[str], keep_marks: bool = False) -> Iterator[tuple[str, bool]]:
    """Yield the tokens, and whether each is for ROS; `--ros-args` and `--` only if asked for."""
    for_ros = False
    for token in args:
        if token == "--ros-args" or (for_ros and token == "--"):
            for_ros = token == "--ros-args"
            if keep_marks:
                yield token, True
        else:
            yield token, for_ros


def _assignment_with_doubles(token: str, defaults: Mapping[str, Any]) -> str:
    name, separator, text = token.partition(":=")
    default = defaults.get(name.rpartition(":")[2])
    value = _yaml(text)
    changed = as_declared(value, default)
    if not separator or isinstance(value, str) or not _differs(changed, value):
        return token
    return f"{name}:={json.dumps(changed)}"


def _file_with_doubles(file: str, defaults: Mapping[str, Any], copies: ExitStack) -> str:
    try:
        content = yaml.safe_load(Path(file).read_text())
    except (OSError, ValueError, yaml.YAMLError):
        return file
    differs = False

    def change(values: dict[str, Any]) -> None:
        nonlocal differs
        for name in values.keys() & defaults.keys():
            changed = as_declared(values[name], defaults[name])
            differs = differs or _differs(changed, values[name])
            values[name] = changed

    _visit(content, change)
    if not differs:
        return file
    folder = copies.enter_context(TemporaryDirectory(prefix="difusionseg_parameters_"))
    copy = Path(folder, "parameters.yaml")
    copy.write_text(yaml.safe_dump(content))
    return str(copy)


def _visit(content: Any, visitor: Callable[[dict[str, Any]], None]) -> None:
    """Call the visitor with each mapping of parameters in `content`."""
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        if key == _PARAMETERS and isinstance(value, dict):
            visitor(value)
        else:
            _visit(value, visitor)


def _node_names(content: Any, prefix: str = "") -> Iterator[str]:
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        if key == _PARAMETERS:
            yield prefix
        else:
            yield from _node_names(value, f"{prefix}/{str(key).strip('/')}")


def _pattern(entry: str) -> re.Pattern[str]:
    """Return a pattern for full node names: `/**` matches any namespaces, `/*` one."""
    parts = [re.escape(part) for part in entry.strip("/").split("/")]
    wild = {re.escape("**"): r"(/\w+)*", re.escape("*"): r"/\w+"}
    return re.compile("".join(wild.get(part, f"/{part}") for part in parts))


def _differs(one: Any, other: Any) -> bool:
    return json.dumps(one, default=str) != json.dumps(other, default=str)


def _yaml(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text
