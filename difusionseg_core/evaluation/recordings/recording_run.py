"""One recording: scan its headers, run the model on its pairs, and write figures to a folder."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

from tqdm import tqdm

from difusionseg_core.cameras.pairing_options import PairingOptions
from difusionseg_core.evaluation.data_sets.result_store import PER_IMAGE
from difusionseg_core.evaluation.machine import machine
from difusionseg_core.evaluation.recordings.header_scan import HeaderScan, scan_headers
from difusionseg_core.evaluation.recordings.highlights import Highlights
from difusionseg_core.evaluation.recordings.recorded_frames import FrameReader
from difusionseg_core.evaluation.recordings.recorded_objects import KnownObjects, RecordedObjects
from difusionseg_core.evaluation.recordings.recording_page import recording_page
from difusionseg_core.evaluation.recordings.recording_scores import Latencies, Scores
from difusionseg_core.evaluation.recordings.result_recording import ResultRecording
from difusionseg_core.imaging.blur import blurred_classes
from difusionseg_core.imaging.camera_settings import CameraSettings
from difusionseg_core.objects.frame_objects import ObjectFinder
from difusionseg_core.predictor import PredictorOptions
from difusionseg_core.recordings.rosbag2 import Recording, RecordingError
from difusionseg_core.report.document import write_report


@dataclass(frozen=True)
class RecordingOptions:
    """How to evaluate recordings.

    Topics are None for automatic choice, see `Recording.choose_topics`; `fusion_every` N scores
    every Nth fused image. `object_score` is the lowest score of objects, `blur` names classes that
    are blurred in the output.
    """

    predictor: PredictorOptions = PredictorOptions()
    rgb_topic: str | None = None
    thermal_topic: str | None = None
    mask_topic: str | None = None
    pairing: PairingOptions = PairingOptions()
    cameras: CameraSettings = CameraSettings()
    fusion_every: int = 1
    object_score: float = 0.3
    blur: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecordingJob:
    """A recording to evaluate into the new folder `output`; another process can receive it.

    `record` is where to write the recording with the results added; None: nowhere.
    """

    recording: Path
    output: Path
    options: RecordingOptions
    record: Path | None = None


def evaluate_recording(job: RecordingJob, progress: bool = False) -> dict[str, object]:
    """Write metrics.json, tables and the page about them; return what metrics.json holds.

    The tables are timeline.csv, rates.csv, latency.csv, objects.csv (and objects.json,
    objects_coco.json), and per_image.jsonl (for `compare`).
    All but the latencies and the part "run" of metrics.json is the same every time. Raises
    ValueError (RecordingError among them) or OSError, in one line that names the recording.
    """
    if not job.output.parent.is_dir():
        raise OSError(f"{job.output.parent} is not there; output must be on a shared file system")
    options = job.options
    began = perf_counter()
    with ExitStack() as stack:
        recording = stack.enter_context(Recording(job.recording))
        warnings: list[str] = []
        topics = recording.choose_topics(
            rgb=options.rgb_topic, thermal=options.thermal_topic, mask=options.mask_topic
        )
        found = scan_headers(recording, topics, options.pairing, options.cameras.max_image_bytes)
        if not len(found):
            raise RecordingError(f"{job.recording} {_why_no_pairs(found, options.pairing)}")
        predictor = options.predictor.open()
        label_set = predictor.label_set
        blur = blurred_classes(options.blur, label_set)
        scores, latencies = Scores(label_set, options.fusion_every), Latencies()
        highlights = Highlights(label_set, topics.mask is not None, len(found), blur)
        results = None
        if job.record is not None:
            results = ResultRecording(recording, job.record, topics, label_set, blur)
            stack.enter_context(results)
            if results.left_out:
                left_out = ", ".join(results.left_out)
                warnings.append(f"left out, as they are not blurred: {left_out}")
        job.output.mkdir()
        finder = ObjectFinder()
        objects = stack.enter_context(RecordedObjects(job.output, label_set))
        known = None
        if topics.true_objects is not None:
            known = stack.enter_context(KnownObjects(job.recording, topics.true_objects, label_set))
        timeline = stack.enter_context(_Table(job.output / "timeline.csv", scores.columns))
        latency = stack.enter_context(_Table(job.output / "latency.csv", latencies.columns))
        per_image = stack.enter_context((job.output / PER_IMAGE).open("w"))
        reader = stack.enter_context(
            FrameReader(recording, topics, options.cameras, label_set.num_classes, found.faults)
        )
        # None: silent if the output is not a terminal.
        bar = tqdm(found.pairs(), total=len(found), unit="pair", disable=None if progress else True)
        for pair in bar:
            frame = reader.read(pair)
            if frame is None:
                continue
            prediction = predictor(frame.rgb, frame.thermal)
            row, of_frame = scores.add(frame, prediction)
            timeline.write(row)
            per_image.write(json.dumps(of_frame.to_json()) + "\n")
            seen = finder.find(
                frame.stamp_ns * 1e-9,
                prediction.objects,
                prediction.labels,
                prediction.confidence,
                prediction.fused,
                frame.degrees,
                options.object_score,
            )
            true = None if known is None else known.at(frame.stamp_ns)
            objects.add(str(row["stamp"]), prediction.labels.shape, seen, true)
            highlights.consider(frame, prediction, seen, row)
            latency.write(latencies.add(frame, prediction))
            if results is not None:
                results.add(frame, prediction, seen)
        if not len(scores):
            reasons = "; ".join(found.faults.lines())
            raise RecordingError(
                f"{job.recording}: none of {len(found)} pairs is usable: {reasons}"
            )
        if results is not None:
            results.finish()
        _write_rates(job.output / "rates.csv", found)
        report = {
            "recording": str(job.recording),
            "topics": asdict(topics),
            "pairing": asdict(options.pairing)
            | {"thermal_to_rgb": list(options.cameras.thermal_to_rgb)},
            "conversion": _conversion(options.cameras),
            "steps": predictor.steps,
            **_timing(found, len(scores)),
            **scores.report(),
            "objects": objects.report(),
            **({"identities": objects.identities()} if known else {}),
            "warnings": recording.warnings + warnings + reader.warnings + found.warnings(),
            "faults": found.faults.lines(),
            "run": {
                "machine": machine(),
                "device": predictor.device,
                "backend": predictor.backend,
                "seconds": perf_counter() - began,
                "latency_ms": latencies.report(),
            },
        }
    write_json(job.output / "metrics.json", report)
    page = recording_page(report, job.output, label_set, highlights)
    write_report(page, job.output)
    return report


def _conversion(cameras: CameraSettings) -> dict[str, object]:
    """Return the parameters of the conversion, for a JSON file."""
    return {
        **{f"thermal_{name}": value for name, value in asdict(cameras.thermal).items()},
        "temperature": asdict(cameras.temperature),
        "undistort": cameras.undistort,
        "rgb_bits": cameras.rgb_bits,
        "max_image_bytes": cameras.max_image_bytes,
    }


def write_json(path: Path, content: object) -> None:
    """Write plain numbers and text; raises ValueError for numbers that JSON does not have."""
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")


class _Table:
    """A CSV file that grows row by row; cells that a row lacks stay empty."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._path = path
        self._columns = columns

    def __enter__(self) -> _Table:
        self._file = self._path.open("w", newline="")
        self._writer = csv.DictWriter(self._file, self._columns)
        self._writer.writeheader()
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def write(self, row: Mapping[str, object]) -> None:
        self._writer.writerow(row)


