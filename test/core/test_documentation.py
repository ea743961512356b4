"""The documentation: links are valid, named files exist, commands parse and run."""

import re
import shlex
import shutil

import pytest

from difusionseg_core.cli import main as program

FOLDERS = ("config", "difusionseg_core", "difusionseg_ros", "docs", "launch", "msg", "pip_ros")
FOLDERS += ("sample", "scripts", "test", "tools")


def pages(root):
    """Return every page of the documentation."""
    found = [*root.glob("*.md"), *root.glob("docs/*.md"), *root.glob("*/README.md")]
    return [*found, root / "difusionseg_core" / "weights" / "lite.md"]


def without_code(text):
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(text):
    """Return the anchors of a page's headings, as MkDocs and GitHub write them."""
    headings = re.findall(r"^#+ (.+)$", without_code(text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


def code_blocks(text):
    return re.findall(r"^ *```\w*\n(.*?)^ *```", text, flags=re.DOTALL | re.MULTILINE)


def command_lines(root):
    """(page, words) of every command in the code blocks, with continued lines joined."""
    for page in pages(root):
        if page.name == "lite.md":
            continue  # a card keeps the commands of the version that made the weights
        for block in code_blocks(page.read_text("utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                if line.strip().startswith(("difusionseg ", "scripts/", "ros2 ", "pip ")):
                    yield page.relative_to(root), shlex.split(line, comments=True)


def test_links_are_valid(root):
    broken = []
    for page in pages(root):
        for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text("utf-8"))):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            if not target.exists() or (anchor and anchor not in anchors(target.read_text("utf-8"))):
                broken.append(f"{page.relative_to(root)}: {link}")
    assert not broken


def test_files_that_are_named_exist(root):
    absent = []
    for page in pages(root):
        for name in re.findall(r"`([\w./-]+)`", without_code(page.read_text("utf-8"))):
            if name.partition("/")[0] not in FOLDERS or "/" not in name or "NAME" in name:
                continue
            if not (root / name).exists():
                absent.append(f"{page.relative_to(root)}: {name}")
    assert not absent


def test_commands_parse(root, capsys):
    parser = program.make_parser()
    for page, words in command_lines(root):
        command, where = " ".join(words), f"{page}: {' '.join(words)}"
        if words[0] == "difusionseg" and words[1] != "train" and "..." not in words:
            try:
                parser.parse_args(words[1:])
            except SystemExit:
                pytest.fail(f"{where}\n{capsys.readouterr().err}")
        elif words[0].startswith("scripts/"):
            assert (root / words[0]).is_file(), where
        elif words[:3] == ["ros2", "launch", "difusionseg_ros"]:
            assert (root / "launch" / words[3]).is_file(), where
        elif words[:3] == ["ros2", "run", "difusionseg_ros"]:
            assert f"install_program({words[3]} " in (root / "CMakeLists.txt").read_text(), where
        for extra in re.findall(r"\.\[(\w+)\]", command):
            assert re.search(rf"^{extra} = \[", (root / "pyproject.toml").read_text(), re.M), where


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """Make a folder with the data in examples: two small scenes, under three names."""
    folder = tmp_path_factory.mktemp("examples")
    made = ["--output", str(folder / "data"), "--scenes", "2", "--size", "96x128"]
    assert program.main(["synthesize", *made, "--workers", "1"]) == 0
    shutil.copytree(folder / "data", folder / "MSRS" / "test")
    shutil.copytree(folder / "data" / "Segmentation_labels", folder / "theirs" / "mask")
    shutil.copytree(folder / "data" / "vi", folder / "theirs" / "fused")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "programs"),
    [("README.md", ["predict"]), ("docs/evaluation.md", ["evaluate", "evaluate", "compare"])],
)
def test_examples_run(root, examples, monkeypatch, page, programs):
    monkeypatch.chdir(examples)
    found = [words for where, words in command_lines(root) if str(where) == page]
    commands = [words[1:] for words in found if words[0] == "difusionseg"]
    commands = [words for words in commands if words[0] in programs]
    assert [words[0] for words in commands] == programs
    for words in commands:
        shutil.rmtree(words[words.index("--output") + 1], ignore_errors=True)
        assert program.main(words) == 0
