"""The rooms of both packages: imports without cycles, in the order of docs/architecture.md."""

import ast
import re
from collections import Counter
from graphlib import TopologicalSorter

import pytest

PACKAGES = ("difusionseg_core", "difusionseg_ros")
MOST_ROOMS = 29  # rooms and single modules of both packages together
MOST_FILES = 17  # Python files of a folder
ROS = {"ament_index_python", "cv_bridge", "difusionseg_ros", "launch", "launch_ros", "rclpy"}
ROS |= {"builtin_interfaces", "message_filters", "rcl_interfaces"}


@pytest.fixture(scope="module")
def files(root):
    """Files by name of their module."""
    found = {}
    for package in PACKAGES:
        for path in (root / package).rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path):
    """Return the imported names of a file, including imports inside functions.

    Imports for type checking only are left out.
    """
    names = set()
    nodes = list(ast.parse(path.read_text("utf-8")).body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            names.update(item.name for item in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.update(f"{node.module}.{item.name}" for item in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            nodes += node.orelse
        else:
            nodes += ast.iter_child_nodes(node)
    return names


@pytest.fixture(scope="module")
def modules(files):
    """Imported modules of both packages by module."""

    def module_of(name):
        while name and name not in files:
            name = name.rpartition(".")[0]
        return name

    return {
        module: {module_of(name) for name in imports(path)} - {module, ""}
        for module, path in files.items()
    }


def room_of(module):
    """Return the room of a module, or the module itself at the top of a package."""
    return ".".join(module.split(".")[:2])


@pytest.fixture(scope="module")
def rooms(modules):
    """Imported rooms by room, without the packages' own __init__.py."""
    found = {}
    for module, imported in modules.items():
        if module not in PACKAGES:
            others = {room_of(name) for name in imported if name not in PACKAGES}
            found.setdefault(room_of(module), set()).update(others - {room_of(module)})
    return found


def test_modules_have_no_import_cycle(modules):
    TopologicalSorter(modules).prepare()  # raises CycleError, which names the modules


def test_rooms_have_no_import_cycle(rooms):
    TopologicalSorter(rooms).prepare()


def test_there_are_few_rooms(rooms):
    assert len(rooms) <= MOST_ROOMS, sorted(rooms)


def test_folders_have_few_files(files):
    count = Counter(path.parent for path in files.values())
    assert {str(path): n for path, n in count.items() if n > MOST_FILES} == {}


def test_every_room_has_a_docstring(files):
    rooms = [path for path in files.values() if path.name == "__init__.py"]
    assert [path for path in rooms if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_rooms_import_only_the_rows_below(root, rooms):
    page = (root / "docs" / "architecture.md").read_text("utf-8")
    block = re.search(r"## Rooms.*?```text\n(.*?)```", page, re.DOTALL)[1]
    rows = [re.sub(r"\(.*?\)", "", line).split() for line in block.splitlines()]
    row = {room: number for number, names in enumerate(rows) for room in names}
    wrong = []
    for room, imported in rooms.items():
        package, name = room.split(".")
        for other in imported:
            of, below = other.split(".")
            if package == of == "difusionseg_ros":
                continue
            here, there = (
                row["difusionseg_ros" if side == "difusionseg_ros" else own]
                for side, own in ((package, name), (of, below))
            )
            if here >= there:
                wrong.append(f"{room} imports {other}")
    assert not wrong


def test_the_core_imports_no_ros_package(files):
    wrong = [
        f"{module} imports {name}"
        for module, path in files.items()
        if module.startswith("difusionseg_core")
        for name in imports(path)
        if name.partition(".")[0] in ROS or name.partition(".")[0].endswith("_msgs")
    ]
    assert not wrong
