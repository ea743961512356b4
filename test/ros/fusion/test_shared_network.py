"""One network for several threads: waiting frames run as a batch, with separate results."""

import gc
import threading
import weakref

import numpy as np
import pytest

from difusionseg_core import Predictor, create_model
from difusionseg_ros.fusion.parameters import Settings
from difusionseg_ros.fusion.shared_network import SharedNetwork

HEIGHT, WIDTH = 48, 64


class CountingPredictor(Predictor):
    """A predictor that records the sizes of its batches, and can be held at a gate."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.batches = []
        self.begun = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def batch(self, pairs):
        self.batches.append(len(pairs))
        self.begun.set()
        assert self.gate.wait(timeout=20)
        return super().batch(pairs)


@pytest.fixture(scope="module")
def model():
    return create_model("lite").eval()


@pytest.fixture
def predictor(model):
    return CountingPredictor(model, device="cpu", backend="torch", steps=1)


@pytest.fixture
def network(predictor):
    return SharedNetwork(lambda settings: predictor)


def pictures(number, height=HEIGHT, width=WIDTH):
    rgb = np.random.default_rng(number).integers(0, 255, (height, width, 3), np.uint8)
    return rgb, rgb[..., 0].copy()


class InThread:
    """A call in its own thread; `result` or `error` is set after `join`."""

    def __init__(self, function, *arguments):
        self.result = self.error = None
        self._thread = threading.Thread(target=self._run, args=(function, arguments), daemon=True)
        self._thread.start()

    def join(self):
        self._thread.join(timeout=20)
        assert not self._thread.is_alive()
        return self

    def _run(self, function, arguments):
        try:
            self.result = function(*arguments)
        except Exception as error:
            self.error = error


def together(predictor, first, *calls):
    """Start `first`, and while it is at work all `calls`, each (shared predictor, rgb, thermal)."""
    predictor.gate.clear()
    threads = [InThread(*first)]
    assert predictor.begun.wait(timeout=20)
    threads += [InThread(*call) for call in calls]
    batcher = first[0]._batcher
    while len(batcher._waiting) < len(calls):
        threading.Event().wait(0.001)
    predictor.gate.set()
    return [thread.join() for thread in threads]


def test_waiting_frames_run_as_one_batch(network, predictor):
    lone = Predictor(predictor.model, device="cpu", backend="torch", steps=1)
    front, rear, left = (network.predictor_for(Settings(steps=1)) for _ in range(3))
    calls = [(pair, *pictures(number)) for number, pair in enumerate((front, rear, left))]
    threads = together(predictor, calls[0], *calls[1:])
    assert predictor.batches == [1, 2]
    for (_, rgb, thermal), thread in zip(calls, threads, strict=True):
        expected = lone(rgb, thermal)
        np.testing.assert_allclose(thread.result.confidence, expected.confidence, atol=1e-4)
        assert np.abs(thread.result.fused.astype(int) - expected.fused).max() <= 1
        assert thread.result.timings["inference"] > 0


def test_other_sizes_and_steps_run_one_by_one(network, predictor):
    one, small, slow = (network.predictor_for(Settings(steps=steps)) for steps in (1, 1, 2))
    threads = together(
        predictor,
        (one, *pictures(0)),
        (small, *pictures(1, 24, 32)),
        (slow, *pictures(2)),
    )
    assert predictor.batches == [1, 1, 1]
    assert threads[1].result.labels.shape == (24, 32)
    assert threads[2].result.labels.shape == (HEIGHT, WIDTH)


def test_a_fault_affects_only_its_pair(network, predictor):
    front, rear, left = (network.predictor_for(Settings(steps=1)) for _ in range(3))
    rgb, thermal = pictures(1)
    threads = together(
        predictor,
        (front, *pictures(0)),
        (rear, rgb, thermal),
        (left, rgb.astype(np.float32), thermal),
    )
    assert predictor.batches[:2] == [1, 2]
    assert threads[1].error is None
    assert threads[1].result.labels.shape == (HEIGHT, WIDTH)
    assert isinstance(threads[2].error, ValueError)
    assert front(*pictures(0)).labels.shape == (HEIGHT, WIDTH)


def test_each_pair_has_its_own_steps(network):
    front, rear = (network.predictor_for(Settings(steps=steps)) for steps in (1, 4))
    assert (front.steps, rear.steps) == (1, 4)
    with pytest.raises(ValueError, match="steps"):
        rear.steps = 0


def test_a_pair_with_another_network_is_refused(network):
    front = network.predictor_for(Settings())
    with pytest.raises(ValueError, match="share one network"):
        network.predictor_for(Settings(device="cuda"))
    assert front.device == "cpu"


def test_the_network_is_loaded_once_and_freed_with_the_last_pair(model):
    loaded = []

    def load(settings):
        predictor = Predictor(model, device="cpu", backend="torch")
        loaded.append(weakref.ref(predictor))
        return predictor

    network = SharedNetwork(load)
    front, rear = network.predictor_for(Settings()), network.predictor_for(Settings())
    assert len(loaded) == 1
    del front
    gc.collect()
    assert loaded[0]() is not None
    del rear
    gc.collect()
    assert loaded[0]() is None
    network.predictor_for(Settings())
    assert len(loaded) == 2
