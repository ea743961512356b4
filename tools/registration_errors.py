"""Measure `difusionseg register` on pairs whose true transform is known.

    python -m tools.registration_errors
    python -m tools.registration_errors --pairs MSRS/val

Thermal images are warped by known transforms; errors are distances, in RGB pixels, between where
the found and the true transform put the centre and the corners of the thermal image. Synthetic
scenes have an exact truth; real pairs are out of register before they are warped, so the transform
found for the unwarped pairs is taken out. Scenes whose thermal camera stands beside the RGB camera
have parallax, which must raise the warning.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from difusionseg_core.data.folder import open_data_set
from difusionseg_core.data.image_files import read_rgb, read_thermal
from difusionseg_core.imaging.registration.estimation import Registration, register
from difusionseg_core.scenes.placement.street_scene import random_street_scene
from difusionseg_core.scenes.scene_images import render

SIZE = (480, 640)
_GROUPS = 4  # of real pairs, each registered by itself
_SCENES = 8  # a synthetic run
_BASELINES = (0.1, 0.3, 0.6)  # metres between the cameras

Images = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Measurement:
    """One run: `errors` (5,) at the centre and the corners, None without a known truth."""

    source: str
    warp: str
    found: Registration
    errors: np.ndarray | None


def warps(height: int, width: int) -> dict[str, np.ndarray]:
    """Known transforms (3, 3) of thermal images of this size, by name."""
    x, y = width / 2, height / 2

    def about_centre(matrix: Sequence[Sequence[float]]) -> np.ndarray:
        to_centre = np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]], np.float64)
        return np.linalg.inv(to_centre) @ np.array(matrix, np.float64) @ to_centre

    def turned(scale: float, degrees: float, dx: float, dy: float) -> np.ndarray:
        c, s = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
        return about_centre([[c, -s, dx], [s, c, dy], [0, 0, 1]])

    tilt = 0.08 / width  # 4 % larger at one edge than in the centre
    return {
        "shift": turned(1, 0, 14, -9),
        "similarity": turned(1.12, 3, -20, 12),
        "affine": about_centre([[1.08, 0.03, 10], [-0.01, 0.96, 6], [0, 0, 1]]),
        "tilt": turned(0.92, -2, 8, 10) @ about_centre([[1, 0, 0], [0, 1, 0], [tilt, 0, 1]]),
        "double tilt": turned(1.05, 2, 6, -8)
        @ about_centre([[1, 0, 0], [0, 1, 0], [-tilt, 1.2 * tilt, 1]]),
    }


def warped(thermal: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return what a thermal camera sees whose pixels `matrix` maps to those of `thermal`."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpPerspective(thermal, matrix, thermal.shape[1::-1], flags=flags)


def errors(found: np.ndarray, true: np.ndarray, height: int, width: int) -> np.ndarray:
    """(5,) distances at the centre and the corners."""
    ends = np.array(
        [[width / 2, height / 2], [0, 0], [width, 0], [width, height], [0, height]], np.float64
    )
    places = [cv2.perspectiveTransform(ends[:, None], matrix)[:, 0] for matrix in (found, true)]
    return np.linalg.norm(places[0] - places[1], axis=1)


def seen_apart(seed: int, baseline: float, condition: str = "day") -> Images:
    """Return a synthetic pair with the thermal camera `baseline` metres right of the RGB camera."""
    scene = random_street_scene(seed, SIZE, condition)
    beside = replace(scene.viewpoint, lateral=scene.viewpoint.lateral + baseline)
    rgb = render(scene, 0.0, seed).rgb
    return rgb, render(replace(scene, viewpoint=beside), 0.0, seed).thermal


def measure_warps(name: str, pairs: Sequence[Images], exact: bool) -> Iterator[Measurement]:
    """Register the pairs warped by each of `warps`; not `exact` takes their own estimate out."""
    height, width = pairs[0][1].shape
    unwarped = register(pairs)
    off = errors(unwarped.matrix, np.eye(3), height, width) if exact else None
    yield Measurement(name, "none", unwarped, off)
    for warp, matrix in warps(height, width).items():
        found = register([(rgb, warped(thermal, matrix)) for rgb, thermal in pairs])
        true = matrix if exact else unwarped.matrix @ matrix
        yield Measurement(name, warp, found, errors(found.matrix, true, height, width))


def scenes(run: int, baseline: float) -> list[Images]:
    """Synthetic pairs, by day and by night."""
    return [
        seen_apart(1000 * run + seed, baseline, ("day", "night")[seed % 2])
        for seed in range(_SCENES)
    ]


def real_groups(folder: Path) -> list[list[Images]]:
    """The pairs of a data set, dealt out to groups."""
    pairs = open_data_set(folder).pairs
    images = [(read_rgb(pair.visible), read_thermal(pair.thermal)) for pair in pairs]
    return [images[start::_GROUPS] for start in range(_GROUPS)]


def measure(folder: Path | None, runs: int) -> Iterator[tuple[str, Measurement]]:
    """All measurements, each with the kind that it is summarised under."""
    for number, pairs in enumerate(real_groups(folder) if folder else [], start=1):
        for row in measure_warps(f"real {number}", pairs, exact=False):
            yield "real pairs", row
    for run in range(runs):
        for row in measure_warps(f"scenes {run + 1}", scenes(run, 0.0), exact=True):
            yield "synthetic scenes", row
        for baseline in _BASELINES:
            found = register(scenes(run, baseline))
            row = Measurement(f"scenes {run + 1}", f"baseline {baseline:g} m", found, None)
            yield "parallax", row


def table_row(row: Measurement) -> str:
    """A line of the table."""
    mean, largest = "", ""
    if row.errors is not None:
        mean, largest = f"{row.errors.mean():.1f} px", f"{row.errors.max():.1f} px"
    spread = row.found.uncertainty
    return (
        f"| {row.source} | {row.warp} | {row.found.model} | {mean} | {largest} "
        f"| {spread[0]:.1f} to {spread.max():.1f} px "
        f"| {row.found.warning.partition(':')[0]} |"
    )


def summary(kind: str, rows: Sequence[Measurement]) -> list[str]:
    """Errors of the warped pairs, and warnings."""
    warned = sum(bool(row.found.warning) for row in rows)
    lines = [f"{kind}: {warned} of {len(rows)} runs warned"]
    off = [row.errors for row in rows if row.errors is not None and row.warp != "none"]
    if off:
        worst = np.mean([one.max() for one in off])
        lines.append(
            f"{kind}: mean error {np.mean(off):.2f} px, at the worst place of a run "
            f"{worst:.2f} px on average and {np.max(off):.1f} px at most"
        )
    return lines


def main() -> None:
    """Measure, and print a table and summaries."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=Path, help="folder of a data set of registered pairs")
    parser.add_argument("--runs", type=int, default=2, help="of synthetic scenes (default: 2)")
    args = parser.parse_args()
    print("| pairs | warp | model | mean error | largest | uncertainty | warning |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    kinds: dict[str, list[Measurement]] = {}
    for kind, row in measure(args.pairs, args.runs):
        print(table_row(row), flush=True)
        kinds.setdefault(kind, []).append(row)
    for kind, rows in kinds.items():
        print("\n".join(summary(kind, rows)))


if __name__ == "__main__":
    main()
