"""Several recordings: one after another, in processes of this machine, or on a Dask cluster."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from difusionseg_core.evaluation.recordings.recording_run import (
    RecordingJob,
    RecordingOptions,
    evaluate_recording,
    write_json,
)
from difusionseg_core.evaluation.recordings.recordings_table import summary_row, table, total
from difusionseg_core.files import new_output
from difusionseg_core.parallel import as_finished, available_cores, process_pool

Outcome = dict[str, Any] | str
"""What `evaluate_recording` returned, or the line that says why it failed."""

CLUSTER_TIMEOUT = 10.0  # seconds


@dataclass(frozen=True)
class BatchJob:
    """Recordings to evaluate into the folder `output`.

    Several recordings have one folder each in it, and in `record`, where recordings with the
    results added are written, if it is not None. `workers` recordings are evaluated at a time, or
    as many as the Dask cluster at the address `cluster` takes; its workers must see all files
    under the same paths.
    """

    recordings: tuple[Path, ...]
    output: Path
    options: RecordingOptions
    record: Path | None = None
    workers: int = 1
    cluster: str | None = None


@dataclass(frozen=True)
class BatchResult:
    """Results of one or several recordings.

    `reports` holds what metrics.json holds, by recording; `problems` a line per recording that
    failed; `total` figures over all frames, and `table` a row per recording, None for a single
    recording.
    """

    reports: dict[str, dict[str, Any]]
    problems: list[str]
    total: dict[str, Any] | None = None
    table: str | None = None


def evaluate_recordings(job: BatchJob) -> BatchResult:
    """Evaluate all recordings; several of them get a summary.json and a summary.md.

    Raises ValueError or OSError, in one line, if no recording could be evaluated, and ImportError
    if a cluster is named but Dask is missing.
    """
    job.options.pairing.pairer()  # refuses bad values before anything is read
    with ExitStack() as stack:
        output = stack.enter_context(new_output(job.output))
        record = None if job.record is None else stack.enter_context(new_output(job.record))
        if len(job.recordings) > 1:
            return _evaluate_several(job, output, record)
        single = _recording_job(job, job.recordings[0], output, record)
        ((_, outcome),) = _outcomes([single], job)
        if isinstance(outcome, str):
            raise ValueError(outcome)
        return BatchResult({str(job.recordings[0]): outcome}, [])


def _evaluate_several(job: BatchJob, output: Path, record: Path | None) -> BatchResult:
    names = _unique_names(job.recordings)
    output.mkdir()
    if record is not None:
        record.mkdir()
    jobs = [
        _recording_job(job, recording, output / name, record and record / name)
        for name, recording in zip(names, job.recordings, strict=True)
    ]
    outcomes: dict[str, Outcome] = {}
    for done, outcome in tqdm(
        _outcomes(jobs, job), total=len(jobs), unit="recording", disable=None
    ):
        outcomes[done.output.name] = outcome
        if isinstance(outcome, str):
            tqdm.write(f"difusionseg: skipped: {outcome}", file=sys.stderr)
    reports = {name: outcome for name in names if not isinstance(outcome := outcomes[name], str)}
    if not reports:
        raise ValueError("none of the recordings could be evaluated")
    problems = sorted(outcome for outcome in outcomes.values() if isinstance(outcome, str))
    rows = [summary_row(name, report) for name, report in reports.items()]
    over_all = total(list(reports.values()))
    write_json(
        output / "summary.json", {"recordings": rows, "total": over_all, "problems": problems}
    )
    (output / "summary.md").write_text(table(rows))
    return BatchResult(reports, problems, over_all, table(rows))


def _recording_job(
    job: BatchJob, recording: Path, output: Path, record: Path | None
) -> RecordingJob:
    return RecordingJob(
        recording=recording.absolute() if job.cluster else recording,
        output=output.absolute(),
        options=job.options,
        record=record and record.absolute(),
    )


def _unique_names(recordings: Sequence[Path]) -> list[str]:
    """Return a folder name for each recording: its own name, with a number if several share it."""
    names: list[str] = []
    for recording in recordings:
        stem = recording.resolve().stem
        name, number = stem, 1
        while name in names:
            number += 1
            name = f"{stem}_{number}"
        names.append(name)
    return names


def _outcomes(
    jobs: Sequence[RecordingJob], job: BatchJob
) -> Iterator[tuple[RecordingJob, Outcome]]:
    """Return outcomes of all jobs, as they finish."""
    if job.cluster:
        return _on_cluster(jobs, job.cluster)
    return _here(jobs, min(job.workers, len(jobs)))


def _here(jobs: Sequence[RecordingJob], workers: int) -> Iterator[tuple[RecordingJob, Outcome]]:
    """Run in processes that share the cores; one worker: in this process, with progress."""
    if workers == 1:
        for job in jobs:
            yield job, _outcome(job)
        return
    with process_pool(workers, threads=max(1, available_cores() // workers)) as pool:
        for job, future in as_finished(pool, evaluate_recording, jobs):
            yield job, _result(future)


def _on_cluster(
    jobs: Sequence[RecordingJob], address: str
) -> Iterator[tuple[RecordingJob, Outcome]]:
    try:
        from dask.distributed import Client, as_completed
    except ImportError as error:
        raise ImportError("--cluster needs Dask: pip install 'dask[distributed]'") from error
    try:
        client = Client(address, timeout=CLUSTER_TIMEOUT)
    except (OSError, ValueError, TimeoutError) as error:
        raise OSError(f"no Dask cluster answers at {address} ({_one_line(error)})") from error
    with client:
        _wait_for_worker(client, address)
        futures = {client.submit(evaluate_recording, job, pure=False): job for job in jobs}
        for future in as_completed(futures):
            yield futures[future], _result(future)


def _wait_for_worker(client: Any, address: str) -> None:
    """Wait without end, since workers may start later, but report that none is there."""
    while True:
        try:
            client.wait_for_workers(1, timeout=CLUSTER_TIMEOUT)
            return
        except TimeoutError:
            print(
                f"difusionseg: the Dask cluster at {address} has no workers; waiting for one "
                f"(dask worker {address})",
                file=sys.stderr,
            )


def _result(future: Any) -> Outcome:
    error = future.exception()
    return future.result() if error is None else _one_line(error)


def _outcome(job: RecordingJob) -> Outcome:
    try:
        return evaluate_recording(job, progress=True)
    except (ValueError, OSError) as error:
        return _one_line(error)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: {text}"
