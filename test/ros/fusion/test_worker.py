"""The worker thread: it keeps the newest job, reports errors, and stops cleanly."""

import threading

import pytest

from difusionseg_ros.fusion.worker import NewestWinsWorker

TIMEOUT = 10


class Recorder:
    """Work that waits for `go` and records what it was given."""

    def __init__(self):
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.finished = threading.Semaphore(0)
        self.jobs = []
        self.errors = []

    def work(self, job):
        self.begun.release()
        assert self.go.acquire(timeout=TIMEOUT)
        self.jobs.append(job)
        self.finished.release()
        if job == "bad":
            raise RuntimeError("bad job")


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def worker(recorder):
    worker = NewestWinsWorker(recorder.work, recorder.errors.append)
    yield worker
    recorder.go.release(100)
    worker.stop()


def test_the_newest_job_runs_and_replaced_jobs_are_counted(worker, recorder):
    worker.submit(1)
    assert recorder.begun.acquire(timeout=TIMEOUT)
    for job in (2, 3, 4):
        worker.submit(job)
    recorder.go.release(2)
    for _ in range(2):
        assert recorder.finished.acquire(timeout=TIMEOUT)
    assert recorder.jobs == [1, 4]
    assert worker.replaced == 2


def test_a_burst_at_an_idle_worker_loses_nothing(recorder):
    recorder.go.release(40)
    for _ in range(20):
        worker = NewestWinsWorker(recorder.work, recorder.errors.append)
        worker.submit("first")
        worker.submit("second")  # most likely before the thread woke up
        for _ in range(2):
            assert recorder.finished.acquire(timeout=TIMEOUT)
        worker.stop()
        assert worker.replaced == 0
    assert recorder.jobs == ["first", "second"] * 20


def test_after_a_reported_exception_the_worker_continues(worker, recorder):
    recorder.go.release(2)
    for job in ("bad", "good"):
        worker.submit(job)
        assert recorder.finished.acquire(timeout=TIMEOUT)
    assert recorder.jobs == ["bad", "good"]
    assert [str(error) for error in recorder.errors] == ["bad job"]


def test_stop_finishes_the_running_job_and_drops_the_waiting_one(worker, recorder):
    worker.submit("running")
    assert recorder.begun.acquire(timeout=TIMEOUT)
    worker.submit("waiting")
    stopper = threading.Thread(target=worker.stop)
    stopper.start()
    assert stopper.is_alive()
    recorder.go.release()
    stopper.join(TIMEOUT)
    assert not stopper.is_alive()
    worker.submit("too late")
    assert recorder.jobs == ["running"]


def test_stop_while_idle_ends_the_thread(recorder):
    before = threading.active_count()
    worker = NewestWinsWorker(recorder.work, recorder.errors.append)
    worker.stop()
    assert threading.active_count() == before
