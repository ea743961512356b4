"""The C library's way with freed memory: a tenth of a large network's time on a CPU."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # of mallopt(3)
_DEFAULT_TRIM_THRESHOLD, _DEFAULT_MMAP_MAX = 128 * 1024, 65536


def keep_freed_memory() -> None:
    """Let the process keep memory that it has freed, for the next frame.

    glibc hands large blocks back to the system at once, which zeroes every page of them anew for
    each layer of each frame. Holds for the whole process; it needs no more memory at its peak but
    for what fragments. Does nothing where the C library is another one.
    """
    share_one_heap()
    mallopt = _of_c_library("mallopt")
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def share_one_heap() -> None:
    """Let all threads that are still to be started take their memory from one heap.

    With a heap each, every new thread may get another one of those that are there, and what is
    free at the top of those is never given back: a node that was activated some times held 90 MB
    more, and a frame of `paper`, whose threads found less of what others had freed, took an eighth
    longer. Does nothing where the C library is another one.
    """
    mallopt = _of_c_library("mallopt")
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)


def return_freed_memory() -> None:
    """Give the system back what the process has freed, and what it frees from now on, as far as
    the C library can.
    """
    mallopt = _of_c_library("mallopt")
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, _DEFAULT_MMAP_MAX)
        mallopt(_M_TRIM_THRESHOLD, _DEFAULT_TRIM_THRESHOLD)
    malloc_trim = _of_c_library("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(ctypes.c_size_t(0))


def _of_c_library(function: str) -> Callable[..., int] | None:
    return getattr(ctypes.CDLL(None), function, None) if sys.platform == "linux" else None
