"""Training on synthetic scenes: schedules, averages, overfitting, stopping, resuming."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from difusionseg_core import create_model
from difusionseg_core.checkpoints.published_names import published_name
from difusionseg_core.checkpoints.weights_file import ModelInfo, load_model, save_weights
from difusionseg_core.classes import MSRS
from difusionseg_core.cli.main import main
from difusionseg_core.data.boxes import write_boxes
from difusionseg_core.data.folder import BOXES, LABELS, THERMAL, VISIBLE
from difusionseg_core.data.image_files import write_png
from difusionseg_core.metrics.segmentation import confusion_matrix, mean_iou
from difusionseg_core.network.preprocessing import normalize
from difusionseg_core.scenes import RenderedFrame, draw
from difusionseg_core.training.data.object_targets import object_targets
from difusionseg_core.training.lite import LiteTraining
from difusionseg_core.training.losses.objective import draw_diffusion
from difusionseg_core.training.paper import decay_groups, linear_factor
from difusionseg_core.training.runs.averaging import PolynomialAveraging

SIZE = (48, 64)


@pytest.fixture(scope="module")
def streets(tmp_path_factory) -> Path:
    """Draw six scenes for training, and three others."""
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
        f"--config={config}",
        f"--data.train={streets / 'train'}",
        f"--data.validation={streets / 'val'}",
        "--data.augmentation.crop=[32,48]",
        "--data.batch_size=2",
        "--data.workers=0",
        f"--output={output}",
        "--export=false",
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


def test_only_norms_of_the_backbone_have_no_weight_decay() -> None:
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


@pytest.mark.parametrize("feedback", [0.0, 0.25, 1.0])
def test_feedback_is_the_share_of_images_with_class_input(feedback) -> None:
    torch.manual_seed(0)
    model, batch = create_model("lite"), torch.empty(2000, 4, 32, 32)
    time, noise = draw_diffusion(model, batch, feedback)
    seeing = time < 1
    assert seeing.float().mean() == pytest.approx(feedback, abs=0.03)
    assert (time[seeing] < 0.999).all() and noise.shape == model.noise_shape(batch)


def batch_of(frame: RenderedFrame) -> dict[str, torch.Tensor]:
    boxes = np.float32([box.edges for box in frame.boxes]).reshape(-1, 5)
    targets = object_targets(boxes, frame.labels)
    return {
        "image": torch.from_numpy(normalize(frame.rgb, frame.thermal))[None],
        "labels": torch.from_numpy(frame.labels)[None].long(),
        **{name: torch.from_numpy(value)[None] for name, value in vars(targets).items()},
    }


def test_lovasz_is_weighted_like_the_other_losses() -> None:
    training, batch = LiteTraining(lovasz=1.0), batch_of(draw(27, (64, 96)))
    losses = []
    for weight in (1.0, 0.5, 0.0):
        training.hparams.lovasz = weight
        torch.manual_seed(0)
        losses.append(training.eval().losses(batch))
    assert losses[1]["lovasz"] == 0.5 * losses[0]["lovasz"] > 0
    assert {name: losses[0][name] for name in losses[2]} == losses[2]
    assert "lovasz" not in losses[2]


@pytest.mark.slow
def test_one_batch_is_overfitted() -> None:
    """A street whose three classes are large enough for logits at stride 4."""
    torch.manual_seed(0)
    training, frame = LiteTraining(), draw(27, (64, 96))
    batch = batch_of(frame)
    steps, constant = 220, 160
    model = training.model.train()
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (steps - step) / (steps - constant))
    )
    for _ in range(steps):
        loss = sum(training.losses(batch).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    # With the batch's own statistics: at stride 64 it has two pixels, whose averages say nothing.
    with torch.inference_mode():
        predicted = model(batch["image"]).logits[0].argmax(0)
    confusion = confusion_matrix(frame.labels, predicted.numpy(), MSRS.num_classes)
    assert np.count_nonzero(confusion.sum(axis=1)) == 3
    assert mean_iou(confusion) > 0.9


@pytest.mark.slow
def test_training_lowers_its_loss_and_leaves_its_results(root, streets, tmp_path, capsys) -> None:
    more = ["--trainer.max_epochs=8", "--trainer.check_val_every_n_epoch=4"]
    more += ["--model.warmup=2", "--model.learning_rate=0.003"]
    # Complete images of both cameras, because random crops vary too much in difficulty.
    whole = "scale: [1, 1], crop: [48, 64], focus: 0, paste: 0, no_rgb: 0, no_thermal: 0"
    more += [f"--data.augmentation={{{whole}}}", *checkpoint_every_step()]
    assert main([*arguments(root, streets, tmp_path), *more]) == 0
    losses = list(logged(tmp_path).values())
    assert len(losses) == 24 and sum(losses[-6:]) < 0.85 * sum(losses[:6])
    assert list(logged(tmp_path, "lr-AdamW/pg1").values())[-1] == pytest.approx(0.003)
    assert "lite.safetensors" in capsys.readouterr().out

    measured = json.loads((tmp_path / "metrics.json").read_text())
    scores, kept = measured["scores"], torch.load(tmp_path / "checkpoints" / "last.ckpt")
    assert measured["chosen_by"] is None and measured["epoch"] == 8 and measured["step"] == 24
    for name in ("miou", "miou_common", "box_f1", "iou/unlabelled"):
        assert logged(tmp_path, name)[23] == pytest.approx(scores[name])
    weights = load_model(tmp_path / "lite.safetensors").state_dict()
    averaged = kept["state_dict"]
    assert all(torch.equal(averaged[f"model.{name}"], value) for name, value in weights.items())
    card = (tmp_path / "model_card.md").read_text()
    assert f"`{streets / 'val'}`: 3 pairs, 3 with a mask, 3 with boxes" in card
    assert f"| box_f1 | {scores['box_f1']:.4f} |" in card and "agreement" in card

    events = EventAccumulator(str(tmp_path))
    events.Reload()
    pictures = events.Images("validation")
    assert len(pictures) == 2 and pictures[0].width == 5 * 240 + 4 * 4


def test_training_stops_when_the_score_stops_rising(root, streets, tmp_path) -> None:
    more = ["--trainer.max_epochs=8", "--trainer.check_val_every_n_epoch=1"]
    stopping = {"monitor": "miou", "mode": "max", "min_delta": 1.0, "patience": 1}
    more += ["--trainer.callbacks+=EarlyStopping"]
    more += [f"--trainer.callbacks.{name}={value}" for name, value in stopping.items()]
    assert main([*arguments(root, streets, tmp_path), *more]) == 0
    assert sorted(logged(tmp_path)) == list(range(6))  # two epochs: the first score, one not better


def test_a_monitored_score_chooses_the_best_epoch(root, streets, tmp_path) -> None:
    unboxed = shutil.copytree(streets / "val", tmp_path / "val", ignore=lambda *_: [BOXES])
    tmp_path = tmp_path / "run"
    more = ["--trainer.max_epochs=2", "--trainer.check_val_every_n_epoch=1"]
    more += [f"--data.validation={unboxed}", "--trainer.callbacks+=ModelCheckpoint"]
    more += ["--trainer.callbacks.monitor=miou_common", "--trainer.callbacks.mode=max"]
    more += ["--trainer.callbacks.filename=best"]
    assert main([*arguments(root, streets, tmp_path), *more]) == 0
    measured = json.loads((tmp_path / "metrics.json").read_text())
    kept = torch.load(tmp_path / "checkpoints" / "best.ckpt")
    assert measured["chosen_by"] == "miou_common" and measured["epoch"] == kept["epoch"]
    assert "box_f1" not in measured["scores"]
    assert logged(tmp_path, "miou")[measured["step"] - 1] == pytest.approx(
        measured["scores"]["miou"]
    )


KILL = """
import os, signal
import lightning.pytorch as pl

