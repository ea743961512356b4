"""Results appear completely or not at all."""

import stat

import pytest

from difusionseg_core.files import new_output, replaced_file, write_file


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_new_output_appears_at_the_end(tmp_path):
    with new_output(tmp_path / "deep" / "result.txt") as path:
        path.write_text("all")
        assert path.name == "result.txt"
        assert not (tmp_path / "deep" / "result.txt").exists()
    assert (tmp_path / "deep" / "result.txt").read_text() == "all"
    assert names(tmp_path / "deep") == ["result.txt"]


@pytest.mark.parametrize("kind", ["file", "folder", "broken link"])
def test_a_new_output_never_replaces_anything(tmp_path, kind):
    path = tmp_path / "result"
    {
        "file": lambda: path.write_text("old"),
        "folder": path.mkdir,
        "broken link": lambda: path.symlink_to(tmp_path / "nowhere"),
    }[kind]()
    with pytest.raises(FileExistsError, match="exists; name another output"), new_output(path):
        pass
    assert names(tmp_path) == ["result"]


def test_nothing_is_left_of_a_failed_output(tmp_path):
    with pytest.raises(RuntimeError), new_output(tmp_path / "result") as path:
        path.mkdir()
        (path / "half").write_text("half")
        raise RuntimeError
    assert names(tmp_path) == []


@pytest.mark.parametrize("content", ["text\n", b"bytes"])
def test_a_file_is_replaced_as_a_whole(tmp_path, content):
    path = tmp_path / "file"
    path.write_text("old")
    write_file(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert names(tmp_path) == ["file"]


def test_a_failed_replacement_keeps_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError), replaced_file(path) as unfinished:
        unfinished.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_files_have_the_usual_permissions(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("")
    write_file(tmp_path / "file", "")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
