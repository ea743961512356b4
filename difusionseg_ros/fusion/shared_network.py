"""One network for several pairs of cameras: frames that are ready together run as one batch."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from difusionseg_core.classes import LabelSet
from difusionseg_core.network.schedule import check_steps
from difusionseg_core.predictor import Prediction, Predictor
from difusionseg_ros.fusion.parameters import Settings

# A frame waits this long for those of the other pairs: synchronised cameras deliver within it. Not
# on a CPU, where a batch takes as long as its frames one by one.
GATHER_SECONDS = 0.005
# Only for pairs that had a frame within this time; the others may have lost a camera.
ALIVE_SECONDS = 1.0


class SharedNetwork:
    """Loads a network for the first pair that asks, and lends it to all.

    It is freed with the last predictor that came from `predictor_for`.
    """

    def __init__(self, load: Callable[[Settings], Predictor]) -> None:
        self._load = load
        self._batcher: Callable[[], Batcher | None] = lambda: None
        self._loaded = ("", "", "")

    def predictor_for(self, settings: Settings) -> SharedPredictor:
        """A predictor for one pair, with `steps` of its own.

        Raises ValueError where a pair asks for another network than the one that is loaded, and
        what `load` raises.
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
                f"{', '.join(wanted)} here and {', '.join(self._loaded)} for a pair before"
            )
        return SharedPredictor(batcher, settings.steps)


class SharedPredictor:
    """A pair's share in a network; to be used like a `Predictor`."""

    def __init__(self, batcher: Batcher, steps: int) -> None:
        self._batcher = batcher
        self.steps = steps

    @property
    def label_set(self) -> LabelSet:
        """Names and colours of the classes."""
        return self._batcher.predictor.label_set

    @property
    def device(self) -> str:
        """Device that runs the network, such as "cpu"."""
        return self._batcher.predictor.device

    @property
    def backend(self) -> str:
        """Name of the backend that runs the network."""
        return self._batcher.predictor.backend

    @property
    def precision(self) -> str:
        """Arithmetic of the network, such as "float32"."""
        return self._batcher.predictor.precision

    @property
    def own_steps(self) -> int:
        """The model's own number of diffusion steps."""
        return self._batcher.predictor.own_steps

    @property
    def steps(self) -> int:
        """Diffusion steps a frame, of this pair's frames."""
        return self._steps

    @steps.setter
    def steps(self, steps: int) -> None:
        self._steps = check_steps(steps)

    def to_cpu(self) -> None:
        """Run on the CPU from now on, for all pairs."""
        self._batcher.to_cpu()

    def __call__(self, rgb: np.ndarray | None, thermal: np.ndarray | None) -> Prediction:
        """As `Predictor` does; the time of inference includes the wait for the network."""
        begin = time.perf_counter()
        result = self._batcher.predict(Call(self, rgb, thermal, self._steps))
        elapsed = time.perf_counter() - begin
        others = result.timings["preprocess"] + result.timings["postprocess"]
        return replace(result, timings={**result.timings, "inference": elapsed - others})


@dataclass(eq=False)
class Call:
    """A frame that is to be predicted, and what came of it."""

    owner: SharedPredictor
    rgb: np.ndarray | None
    thermal: np.ndarray | None
    steps: int
    result: Prediction | None = None
    error: Exception | None = None

    @property
    def is_done(self) -> bool:
        """Whether there is a result or an error."""
        return self.result is not None or self.error is not None

    def fits(self, other: Call) -> bool:
        """Whether both can be in one batch."""
        return self.steps == other.steps and self._size() == other._size()

    def _size(self) -> tuple[int, ...]:
        picture = self.thermal if self.rgb is None else self.rgb
        return () if picture is None else picture.shape[:2]


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
        """The result of a call; raises what its frame raises, and nothing of the others."""
        with self._changed:
            self._last_calls[call.owner] = time.monotonic()
            self._waiting.append(call)
            self._changed.notify_all()
        while not call.is_done:
            with self._changed:
                self._changed.wait_for(lambda: call.is_done or not self._busy)
                if call.is_done:
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
        if call.error is not None:
            raise call.error
        return call.result

    def to_cpu(self) -> None:
        """Move to the CPU, between two batches; nothing where the network is there already."""
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
                batch[0].error = error
                return
            for call in batch:  # one by one: the fault of one frame is not to fail the others
                self._run([call])
            return
        for call, result in zip(batch, results, strict=True):
            call.result = result

    def _release(self) -> None:
        with self._changed:
            self._busy = False
            self._changed.notify_all()