class KillInSecondEpoch(pl.Callback):
    def on_train_batch_start(self, trainer, module, batch, batch_index):
        if trainer.current_epoch == 1 and batch_index == 2:
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.parametrize("restart", [0, 5], ids=["once", "restarted"])
def test_a_killed_training_resumes_to_the_same_losses(root, streets, tmp_path, restart) -> None:
    """It is killed after step 5, at which it restarts, if it does."""
    (tmp_path / "kill.py").write_text(KILL)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    more = ["--trainer.max_epochs=3", "--trainer.check_val_every_n_epoch=1"]
    if restart:
        more += ["--model.start=lite", f"--model.restart={restart}"]
    assert main([*arguments(root, streets, whole), *more]) == 0

    command = [*arguments(root, streets, killed), *more, *checkpoint_every_step()]
    path = os.pathsep.join([str(root), str(tmp_path), os.environ.get("PYTHONPATH", "")])
    stopped = subprocess.run(
        [sys.executable, "-m", "difusionseg_core.cli.main", *command]
        + ["--trainer.callbacks+=kill.KillInSecondEpoch"],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        timeout=120,
    )
    assert stopped.returncode == -signal.SIGKILL, stopped.stderr.decode()[-2000:]
    assert not (killed / "metrics.json").exists()
    assert main([*command, "--ckpt_path=last"]) == 0

    expected, resumed = logged(whole), logged(killed)
    assert sorted(expected) == list(range(9))
    assert {step: resumed[step] for step in range(5, 9)} == {
        step: pytest.approx(expected[step], rel=1e-5) for step in range(5, 9)
    }
    ours, theirs = (json.loads((run / "metrics.json").read_text()) for run in (killed, whole))
    assert ours["epoch"] == theirs["epoch"] and ours["scores"] == pytest.approx(theirs["scores"])
    averaged, same = (load_model(run / "lite.safetensors").state_dict() for run in (killed, whole))
    for name, value in averaged.items():
        torch.testing.assert_close(value, same[name], rtol=1e-4, atol=1e-5)


