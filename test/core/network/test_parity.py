"""The paper's network, compared with values of the authors' release (parity/README.md)."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from difusionseg_core import create_model
from difusionseg_core.checkpoints.published_names import published_name, to_published
from difusionseg_core.checkpoints.weights_file import load_published_weights
from difusionseg_core.network.denoising import diffusion
from difusionseg_core.network.preprocessing import normalize
from difusionseg_core.training.losses.objective import paper_losses
from difusionseg_core.training.losses.terms import cross_entropy

FOLDER = Path(__file__).parent / "parity"
_spec = importlib.util.spec_from_file_location("parity_inputs", FOLDER / "inputs.py")
inputs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(inputs)


@pytest.fixture(scope="module")
def reference():
    return np.load(FOLDER / "parity_96x128.npz")


@pytest.fixture(scope="module")
def published(reference) -> dict[str, torch.Tensor]:
    shapes = (tuple(json.loads(str(text))) for text in reference["key_shapes"])
    return {
        str(key): torch.from_numpy(np.asarray(inputs.det_array(str(key), shape)))
        for key, shape in zip(reference["key_list"], shapes, strict=True)
    }


@pytest.fixture(scope="module")
def model(published):
    model = create_model("paper")
    load_published_weights(model, published)
    return model.eval()


def scene(tag: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the normalised image, labels, and the stretched images for the losses."""
    bgr, thermal, labels = inputs.det_scene(tag, 96, 128)
    rgb = np.ascontiguousarray(bgr[..., ::-1])
    image = torch.from_numpy(normalize(rgb, thermal))[None]
    return image, torch.from_numpy(labels).long()[None], stretched(rgb), stretched(thermal)


def stretched(picture: np.ndarray) -> torch.Tensor:
    low, high = float(picture.min()), float(picture.max())
    scaled = (picture.astype(np.float32) - low) / (high - low + 1e-10)
    scaled = scaled[..., None] if scaled.ndim == 2 else scaled
    return torch.from_numpy(scaled).permute(2, 0, 1)[None]


def close(ours: torch.Tensor, theirs: np.ndarray, tolerance: float) -> None:
    np.testing.assert_allclose(ours.detach().numpy(), theirs, rtol=0, atol=tolerance)


def test_every_part_and_step(model, reference) -> None:
    image, *_ = scene("parity_96x128")
    noise = inputs.det_noise("parity_96x128:mask_t", (1, 256, 24, 32))
    with torch.inference_mode():
        for index, feature in enumerate(model.backbone(image)):
            close(feature[:, ::16], reference[f"backbone_{index}_ch::16"], 1e-4)
        encoded = model.encode(image)
        close(encoded.features[:, ::16], reference["neck_ch::16"], 1e-4)
        close(encoded.guide[:, ::16], reference["feature_fusion_ch::16"], 1e-4)
        close(encoded.fused.flip(1), reference["fusion_out"], 1e-5)
        for step, features in enumerate(model.denoise(encoded, noise)):
            close(model.classifier(features), reference[f"step{step}_logits"], 1e-4)
        output = model(image, noise)
    close(output.logits[..., ::2, ::2], reference["final_logits_hw::2"], 1e-4)
    close(output.fused.flip(1), reference["fusion_out"], 1e-5)


@pytest.fixture(scope="module")
def training(model, reference) -> dict[str, torch.Tensor]:
    batches = [scene("parity_train_a"), scene("parity_train_b")]
    image, labels, visible, thermal = (torch.cat(part) for part in zip(*batches, strict=True))
    time = torch.from_numpy(reference["train_times"])
    noise = inputs.det_noise("train:noise", (2, 256, 24, 32))
    return paper_losses(model, image, labels, visible, thermal, time, noise)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("cross_entropy", "loss_ce"),
        ("auxiliary", "aux.loss_ce"),
        ("fusion", "fusion_loss"),
        ("synergy", "synergy_loss"),
    ],
)
def test_losses(training, reference, ours: str, theirs: str) -> None:
    assert training[ours].item() == pytest.approx(
        float(reference[f"train_eval_loss_{theirs}"]), abs=1e-5
    )


def test_gradient_norms(model, training, reference) -> None:
    model.zero_grad()
    sum(training.values()).backward(retain_graph=True)
    ours = {published_name(name): p.grad.norm() for name, p in model.named_parameters()}
    theirs = dict(zip(reference["grad_norm_names"], reference["grad_norms_eval"], strict=True))
    assert ours.keys() == theirs.keys()
    for name, norm in theirs.items():
        assert float(ours[name]) == pytest.approx(float(norm), rel=1e-3), name


def test_noise_levels(reference) -> None:
    times = torch.tensor([1.0, 2 / 3, 1 / 3])
    theirs = np.concatenate([reference[f"step{step}_log_snr"] for step in range(3)])
    close(diffusion.log_snr(times), theirs, 1e-6)


def test_converting_weights_back_gives_the_original(model, published) -> None:
    returned = to_published(model.state_dict())
    assert returned.keys() == published.keys()
    assert all(torch.equal(returned[name], value) for name, value in published.items())


def test_wrong_weights_are_all_named(published) -> None:
    broken = dict(published)
    del broken["transform.conv.bias"]
    broken["mystery"] = torch.zeros(1)
    broken["fusion_down.0.bias"] = torch.zeros(7)
    with pytest.raises(ValueError) as error:
        load_published_weights(create_model("paper"), broken)
    for part in ("missing join.bias", "unexpected mystery", "fusion_down.0.bias is (7,)"):
        assert part in str(error.value)


def test_lite_has_no_published_weights(published) -> None:
    with pytest.raises(ValueError, match="which is 'paper'"):
        load_published_weights(create_model("lite"), published)


def test_ignored_pixels_count_in_the_divisor() -> None:
    logits, labels = torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 255]]])
    assert float(cross_entropy(logits, labels)) == pytest.approx(np.log(2) / 2)
