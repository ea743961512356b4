"""Learning on drawn streets: schedules, averages, overfitting, killing and resuming, the results."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from difusionseg_core import create_model
from difusionseg_core.checkpoints import ModelInfo, load_model, save_weights
from difusionseg_core.classes import MSRS
from difusionseg_core.cli.main import main
from difusionseg_core.data.boxes import write_boxes
from difusionseg_core.data.dataset import PairDataset
from difusionseg_core.data.folder import BOXES, LABELS, THERMAL, VISIBLE
from difusionseg_core.data.images import write_png
from difusionseg_core.metrics.segmentation import confusion_matrix, mean_iou
from difusionseg_core.published import published_name
from difusionseg_core.scenes import draw
from difusionseg_core.training.lite import LiteTraining
from difusionseg_core.training.objective import draw_diffusion, lite_losses
from difusionseg_core.training.paper import decay_groups, linear_factor

SIZE = (48, 64)


@pytest.fixture(autouse=True)
def one_thread():
    """Fastest for images this small, and bound to give the same sums every time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def streets(tmp_path_factory) -> Path:
    """Six drawn scenes to train on, and three others."""
    root = tmp_path_factory.mktemp("streets")
    for split, seeds in (("train", range(6)), ("val", range(50, 53))):
        for part in (VISIBLE, THERMAL, LABELS, BOXES):
            (root / split / part).mkdir(parents=True)
        for seed in seeds:
            frame = draw(seed, SIZE)
            for part, image in (
                (VISIBLE, frame.rgb),
                (THERMAL, frame.thermal),
                (LABELS, frame.labels),
            ):
                write_png(root / split / part / f"{seed}.png", image)
            write_boxes(root / split / BOXES / f"{seed}.txt", frame.boxes, SIZE[1], SIZE[0])
    return root


def arguments(root: Path, streets: Path, output: Path, config: str = "lite_msrs") -> list[str]:
    """`difusionseg train` with a shipped configuration at the size of a test: 3 steps an epoch."""
    return [
        "train",
        f"--config={root / 'config' / 'train' / f'{config}.yaml'}",
        f"--data.train=[{streets / 'train'}]",
        f"--data.validation={streets / 'val'}",
        "--data.augmentation.crop=[32,48]",
        "--data.batch_size=2",
        "--data.workers=0",
        f"--trainer.default_root_dir={output}",
        f"--trainer.logger.save_dir={output}",
        "--trainer.accelerator=cpu",
        "--trainer.log_every_n_steps=1",
        "--trainer.enable_progress_bar=false",
        "--trainer.enable_model_summary=false",
    ]


def checkpoint_every_step() -> list[str]:
    return [
        "--trainer.callbacks+=ModelCheckpoint",
        "--trainer.callbacks.filename=last",
        "--trainer.callbacks.every_n_train_steps=1",
        "--trainer.callbacks.enable_version_counter=false",
    ]


def logged(output: Path, name: str = "loss") -> dict[int, float]:
    events = EventAccumulator(str(output))
    events.Reload()
    return {event.step: event.value for event in events.Scalars(name)}


def test_linear_schedule() -> None:
    """lr = regular * (1 - (1 - i / 1500) * (1 - 1e-6)), regular falling to 0 over 100,000 steps."""
    values = [linear_factor(step, 100_000, 1500) for step in (0, 750, 1500, 50_000, 100_000)]
    halfway = (1 - 0.0075) * (1 - 0.5 * (1 - 1e-6))
    assert values == pytest.approx([1e-6, halfway, 0.985, 0.5, 0.0])


def test_only_norms_of_the_backbone_are_spared_decay() -> None:
    model = create_model("paper")
    decayed, spared = decay_groups(model, 0.01)
    assert decayed["weight_decay"] == 0.01 and spared["weight_decay"] == 0.0
    names = {id(parameter): published_name(name) for name, parameter in model.named_parameters()}
    expected = {f"backbone.norm{i}.{kind}" for i in range(4) for kind in ("weight", "bias")}
    expected |= {
        f"backbone.stages.{stage}.{block}.norm.{kind}"
        for stage, depth in enumerate((3, 3, 9, 3))
        for block in range(depth)
        for kind in ("weight", "bias")
    }
    assert {names[id(parameter)] for parameter in spared["params"]} == expected
    assert len(expected) == 44 and len(decayed["params"]) == len(names) - 44


def test_one_batch_is_learnt_by_heart(streets) -> None:
    torch.manual_seed(0)
    training = LiteTraining(class_balance=0.5)
    model = training.model.train()
    data = PairDataset(streets / "train")
    image = torch.stack([data[index]["image"] for index in range(2)])
    labels = torch.stack([data[index]["labels"] for index in range(2)])
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for _ in range(120):
        draws = draw_diffusion(model, image)
        loss = sum(lite_losses(model, image, labels, training.class_weight, *draws).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        predicted = model.eval()(image).logits.argmax(1)
    score = mean_iou(confusion_matrix(labels.numpy(), predicted.numpy(), MSRS.num_classes))
    assert score > 0.9
