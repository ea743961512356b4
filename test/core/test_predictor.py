"""The predictor: pre- and postprocessing of images, options and refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from difusionseg_core import Predictor, create_model
from difusionseg_core.backends import OutOfMemory
from difusionseg_core.backends.precision import cpu_computes_bf16
from difusionseg_core.network.preprocessing import IMAGE_MEAN, IMAGE_STD, normalize
from difusionseg_core.predictor import find_weights


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return create_model("lite")


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return (
        rng.integers(0, 256, (61, 83, 3), dtype=np.uint8),
        rng.integers(0, 256, (61, 83), dtype=np.uint8),
    )


def test_results_have_the_size_of_the_images(model, pair) -> None:
    predictor = Predictor(model, device="cpu")
    result = predictor(*pair)
    assert (result.fused.shape, result.fused.dtype) == ((61, 83, 3), np.uint8)
    assert (result.labels.shape, result.labels.dtype) == ((61, 83), np.uint8)
    assert (result.confidence.shape, result.confidence.dtype) == ((61, 83), np.float32)
    assert result.labels.max() < predictor.label_set.num_classes
    assert result.confidence.min() >= 1 / 9 and result.confidence.max() <= 1
    assert set(result.timings) == {"preprocess", "inference", "postprocess"}


def test_only_the_classes_of_msrs_have_objects(model, pair) -> None:
    assert Predictor(model, device="cpu")(*pair).objects is None  # no head: from the mask
    assert Predictor(create_model("lite", num_classes=12), device="cpu")(*pair).objects == []


def test_results_are_reproducible(model, pair) -> None:
    first = Predictor(model, device="cpu", seed=3)(*pair)
    second = Predictor(model, device="cpu", seed=3)(*pair)
    assert np.array_equal(first.confidence, second.confidence)
    other = Predictor(model, device="cpu", seed=4)(*pair)
    assert not np.array_equal(first.confidence, other.confidence)


def test_several_draws_average_their_probabilities(model, pair) -> None:
    predictor = Predictor(model, device="cpu", draws=3)
    result = predictor(*pair)
    image = torch.from_numpy(normalize(*pair))[None]
    noise = torch.from_numpy(predictor.first_noise(1, 64, 84))
    with torch.inference_mode():
        draws = [probabilities_in_blocks(model, image, noise[i : i + 1]) for i in range(3)]
    best = torch.stack(draws).mean(0).max(0)
    np.testing.assert_allclose(result.confidence, best.values[:61, :83].numpy(), atol=1e-5)
    assert (result.labels == best.indices[:61, :83].numpy()).mean() > 0.999


def probabilities_in_blocks(model, image, noise):
    """Return the model's logits (K, H, W), averaged in the predictor's blocks."""
    blocks = torch.nn.functional.avg_pool2d(model.eval()(image, noise).logits, 2).softmax(1)[0]
    return blocks.repeat_interleave(2, 1).repeat_interleave(2, 2)


def test_the_schedule_is_chosen_by_name(model, pair) -> None:
    results = [
        Predictor(model, device="cpu", steps=3, schedule=name)(*pair)
        for name in ("published", "chained")
    ]
    assert not np.array_equal(results[0].confidence, results[1].confidence)
    own = Predictor(model, device="cpu", steps=3)(*pair)
    assert np.array_equal(own.confidence, results[1].confidence)


@pytest.mark.skipif(not cpu_computes_bf16(), reason="this CPU has no bf16 arithmetic")
def test_half_precision_stays_close(model, pair) -> None:
    exact, half = (
        Predictor(model, device="cpu", precision=name)(*pair) for name in ("float32", "bf16")
    )
    assert not np.array_equal(half.confidence, exact.confidence)
    assert np.abs(half.confidence - exact.confidence).max() < 0.05
    assert np.abs(half.fused.astype(int) - exact.fused).max() <= 2


def test_a_missing_camera_is_a_black_image(model, pair) -> None:
    rgb, thermal = pair
    predictor = Predictor(model, device="cpu")
    black = predictor(rgb, np.zeros_like(thermal))
    assert np.array_equal(predictor(rgb, None).confidence, black.confidence)
    black = predictor(np.zeros_like(rgb), thermal)
    assert np.array_equal(predictor(None, thermal).confidence, black.confidence)
    with pytest.raises(ValueError, match="both images"):
        predictor(None, None)


@pytest.mark.parametrize(
    ("rgb", "thermal", "complaint"),
    [
        ((8, 8, 3), (8, 9), "one size"),
        ((8, 8), (8, 8), r"\(H, W, 3\)"),
        ((0, 8, 3), (0, 8), "empty"),
    ],
)
def test_bad_images_are_refused(model, rgb, thermal, complaint) -> None:
    with pytest.raises(ValueError, match=complaint):
        Predictor(model, device="cpu")(np.zeros(rgb, np.uint8), np.zeros(thermal, np.uint8))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"steps": 0}, "1 to 20"),
        ({"steps": 21}, "1 to 20"),
        ({"draws": 0}, "draws"),
        ({"device": "abacus"}, "device 'abacus'"),
        ({"device": "cuda:99"}, "not on this machine"),
        ({"backend": "magic"}, "backend 'magic'"),
        ({"precision": "int3"}, "precision 'int3'"),
        ({"schedule": "guessed"}, "schedule 'guessed'"),
    ],
)
def test_bad_options_are_refused(model, options, complaint) -> None:
    with pytest.raises(ValueError, match=complaint):
        Predictor(model, **options)


def test_paper_needs_a_checkpoint() -> None:
    with pytest.raises(ValueError, match="difusionseg convert"):
        Predictor.from_pretrained("paper")
    with pytest.raises(FileNotFoundError, match="no model file weights.pth"):
        Predictor.from_pretrained("weights.pth")
    with pytest.raises(ValueError, match="unknown"):
        Predictor.from_pretrained("weights.txt")


def test_shipped_weights_run(pair) -> None:
    assert find_weights("lite").stat().st_size < 15e6
    result = Predictor.from_pretrained("lite", device="cpu")(*pair)
    assert result.labels.shape == (61, 83)


def test_normalization_and_padding(pair) -> None:
    rgb, thermal = pair
    image = normalize(rgb, thermal)
    assert image.shape == (4, 64, 84)
    expected = (np.dstack([rgb, thermal]).astype(np.float32) - IMAGE_MEAN) / IMAGE_STD
    np.testing.assert_allclose(image[:, :61, :83], expected.transpose(2, 0, 1), atol=1e-5)
    assert np.array_equal(image[:, 63], image[:, 60])
    assert np.array_equal(image[:, :, 83], image[:, :, 82])


def test_after_out_of_memory_the_cpu_can_be_used(model, pair, monkeypatch) -> None:
    """Needs no GPU: the test raises PyTorch's error in the network."""
    predictor = Predictor(model, device="cpu")
    expected = predictor(*pair)

    def exhausted(*_):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(predictor._runner, "_graph", exhausted)
        with pytest.raises(OutOfMemory, match="CUDA out of memory"):
            predictor(*pair)
    predictor._runner.device = "cuda"
    predictor.to_cpu()
    assert predictor.device == "cpu"
    assert np.array_equal(predictor(*pair).labels, expected.labels)
