"""Pools of worker processes, with results in order or as they finish, and reports of dead workers.

Workers are spawned, because PyTorch's threads do not survive a fork, and they never run the main
program again: a script without `if __name__ == "__main__":`, such as an installed program, may use
them.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    as_completed,
)
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class WorkerDied(OSError):
    """A worker process ended before its work was done; the message is one line."""


class Context(SpawnContext):
    """multiprocessing's spawn method, without running the main program in each child.

    Functions and classes that are sent to a child must be importable; those defined in the main
    program are not. `started` lists the processes so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.started: list[SpawnProcess] = []

    def Process(  # type: ignore[override]  # the base class has a class here
        self, *arguments: Any, **options: Any
    ) -> SpawnProcess:
        """Make a process as `multiprocessing.Process` does."""
        process = _Process(*arguments, **options)
        self.started.append(process)
        return process


class _Process(SpawnProcess):
    @staticmethod
    def _Popen(process_obj: BaseProcess) -> Any:
        # A child imports what `__main__` names as its file or module; an empty one names nothing.
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            return SpawnProcess._Popen(process_obj)
        finally:
            sys.modules["__main__"] = main


def available_cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0))


@contextmanager
def process_pool(workers: int, threads: int = 1) -> Iterator[Executor]:
    """Yield an executor with `workers` processes, whose libraries use `threads` threads each.

    Workers ignore SIGINT and end when this process ends, also if it is killed. An exception, such
    as KeyboardInterrupt, ends them at once; otherwise work in progress is finished on leaving.
    Raises WorkerDied if a worker ends on its own.
    """
    context = Context()
    pool = ProcessPoolExecutor(workers, context, _begin_worker, (threads,))
    try:
        yield pool
    except BrokenExecutor:
        pool.shutdown()
        raise WorkerDied(why_died(context.started)) from None
    except BaseException:
        for process in context.started:
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def in_order(
    pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    """Yield function(item) in the order of `items`, with at most `ahead` of them started early.

    Bounds the memory that waiting results take; items are taken from the iterable as needed.
    Raises the function's errors.
    """
    waiting: deque[Future] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def as_finished(
    pool: Executor, function: Callable[[Item], Result], items: Iterable[Item]
) -> Iterator[tuple[Item, Future]]:
    """Yield each item with the finished future of function(item), the fastest first."""
    futures = {pool.submit(function, item): item for item in items}
    for future in as_completed(futures):
        yield futures[future], future


def why_died(processes: Iterable[SpawnProcess]) -> str:
    """Return a line about the end of the first failed process."""
    # The executor ends the workers that are left with SIGTERM.
    codes = [process.exitcode for process in processes]
    code = next((code for code in codes if code not in (None, 0, -signal.SIGTERM)), None)
    if code is None:
        return "a worker process ended too early; the lines above may say why"
    if code < 0:
        return f"a worker process was killed by signal {-code} ({signal.Signals(-code).name})"
    return f"a worker process ended with status {code}; the lines above may say why"


def _begin_worker(threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends workers through the main process
    # For NumPy and PyTorch, which read it when they are first imported.
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import cv2

    cv2.setNumThreads(threads)
    # Otherwise workers outlive a killed parent and wait for work forever.
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
