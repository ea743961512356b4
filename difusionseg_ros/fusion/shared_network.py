"""One network for several pairs of cameras: frames ready at the same time run as one batch."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

import numpy as np

from difusionseg_core.predictor import Prediction, Predictor
from difusionseg_ros.fusion.parameters import Settings

# A frame waits this long for frames of the other pairs, which is enough for synchronised cameras.
# Not on a CPU, where a batch takes as long as its frames one by one.
GATHER_SECONDS = 0.005
# Wait only for pairs that had a frame within this time; the others may have lost a camera.
ALIVE_SECONDS = 1.0


class SharedNetwork:
    """Loads a network for the first pair that requests it, and shares it with all pairs.

    It is freed with the last predictor of `predictor_for`.
    """

    def __init__(self, load: Callable[[Settings], Predictor]) -> None:
        self._load = load
        self._batcher: Callable[[], Batcher | None] = lambda: None
        self._loaded: tuple[str, ...] = ()

    def predictor_for(self, settings: Settings) -> SharedPredictor:
        """Return a predictor for one pair, with its own `steps`.

        Raises ValueError if a pair requests another network than the loaded one, and the errors
        of `load`.
        """
        wanted = (settings.model, settings.device, settings.backend, settings.precision)
        batcher = self._batcher()
        if batcher is None:
            batcher = Batcher(self._load(settings))
            self._batcher = weakref.ref(batcher)
            self._loaded = wanted
        elif wanted != self._loaded:
            raise ValueError(
                "the pairs of one process share one network, but model, device, backend "
                "and precision are "
                f"{', '.join(wanted)} here and {', '.join(self._loaded)} for an earlier pair"
            )
        return SharedPredictor(batcher, settings.steps)


class SharedPredictor(Predictor):
    """The predictor of one pair: it has its own `steps`; its calls join batches of other pairs."""

    def __init__(self, batcher: Batcher, steps: int) -> None:
        # A shallow copy: device, classes and the rest are those of the predictor behind it.
        vars(self).update(vars(batcher.predictor))
        self._batcher = batcher
        self.steps = steps

    def to_cpu(self) -> None:
        """Run on the CPU from now on, for all pairs."""
        self._batcher.to_cpu()

    def batch(
        self, pairs: Sequence[tuple[np.ndarray | None, np.ndarray | None]]
    ) -> list[Prediction]:
        """Run as `Predictor.batch` does; inference time includes the wait for the network."""
        return [self._predict(rgb, thermal) for rgb, thermal in pairs]

    def _predict(self, rgb: np.ndarray | None, thermal: np.ndarray | None) -> Prediction:
        begin = time.perf_counter()
        result = self._batcher.predict(Call(self, rgb, thermal, self.steps))
        elapsed = time.perf_counter() - begin
        others = result.timings["preprocess"] + result.timings["postprocess"]
        return replace(result, timings={**result.timings, "inference": elapsed - others})


@dataclass(eq=False)
class Call:
    """A frame to predict; `outcome` gets its prediction or exception."""

    owner: SharedPredictor
    rgb: np.ndarray | None
    thermal: np.ndarray | None
    steps: int
    outcome: Future[Prediction] = field(default_factory=Future)

    def fits(self, other: Call) -> bool:
        """Return whether both can be in one batch."""
        return self.steps == other.steps and self._size() == other._size()

    def _size(self) -> tuple[int, ...]:
        image = self.thermal if self.rgb is None else self.rgb
        return () if image is None else image.shape[:2]


class Batcher:
    """Runs the calls of several threads, one batch at a time, in one of the threads that wait."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self._changed = threading.Condition()
        self._waiting: list[Call] = []
        self._busy = False
        self._last_calls: weakref.WeakKeyDictionary[SharedPredictor, float] = (
            weakref.WeakKeyDictionary()
        )

    def predict(self, call: Call) -> Prediction:
        """Return the result of a call; raise the error of its frame, never that of others."""
        with self._changed:
            self._last_calls[call.owner] = time.monotonic()
            self._waiting.append(call)
            self._changed.notify_all()
        while not call.outcome.done():
            with self._changed:
                self._changed.wait_for(lambda: call.outcome.done() or not self._busy)
                if call.outcome.done():
                    break
                self._busy = True
                if self.predictor.device != "cpu":
                    self._changed.wait_for(self._all_are_here, GATHER_SECONDS)
                batch = [other for other in self._waiting if other.fits(self._waiting[0])]
                self._waiting = [other for other in self._waiting if other not in batch]
            try:
                self._run(batch)
            finally:
                self._release()
        return call.outcome.result()

    def to_cpu(self) -> None:
        """Move to the CPU, between two batches; do nothing if the network is there already."""
        with self._changed:
            self._changed.wait_for(lambda: not self._busy)
            self._busy = True
        try:
            if self.predictor.device != "cpu":
                self.predictor.to_cpu()
        finally:
            self._release()

    def _all_are_here(self) -> bool:
        now = time.monotonic()
        alive = {owner for owner, last in self._last_calls.items() if now - last < ALIVE_SECONDS}
        return alive <= {call.owner for call in self._waiting}

    def _run(self, batch: list[Call]) -> None:
        try:
            self.predictor.steps = batch[0].steps
            results = self.predictor.batch([(call.rgb, call.thermal) for call in batch])
        except Exception as error:
            if len(batch) == 1:
                batch[0].outcome.set_exception(error)
                return
            for call in batch:  # one by one, so that a bad frame does not fail the others
                self._run([call])
            return
        for call, result in zip(batch, results, strict=True):
            call.outcome.set_result(result)

    def _release(self) -> None:
        with self._changed:
            self._busy = False
            self._changed.notify_all()
