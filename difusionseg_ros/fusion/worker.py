"""A thread with room for one waiting job: work that is slower than its input stays up to date."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Job = TypeVar("Job")


class NewestWinsWorker(Generic[Job]):
    """Runs `work(job)` in a thread of its own; a newer job replaces the one that still waits.

    `replaced` counts the jobs that were never begun because of that. An exception of `work` goes to
    `on_error`, in the worker's thread, and the worker goes on.
    """

    def __init__(self, work: Callable[[Job], None], on_error: Callable[[Exception], None]) -> None:
        self.replaced = 0
        self._work = work
        self._on_error = on_error
        self._current: Job | None = None  # at work, or about to be when the thread wakes up
        self._waiting: Job | None = None
        self._stopping = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Hand over a job and return at once; after `stop` it is left aside."""
        with self._changed:
            if self._stopping:
                return
            if self._current is None:
                self._current = job
                self._changed.notify()
                return
            if self._waiting is not None:
                self.replaced += 1
            self._waiting = job

    def stop(self) -> None:
        """Forget the waiting job, let the running one finish, and end the thread."""
        with self._changed:
            self._stopping = True
            self._waiting = None
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (job := self._next()) is not None:
            try:
                self._work(job)
            except Exception as error:
                self._on_error(error)
            job = None  # do not keep images alive while idle
            with self._changed:
                self._current, self._waiting = self._waiting, None

    def _next(self) -> Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._current is not None or self._stopping)
            return None if self._stopping else self._current
