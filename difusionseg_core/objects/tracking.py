"""Object tracks: the same id for the same object from frame to frame.

Tracking by detection with a Kalman filter for each track (SORT, Bewley et al., ICIP 2016) and a
second matching round for detections with low scores (ByteTrack, Zhang et al., ECCV 2022). The shift
of the whole image between two frames, which a moving camera causes, is measured by phase
correlation and added to the predictions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from difusionseg_core.objects.detection import DetectedObject, box_iou

_SHIFT_SIZE = (160, 120)  # width and height of the image in which the camera's shift is measured
_LEAST_RESPONSE = 0.1  # of phase correlation; below it the shift is not trusted


@dataclass(frozen=True)
class TrackingOptions:
    """Thresholds of tracking.

    `sure` and `least` are the scores from which a detection starts a track, and continues one;
    `overlap` is the least IoU of a detection with a track's predicted box, `gap` the longest time
    without a detection that a track survives [s], `hits` the number of detections after which a
    track gets its id.
    """

    sure: float = 0.35
    least: float = 0.15
    overlap: float = 0.2
    gap: float = 1.0
    hits: int = 2


class Tracker:
    """Gives detections ids that survive short gaps and camera motion.

    Ids count from `first_id` and are never used twice. A frame whose stamp is not later than the
    one before it, or is later by more than `gap`, starts with no tracks (a recording that loops, a
    pause).
    """

    def __init__(self, options: TrackingOptions | None = None, first_id: int = 1) -> None:
        self._options = options or TrackingOptions()
        self._tracks: list[_Track] = []
        self._next_id = first_id
        self._time: float | None = None
        self._small: np.ndarray | None = None

    def update(
        self, time: float, detections: Sequence[DetectedObject], image: np.ndarray | None = None
    ) -> list[int | None]:
        """Return the track id of each detection at `time` [s], None for one without a track yet.

        `image` (H, W) or (H, W, 3) uint8 shows the frame; without it the camera is taken to stand
        still.
        """
        options = self._options
        shift = self._camera_shift(image)
        if self._time is None or not 0 < time - self._time <= options.gap:
            self._tracks = []
            shift = np.zeros(2)
        for track in self._tracks:
            track.predict(time - (self._time or time), shift)
        self._time = time

        ids: list[int | None] = [None] * len(detections)
        free = list(self._tracks)
        sure = [i for i, found in enumerate(detections) if found.score >= options.sure]
        unsure = [
            i for i, found in enumerate(detections) if options.least <= found.score < options.sure
        ]
        for candidates in (sure, unsure):
            for index, track in _matches(detections, candidates, free, options.overlap):
                track.correct(detections[index], time)
                free.remove(track)
                ids[index] = self._id_of(track)
        for index in sure:
            if ids[index] is None and not any(t.last is detections[index] for t in self._tracks):
                track = _Track(detections[index], time)
                self._tracks.append(track)
                ids[index] = self._id_of(track)
        self._tracks = [track for track in self._tracks if time - track.seen <= options.gap]
        return ids

    def _id_of(self, track: _Track) -> int | None:
        if track.id is None and track.hits >= self._options.hits:
            track.id = self._next_id
            self._next_id += 1
        return track.id

    def _camera_shift(self, image: np.ndarray | None) -> np.ndarray:
        """Return (x, y) in pixels by which the image moved since the last frame."""
        before, self._small = self._small, None
        if image is None:
            return np.zeros(2)
        grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        self._small = cv2.resize(grey, _SHIFT_SIZE, interpolation=cv2.INTER_AREA).astype(np.float32)
        if before is None:
            return np.zeros(2)
        window = cv2.createHanningWindow(_SHIFT_SIZE, cv2.CV_32F)
        shift, response = cv2.phaseCorrelate(before, self._small, window)
        if response < _LEAST_RESPONSE:
            return np.zeros(2)
        height, width = grey.shape
        return np.array(shift) * (width / _SHIFT_SIZE[0], height / _SHIFT_SIZE[1])


class _Track:
    """A box whose centre moves with constant velocity and whose size stays, each with noise.

    The four coordinates (centre x, y, width, height) have separate filters. Deviations are relative
    to the box's height, because large boxes move and vary by more pixels.
    """

    _MEASURED = 0.08  # deviation of a detected coordinate
    _ACCELERATION = 1.5  # of the centre [1/s^2]
    _GROWTH = 0.5  # of width and height [1/s]

    def __init__(self, found: DetectedObject, time: float) -> None:
        self.label = found.label
        self.id: int | None = None
        self.hits = 1
        self.seen = time
        self.last = found
        self._position = _coordinates(found)
        self._velocity = np.zeros(4)
        noise = (self._MEASURED * found.height) ** 2
        # Covariance of position and velocity, for each coordinate.
        self._p, self._pv = np.full(4, noise), np.zeros(4)
        self._v = np.array([found.height**2, found.height**2, 0.0, 0.0])

    @property
    def box(self) -> np.ndarray:
        """(x, y, width, height) as predicted."""
        x, y, width, height = self._position
        return np.array([x - width / 2, y - height / 2, width, height])

    def predict(self, seconds: float, shift: np.ndarray) -> None:
        """Predict the box after `seconds`, with the camera's shift (x, y) in pixels."""
        height = max(float(self._position[3]), 1.0)
        self._position = self._position + seconds * self._velocity
        self._position[:2] += shift
        self._position[2:] = self._position[2:].clip(min=1.0)
        self._p = self._p + 2 * seconds * self._pv + seconds**2 * self._v
        self._pv = self._pv + seconds * self._v
        acceleration = (self._ACCELERATION * height) ** 2 * np.array([1.0, 1.0, 0.0, 0.0])
        self._p += 0.25 * seconds**4 * acceleration
        self._p[2:] += (self._GROWTH * height * seconds) ** 2
        self._pv += 0.5 * seconds**3 * acceleration
        self._v = self._v + seconds**2 * acceleration

    def correct(self, found: DetectedObject, time: float) -> None:
        """Update the track with a detection at `time` [s]."""
        noise = (self._MEASURED * found.height) ** 2
        gain, gain_v = self._p / (self._p + noise), self._pv / (self._p + noise)
        error = _coordinates(found) - self._position
        self._position = self._position + gain * error
        self._velocity = self._velocity + gain_v * error
        self._v = self._v - gain_v * self._pv
        self._pv = (1 - gain) * self._pv
        self._p = (1 - gain) * self._p
        self.hits += 1
        self.seen = time
        self.last = found


def _coordinates(found: DetectedObject) -> np.ndarray:
    centre = (found.x + found.width / 2, found.y + found.height / 2)
    return np.array([*centre, found.width, found.height])


def _matches(
    detections: Sequence[DetectedObject],
    candidates: Sequence[int],
    tracks: Sequence[_Track],
    least: float,
) -> list[tuple[int, _Track]]:
    """Return pairs of a detection's index and a track of its class, the largest overlaps first."""
    overlaps = []
    for index in candidates:
        found = detections[index]
        same = [track for track in tracks if track.label == found.label]
        if same:
            box = np.array([found.x, found.y, found.width, found.height])
            ious = box_iou(box, np.array([track.box for track in same]))
            overlaps += [
                (iou, index, track) for iou, track in zip(ious, same, strict=True) if iou >= least
            ]
    matched: list[tuple[int, _Track]] = []
    for _, index, track in sorted(overlaps, key=lambda entry: -entry[0]):
        if all(index != other and track is not taken for other, taken in matched):
            matched.append((index, track))
    return matched
