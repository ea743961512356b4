"""Memory of training: for decoded images, and for batches of loader workers."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterable
from pathlib import Path

CACHES = ("none", "ram")

_SHARE = 0.5  # of the free memory that decoded images may take
_PREFETCHED = 2 + 1  # batches per worker in shared memory: two prefetched, one in use
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 (where PyTorch's workers put batches)


class MemoryBudget:
    """Bytes still available for decoded images."""

    def __init__(self, size: int) -> None:
        self.size = self.left = size

    @classmethod
    def of(cls, cache: str) -> MemoryBudget:
        """Return half of the free memory for "ram", 0 for "none"; ValueError for other names."""
        if cache not in CACHES:
            raise ValueError(f"data.cache must be {' or '.join(CACHES)}, not '{cache}'")
        return cls(int(_SHARE * free_memory()) if cache == "ram" else 0)

    def take(self, size: int) -> bool:
        """Take `size` bytes; returns False if they are not left."""
        if size > self.left:
            return False
        self.left -= size
        return True


def free_memory() -> int:
    """Return the bytes that this process may still use: machine, container and limits."""
    free = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    available = _number_after("MemAvailable:", Path("/proc/meminfo"))
    if available is not None:
        free.append(available * 1024)
    for limit_file, usage_file in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        (
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        ),
    ):
        most, taken = _number(Path(limit_file)), _number(Path(usage_file))
        if most is not None and taken is not None:
            free.append(most - taken)
    for kind, field in ((resource.RLIMIT_AS, "VmSize:"), (resource.RLIMIT_DATA, "VmData:")):
        limit, _ = resource.getrlimit(kind)
        used = _number_after(field, Path("/proc/self/status"))
        if limit != resource.RLIM_INFINITY and used is not None:
            free.append(limit - used * 1024)
    return max(min(free), 0)


def workers_that_fit(workers: int, batch_bytes: int, shared: Path = _SHARED_MEMORY) -> int:
    """Return the number of loader workers, 0 if their batches do not fit into shared memory.

    Containers often have 64 MB of it; a worker that finds it full dies with a bus error.
    """
    if not workers or not shared.is_dir():
        return workers
    free = shutil.disk_usage(shared).free
    needed = workers * _PREFETCHED * batch_bytes
    if needed <= free:
        return workers
    print(
        f"difusionseg: {shared} has {free >> 20} MB free, and {workers} loader workers need "
        f"{(needed >> 20) + 1} MB: loading in the main process, which is slower (docker run "
        "--shm-size=2g gives a container more)"
    )
    return 0


def size_of(arrays: Iterable[object]) -> int:
    """Return bytes of the arrays."""
    return sum(int(getattr(array, "nbytes", 0)) for array in arrays)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # missing, or "max"
        return None


def _number_after(name: str, path: Path) -> int | None:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), None)