def test_a_complete_training_that_continues_gives_the_same_weights(root, streets, tmp_path) -> None:
    """As after a power cut between its last step and its results."""
    command = [*arguments(root, streets, tmp_path), "--trainer.max_epochs=1"]
    assert main(command) == 0
    weights = load_model(tmp_path / "lite.safetensors").state_dict()
    (tmp_path / "lite.safetensors").unlink()
    (tmp_path / "metrics.json").unlink()
    assert main([*command, "--ckpt_path=last"]) == 0
    again = load_model(tmp_path / "lite.safetensors").state_dict()
    assert all(torch.equal(again[name], value) for name, value in weights.items())


def test_half_of_the_averaged_weights_is_of_the_last_fifth_of_the_steps() -> None:
    callback = PolynomialAveraging()
    model = torch.nn.Linear(1, 1)
    average = torch.optim.swa_utils.AveragedModel(model, use_buffers=True, **callback._kwargs)
    for step in range(1000):
        model.weight.data.fill_(float(step >= 794))
        average.update_parameters(model)
    assert average.module.weight.item() == pytest.approx(0.5, abs=0.01)


def test_restarted_parts_and_their_start_count_alike_in_the_average() -> None:
    callback = PolynomialAveraging()
    training = LiteTraining(start="lite", restart=10)
    trainer = SimpleNamespace(lightning_module=training)
    callback.setup(trainer, training, "fit")
    average, live = callback._average_model, training.model.classifier.bias
    average.module.model.classifier.bias.data.fill_(0.0)
    for part in (1.0, 2.0, 6.0):
        live.data.fill_(part)
        for _ in range(10):
            average.update_parameters(training)
    torch.testing.assert_close(
        average.module.model.classifier.bias, torch.full_like(live, (0 + 1 + 2 + 6) / 4)
    )


def test_a_restart_brings_the_first_weights_back_and_forgets_momentum(monkeypatch) -> None:
    training = LiteTraining(start="lite", restart=2)
    first = training.model.classifier.bias.detach().clone()
    optimizer = torch.optim.AdamW(training.parameters())
    monkeypatch.setattr(LiteTraining, "trainer", SimpleNamespace(optimizers=[optimizer]))
    for step, restarts in ((0, False), (1, False), (2, True), (3, False), (4, True)):
        monkeypatch.setattr(LiteTraining, "global_step", step)
        training.model.classifier.bias.data.fill_(100.0)
        optimizer.state[training.model.classifier.bias] = {"exp_avg": first}
        training.on_train_batch_start({}, 0)
        assert torch.equal(training.model.classifier.bias, first) == restarts
        assert bool(optimizer.state) != restarts


