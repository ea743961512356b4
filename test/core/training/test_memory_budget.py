"""Memory of training: the cache's budget, and shared memory of loader workers."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections import namedtuple

import numpy as np
import pytest

from difusionseg_core.data.image_files import write_png
from difusionseg_core.training.data import memory_budget
from difusionseg_core.training.data.augmentation import Augmentation
from difusionseg_core.training.data.datamodule import PairData
from difusionseg_core.training.data.memory_budget import MemoryBudget, free_memory, workers_that_fit
from difusionseg_core.training.data.pair_dataset import PairDataset

SIZE = (32, 40)
Usage = namedtuple("Usage", "total used free")


def test_a_budget_is_taken_until_it_is_used_up() -> None:
    budget = MemoryBudget(10)
    assert [budget.take(size) for size in (6, 5, 4, 1)] == [True, False, True, False]
    assert MemoryBudget.of("none").size == 0
    assert 0 < MemoryBudget.of("ram").size < free_memory()
    with pytest.raises(ValueError, match="data.cache must be none or ram, not 'disk'"):
        MemoryBudget.of("disk")


def test_limits_of_the_process_count(root) -> None:
    limit = 1 << 30
    code = (
        "from difusionseg_core.training.data.memory_budget import free_memory; print(free_memory())"
    )
    limited = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert 0 < int(limited.stdout) < limit


@pytest.mark.parametrize(("free", "expected"), [(64 << 20, 0), (1 << 30, 4)])
def test_workers_need_shared_memory(tmp_path, monkeypatch, capsys, free, expected) -> None:
    monkeypatch.setattr(memory_budget.shutil, "disk_usage", lambda path: Usage(free, 0, free))
    assert workers_that_fit(4, 20 << 20, tmp_path) == expected
    said = capsys.readouterr().out
    assert said == "" if expected else ("64 MB free" in said and "--shm-size" in said)
    assert workers_that_fit(0, 20 << 20, tmp_path) == 0
    assert workers_that_fit(4, 20 << 20, tmp_path / "absent") == 4


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for part, shape in (("vi", (*SIZE, 3)), ("ir", SIZE), ("Segmentation_labels", SIZE)):
        (tmp_path / part).mkdir()
        for name in ("a", "b", "c"):
            image = rng.integers(0, 9, shape, np.uint8)
            write_png(tmp_path / part / f"{name}.png", image)
    return tmp_path


def test_images_stay_in_memory_while_the_budget_lasts(folder) -> None:
    one = SIZE[0] * SIZE[1] * 5
    data = PairDataset(folder, budget=MemoryBudget(2 * one + one // 2))
    data.preload()
    first, second, third = (data.sample(index) for index in range(3))
    assert data.sample(0) is first and data.sample(1) is second
    assert data.sample(2) is not third and np.array_equal(data.sample(2).rgb, third.rgb)
    assert data.budget.left < one


def test_items_do_not_depend_on_the_cache(folder) -> None:
    augmentation = Augmentation(crop=(16, 16))
    cached = PairDataset(folder, augmentation, budget=MemoryBudget(1 << 30))
    read = PairDataset(folder, augmentation)
    cached.preload()
    read.preload()
    for index in range(3):
        assert (cached[index]["image"] == read[index]["image"]).all()
        assert (cached[index]["labels"] == read[index]["labels"]).all()


def test_classes_are_counted_without_decoding_images(folder) -> None:
    expected = PairData([str(folder)], str(folder), cache="none").class_counts(9)
    for part in ("vi", "ir"):
        for file in (folder / part).iterdir():
            file.write_bytes(b"no image")
    data = PairData([str(folder)], str(folder), cache="ram")
    assert np.array_equal(data.class_counts(9), expected) and expected.sum() == 3 * 32 * 40


MANY = """
import re, resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_DATA, (4 << 30, 4 << 30))
from difusionseg_core.training.data.memory_budget import MemoryBudget
from difusionseg_core.training.data.pair_dataset import PairDataset
data = PairDataset(sys.argv[1], budget=MemoryBudget.of("none"))
for index in range(0, 5000, 100):
    data[index]
# Unlike ru_maxrss, this does not count the memory of the process that started this one.
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
print(len(data), int(peak) // 1024)
"""


@pytest.mark.slow
def test_5000_large_pairs_without_a_cache_need_little_memory(tmp_path, root) -> None:
    """Pairs of 1280x1024, 33 GB if they were kept: links to one pair, read under a 4 GB limit."""
    for part, shape in (("vi", (1024, 1280, 3)), ("ir", (1024, 1280))):
        (tmp_path / part).mkdir()
        first = tmp_path / part / "0000.png"
        write_png(first, np.full(shape, 90, np.uint8))
        for number in range(1, 5000):
            (tmp_path / part / f"{number:04d}.png").hardlink_to(first)
    done = subprocess.run(
        [sys.executable, "-c", MANY, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=root,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    pairs, megabytes = map(int, done.stdout.split())
    print(f"{megabytes} MB at most")
    assert pairs == 5000 and megabytes < 1000
