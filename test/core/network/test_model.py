"""Both networks: shapes, refusals, sampler, saving and loading."""

from __future__ import annotations

import pytest
import torch

from difusionseg_core import create_model
from difusionseg_core.checkpoints.weights_file import ModelInfo, load_model, save_weights
from difusionseg_core.network.denoising.schedule import time_steps


@pytest.fixture(scope="module", params=["paper", "lite"])
def model(request):
    torch.manual_seed(0)
    return create_model(request.param).eval()


@pytest.mark.parametrize("size", [(64, 96), (100, 132), (36, 68)])
@torch.inference_mode()
def test_any_multiple_of_four(model, size) -> None:
    output = model(torch.randn(2, 4, *size), timesteps=2)
    assert output.fused.shape == (2, 3, *size)
    assert output.logits.shape == (2, 9, *size)
    assert output.fused.min() >= 0 and output.fused.max() <= 1
    assert torch.isfinite(output.logits).all()


@torch.inference_mode()
def test_same_noise_same_result(model) -> None:
    image, noise = (
        torch.randn(1, 4, 64, 64),
        torch.randn(1, model.dim, 64 // model.stride, 64 // model.stride),
    )
    first, second = model(image, noise), model(image, noise)
    assert torch.equal(first.logits, second.logits)
    assert not torch.equal(first.logits, model(image, noise + 1).logits)


@torch.inference_mode()
def test_a_batch_gives_the_results_of_single_images(model) -> None:
    image = torch.randn(2, 4, 64, 64)
    noise = torch.randn(2, model.dim, 64 // model.stride, 64 // model.stride)
    both = model(image, noise).logits
    for index in range(2):
        alone = model(image[index : index + 1], noise[index : index + 1]).logits[0]
        torch.testing.assert_close(both[index], alone, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("image", "complaint"),
    [
        (torch.zeros(1, 4, 62, 64), "multiples of 4"),
        (torch.zeros(1, 3, 64, 64), r"\(batch, 4, height, width\)"),
        (torch.zeros(4, 64, 64), r"\(batch, 4, height, width\)"),
        (torch.zeros(1, 4, 64, 64, dtype=torch.float64), "float32"),
        (torch.full((1, 4, 64, 64), float("nan")), "not finite"),
    ],
)
def test_bad_images_are_refused(model, image, complaint) -> None:
    with pytest.raises(ValueError, match=complaint):
        model(image)


def test_bad_noise_and_steps_are_refused(model) -> None:
    image = torch.zeros(1, 4, 64, 64)
    with pytest.raises(ValueError, match="noise must be"):
        model(image, torch.zeros(1, 1, 1, 1))
    with pytest.raises(ValueError, match="1 to 20"):
        model(image, timesteps=21)


def test_saved_weights_are_loaded_unchanged(model, tmp_path) -> None:
    name = "paper" if model.refinement is None else "lite"
    file = tmp_path / "weights.safetensors"
    save_weights(model, file, ModelInfo(name, 9))
    loaded = load_model(file)
    assert all(
        torch.equal(value, loaded.state_dict()[key]) for key, value in model.state_dict().items()
    )
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_other_files_are_refused_as_weights(tmp_path) -> None:
    file = tmp_path / "weights.safetensors"
    with pytest.raises(FileNotFoundError, match="no weights file"):
        load_model(file)
    file.write_bytes(b"not this")
    with pytest.raises(ValueError, match="neither a PyTorch nor a safetensors file"):
        load_model(file)


@pytest.mark.parametrize("scaled_head", [False, True])
def test_other_class_counts_and_heads(scaled_head) -> None:
    model = create_model("paper", num_classes=15, scaled_head=scaled_head).eval()
    assert model.classifier(torch.zeros(1, 256, 4, 4)).shape == (1, 15, 4, 4)
    names = [name for name in model.state_dict() if name.startswith("classifier.")]
    assert ("classifier.depthwise.weight" in names) == scaled_head


def test_unknown_model() -> None:
    with pytest.raises(ValueError, match="'paper' or 'lite'"):
        create_model("huge")


def test_schedules() -> None:
    published = [time for step in time_steps(3, "published") for time in step]
    assert published == pytest.approx([1, 1 / 3, 2 / 3, 0, 1 / 3, 0])
    chained = time_steps(4, "chained")
    assert [start for start, _ in chained[1:]] == pytest.approx([end for _, end in chained[:-1]])
    assert chained[-1][1] == 0
    with pytest.raises(ValueError, match="1 to 20"):
        time_steps(0, "chained")
    with pytest.raises(ValueError, match="use one of"):
        time_steps(3, "guessed")