@pytest.mark.slow
def test_the_paper_trains_from_given_weights(root, streets, tmp_path) -> None:
    torch.manual_seed(1)  # not the training's own seed
    model = create_model("paper")
    save_weights(model, tmp_path / "start.safetensors", ModelInfo("paper", 9))
    more = [
        "--trainer.max_steps=2",
        "--trainer.val_check_interval=2",
        f"--model.start={tmp_path / 'start.safetensors'}",
        "--data.augmentation.scale=[0.1,0.2]",
        "--trainer.enable_checkpointing=false",
        "--trainer.callbacks=null",
    ]
    output = tmp_path / "out"
    assert main([*arguments(root, streets, output, "paper_msrs"), *more]) == 0
    assert set(logged(output)) == {0, 1}
    names = ("cross_entropy", "auxiliary", "fusion", "synergy")
    parts = [logged(output, f"loss/{name}")[0] for name in names]
    assert sum(parts) == pytest.approx(logged(output)[0])
    trained = load_model(output / "paper.safetensors").state_dict()
    # The first step is a millionth of 6e-5 wide: training began from the given weights.
    for name, value in model.named_parameters():
        torch.testing.assert_close(trained[name], value.data, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_two_processes_train_and_score_together(root, streets, tmp_path) -> None:
    """Every validation frame counts once, though three do not divide by two."""
    more = ["--trainer.max_epochs=1", "--trainer.check_val_every_n_epoch=1", "--trainer.devices=2"]
    done = subprocess.run(
        [sys.executable, "-m", "difusionseg_core.cli.main", *arguments(root, streets, tmp_path)]
        + more,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    measured = json.loads((tmp_path / "metrics.json").read_text())
    assert measured["step"] == 1  # six pairs in batches of two for each of two
    assert measured["scores"]["images"] == 3 and 0 <= measured["scores"]["miou"] <= 1


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (["--data.batch_size=x"], "data.batch_size"),
        (["--config=nowhere.yaml"], "nowhere.yaml"),
        (["--data.validation=nowhere"], "no folder nowhere"),
        (["--data.batch_size=7"], "6 training pairs do not fill 1 batch"),
        (["--model=PaperTraining", "--model.from_scratch=true"], "PaperAugmentation"),
        (["--model=PaperTraining"], "--model.backbone"),
        (["--data.batch_size=auto"], "the device is cpu: pass a number"),
        (["--data.batch_sise=2"], "did you mean --data.batch_size?"),
        (["--model.learningrate=2"], "did you mean --model.learning_rate?"),
        (["--trainer.max_epoks=2"], "did you mean --trainer.max_epochs?"),
        (["--config=lite_mrs"], "lite_msrs, paper_fmb"),
        (["--model.freeze=backbon"], "the parts: backbone"),
        (["--model.start=nowhere.safetensors"], "no weights file nowhere.safetensors"),
        (["--ckpt_path=nowhere.ckpt"], "nowhere.ckpt"),
        (["--model.feedback=2"], "feedback must be 0 to 1"),
        (["--model.lovasz=-1"], "lovasz must not be negative"),
        (["--model.end_factor=2"], "end_factor must be 0 to 1"),
        (["--model.restart=-1"], "restart must not be negative"),
        (["--model.restart=5"], "restart needs weights to start from: --model.start"),
    ],
)
def test_refusals_are_one_line(root, streets, tmp_path, capsys, more, complaint) -> None:
    assert main([*arguments(root, streets, tmp_path), *more]) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("difusionseg")]
    assert len(said) == 1 and complaint in said[0]
    assert not (tmp_path / "metrics.json").exists()


def test_help_has_an_example(capsys) -> None:
    assert main(["train", "--help"]) == 0
    said = capsys.readouterr().out
    assert "examples:" in said and "--ckpt_path" in said