def _timing(found: HeaderScan, evaluated: int) -> dict[str, object]:
    """Return the timing of the cameras, and the outcome of their images."""
    counts = found.counts
    return {
        "cameras": {role: camera.report() for role, camera in found.cameras.items()},
        "pairs": {"paired": counts.paired, "evaluated": evaluated},
        "dropped": {
            "rgb_without_partner": counts.dropped_rgb,
            "thermal_without_partner": counts.dropped_thermal,
            "late": counts.late,
            "rgb_refused": found.cameras["rgb"].refused,
            "thermal_refused": found.cameras["thermal"].refused,
            "pairs_refused": counts.paired - evaluated,
        },
        "jumps": counts.jumps,
    }


def _write_rates(path: Path, found: HeaderScan) -> None:
    """Write messages of each camera, and pairs, by second since the start of the recording.

    Seconds without messages are left out, because a clock may jump by years.
    """
    columns = [*found.cameras, "pairs"]
    with _Table(path, ["second", *columns]) as table:
        for second, counts in sorted(found.seconds.items()):
            table.write({"second": second, **{name: counts[name] for name in columns}})


def _why_no_pairs(found: HeaderScan, pairing: PairingOptions) -> str:
    """Return the end of a line about a recording without pairs."""
    if found.apart_ns is None:
        reasons = "; ".join(found.faults.lines())
        return f"has no pair: a camera sent no usable image{': ' if reasons else ''}{reasons}"
    return (
        f"has no pair of images within {pairing.slop:g} s (the newest stamps are "
        f"{found.apart_ns / 1e9:+.3f} s apart); set --slop or --thermal-time-offset"
    )
