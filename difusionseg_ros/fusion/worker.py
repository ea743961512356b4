"""A worker thread that keeps only the newest waiting job, so that slow work causes no delay."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Job = TypeVar("Job")


class NewestWinsWorker(Generic[Job]):
    """Runs `work(job)` in its own thread; a newer job replaces the one that is still waiting.

    `replaced` counts the jobs dropped that way. An exception of `work` is passed to `on_error`, in
    the worker's thread, and the worker continues.
    """

    def __init__(self, work: Callable[[Job], None], on_error: Callable[[Exception], None]) -> None:
        self.replaced = 0
        self._work = work
        self._on_error = on_error
        self._current: Job | None = None  # running, or about to run when the thread wakes up
        self._waiting: Job | None = None
        self._stopping = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue a job and return immediately; ignored after `stop`."""
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
        """Drop the waiting job, let the running one finish, and end the thread."""
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
