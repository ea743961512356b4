"""Many recordings: one after another, in processes of this machine, or on a Dask cluster."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import suppress
from typing import Any

from difusionseg_core.evaluation.recordings.recording_run import Job, evaluate_recording

Outcome = dict[str, object] | str
"""What `evaluate_recording` returned, or the line that says why it failed."""

CLUSTER_TIMEOUT = 10.0  # seconds


def evaluate_here(jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, Outcome]]:
    """In up to `workers` processes that share the cores; in this one, with progress, for 1.

    Outcomes come as they are ready.
    """
    workers = min(workers, len(jobs))
    if workers == 1:
        for job in jobs:
            yield job, _outcome(job)
        return
    threads = max(1, len(os.sched_getaffinity(0)) // workers)
    # Not forked: PyTorch's threads do not survive that.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _begin_worker, (threads,)) as pool:
        try:
            yield from _outcomes({pool.submit(evaluate_recording, job): job for job in jobs})
        finally:
            pool.shutdown(cancel_futures=True)


def evaluate_on_cluster(jobs: Sequence[Job], address: str) -> Iterator[tuple[Job, Outcome]]:
    """On a Dask cluster, whose workers see recordings and output under the same paths.

    Outcomes come as they are ready. Raises ImportError without Dask, OSError where no cluster
    answers at `address`.
    """
    try:
        from dask.distributed import Client, as_completed
    except ImportError as error:
        raise ImportError("--cluster needs Dask: pip install 'difusionseg_ros[cluster]'") from error
    try:
        client = Client(address, timeout=CLUSTER_TIMEOUT)
    except (OSError, ValueError, TimeoutError) as error:
        raise OSError(f"no Dask cluster answers at {address} ({_one_line(error)})") from error
    with client:
        futures = {client.submit(evaluate_recording, job, pure=False): job for job in jobs}
        for future in as_completed(futures):
            yield futures[future], _result(future)


def _begin_worker(threads: int) -> None:
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it, without a traceback
    with suppress(ImportError):  # other backends do without
        import torch

        torch.set_num_threads(threads)
    cv2.setNumThreads(threads)


def _outcomes(futures: dict[Future, Job]) -> Iterator[tuple[Job, Outcome]]:
    for future in as_completed(futures):
        yield futures[future], _result(future)


def _result(future: Any) -> Outcome:
    error = future.exception()
    return future.result() if error is None else _one_line(error)


def _outcome(job: Job) -> Outcome:
    try:
        return evaluate_recording(job, progress=True)
    except (ValueError, OSError) as error:
        return _one_line(error)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: {text}"
