"""Trainings that are stopped, continued, lengthened and used."""

from __future__ import annotations

import json
import re
import resource
import shlex
import signal
import sys
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from difusionseg_core.checkpoints.published_names import to_published
from difusionseg_core.checkpoints.weights_file import (
    ModelInfo,
    load_model,
    load_model_and_info,
    save_weights,
)
from difusionseg_core.classes import MSRS, LabelSet, label_set_of
from difusionseg_core.cli.main import main
from difusionseg_core.data.folder import LABELS, THERMAL, VISIBLE
from difusionseg_core.data.image_files import write_png
from difusionseg_core.network.model import create_model
from difusionseg_core.predictor import find_weights
from difusionseg_core.scenes import draw

SIZE = (48, 64)
STOP = """
import os, signal
import lightning.pytorch as pl

class StopAt(pl.Callback):
    def __init__(self, step: int, number: int):
        self.step, self.number = step, number

    def on_train_batch_start(self, trainer, module, batch, batch_index):
        if trainer.global_step == self.step and batch_index % trainer.accumulate_grad_batches == 0:
            os.kill(os.getpid(), self.number)

class StopInValidation(pl.Callback):
    def on_validation_batch_start(self, trainer, *_):
        if trainer.current_epoch == 0:
            os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.fixture(scope="module")
def streets(tmp_path_factory) -> Path:
    """Four pairs to train on, one to validate with, one without a mask."""
    root = tmp_path_factory.mktemp("streets")
    for split, seeds in (("train", range(4)), ("val", (10,)), ("unlabelled", (20, 21))):
        for seed in seeds:
            frame = draw(seed, SIZE)
            images = {VISIBLE: frame.rgb, THERMAL: frame.thermal, LABELS: frame.labels}
            if split == "unlabelled":
                del images[LABELS]
            for part, image in images.items():
                (root / split / part).mkdir(parents=True, exist_ok=True)
                write_png(root / split / part / f"{seed}.png", image)
    return root


@pytest.fixture
def train(streets, tmp_path, monkeypatch):
    """Runs `difusionseg train` with two steps an epoch, in an empty working folder."""
    monkeypatch.chdir(tmp_path)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(*options: str) -> int:
        return main(
            [
                "train",
                "--config=lite_msrs",
                f"--data.train={streets / 'train'}",
                f"--data.validation={streets / 'val'}",
                "--data.augmentation.crop=[32,48]",
                "--data.batch_size=2",
                "--data.workers=0",
                "--export=false",
                "--trainer.accelerator=cpu",
                "--trainer.max_epochs=2",
                "--trainer.check_val_every_n_epoch=1",
                "--trainer.log_every_n_steps=1",
                "--trainer.enable_progress_bar=false",
                "--trainer.enable_model_summary=false",
                *options,
            ]
        )

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def stop_at(tmp_path, monkeypatch) -> None:
    """Callbacks that stop a training, in a module of that name."""
    (tmp_path / "stop_at.py").write_text(STOP)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "stop_at", raising=False)


def losses(folder: Path, name: str = "loss") -> dict[int, float]:
    events = EventAccumulator(str(folder))
    events.Reload()
    return {event.step: event.value for event in events.Scalars(name)}


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_training_stopped_by_a_signal_continues_to_the_same_losses(
    train, stop_at, capsys
) -> None:
    assert train("--output=whole") == 0
    expected, whole = losses(Path("whole")), files(Path("whole"))
    assert sorted(expected) == [0, 1, 2, 3]
    for number, step in ((signal.SIGINT, 0), (signal.SIGTERM, 1)):
        stop = "--trainer.callbacks+=stop_at.StopAt"
        at = [f"--trainer.callbacks.step={step}", f"--trainer.callbacks.number={int(number)}"]
        capsys.readouterr()
        assert train(stop, *at) == 128 + number
        said = capsys.readouterr().err
        assert f"stopped by {number.name} after step {step + 1}: saved" in said
        run = Path("runs/lite/latest").resolve()
        assert not (run / "metrics.json").exists()
        # The printed command, without the callback that would stop it again.
        command = shlex.split(re.search("to continue: (.*)", said)[1])
        assert command[:2] == ["difusionseg", "train"]
        config = Path(command[command.index("--config") + 1])
        callbacks = r"(?m)^  - class_path: stop_at\.StopAt\n(    .*\n)*"
        config.write_text(re.sub(callbacks, "", config.read_text()))
        assert main(command[1:]) == 0
        assert losses(run) == expected and same_weights(run, Path("whole"))
    assert files(Path("whole")) == whole


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("options", "stops"),
    [
        (["--data.workers=2"], ["stop_at.StopAt 0", "stop_at.StopAt 2"]),
        (
            ["--trainer.accumulate_grad_batches=2", "--data.fusion=STREETS/unlabelled"],
            ["stop_at.StopAt 0", "stop_at.StopAt 2"],
        ),
        ([], ["stop_at.StopInValidation"]),
    ],
    ids=["workers, twice", "accumulated, twice", "in validation"],
)
def test_stops_of_all_kinds_change_no_loss(train, streets, stop_at, options, stops) -> None:
    options = [option.replace("STREETS", str(streets)) for option in options]
    assert train("--output=whole", *options) == 0
    expected = losses(Path("whole"))
    for number, stop in enumerate(stops):
        name, _, step = stop.partition(" ")
        at = stop_of(int(step)) if step else []
        resumed = ["--ckpt_path=last"] if number else []
        callback = [f"--trainer.callbacks+={name}", *at]
        assert train(*callback, *options, *resumed) == 128 + signal.SIGTERM
    run = Path("runs/lite/latest").resolve()
    assert 0 < len(losses(run)) < len(expected) and not (run / "metrics.json").exists()
    assert train("--ckpt_path=last", *options) == 0
    assert losses(run) == expected and same_weights(run, Path("whole"))
    assert len(list(run.parent.iterdir())) == 2  # with the link


def same_weights(run: Path, other: Path) -> bool:
    one, two = (load_model(path / "lite.safetensors").state_dict() for path in (run, other))
    return all(torch.equal(value, two[name]) for name, value in one.items())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_finished_training_is_a_model_and_can_be_lengthened(train, streets, capsys) -> None:
    assert train("--export=true", f"--data.test={streets / 'val'}") == 0
    run = Path("runs/lite/latest").resolve()
    said = capsys.readouterr().out
    for command in ("difusionseg predict --model", "difusionseg evaluate --model", "fusion_node"):
        assert command in said
    measured = json.loads((run / "metrics.json").read_text())
    assert measured["step"] == 4 and measured["test"]["scores"] == measured["scores"]
    assert "once, at the end" in (run / "model_card.md").read_text()

    assert find_weights(run) == run / "lite.safetensors" and (run / "lite.onnx").is_file()
    weights, info = load_model_and_info(find_weights(run / "checkpoints" / "last.ckpt"))
    kept = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert info == load_model_and_info(find_weights(run))[1]
    for name, value in weights.state_dict().items():
        assert torch.equal(value, kept["state_dict"][f"model.{name}"])

    former = {name: data for name, (_, data) in files(run).items() if name.startswith("lite.")}
    assert train("--trainer.max_epochs=3", "--ckpt_path=last") == 0
    assert Path("runs/lite/latest").resolve() == run and len(list(run.parent.iterdir())) == 2
    assert json.loads((run / "metrics.json").read_text())["step"] == 6
    assert sorted(losses(run)) == list(range(6))
    assert {name: (run / "after_step_4" / name).read_bytes() for name in former} == former
    assert (run / "config_2.yaml").is_file()

    before = files(run)
    assert train() == 0  # a second training
    assert train(f"--output={run}") == 1  # refused
    assert files(run) == before
    assert Path("runs/lite/latest").resolve() != run


def test_processes_of_a_launcher_need_a_common_folder(train, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")  # as torchrun does
    monkeypatch.delenv("DIFUSIONSEG_RUN", raising=False)
    assert train() == 1
    assert "name the run with --output" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_refused_trainings_leave_nothing(train, streets, tmp_path, capsys) -> None:
    for options, complaint in (
        ([f"--data.validation={streets / 'unlabelled'}"], "neither masks nor boxes"),
        (["--ckpt_path=last"], "no checkpoint to continue from in runs/lite"),
        (["--data.batch_size=9"], "do not fill"),
        (["--model.start=nowhere.pth"], "nowhere.pth"),
    ):
        assert train(*options) == 1
        assert complaint in capsys.readouterr().err
        left = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert not left


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_order_of_commands_loses_a_training(train, stop_at, tmp_path) -> None:
    runs = Path("runs/lite")
    kept: dict[Path, dict[str, tuple[int, bytes]]] = {}

    def run(*options: str, status: int = 0) -> Path:
        """Train one epoch; every other training stays as it was."""
        assert train("--trainer.max_epochs=1", *options) == status
        latest = (runs / "latest").resolve()
        for folder, content in kept.items():
            assert folder == latest or files(folder) == content, folder
        kept[latest] = files(latest)
        return latest

    first, second = run(), run()
    stopped = run("--trainer.callbacks+=stop_at.StopAt", *stop_of(0), status=143)
    assert len({first, second, stopped}) == 3
    assert run("--ckpt_path=last") == stopped and (stopped / "metrics.json").is_file()

    for old in (first, second):  # lengthened, by folder and by file
        former = kept[old]
        name = old if old == first else old / "checkpoints" / "last.ckpt"
        assert run(f"--ckpt_path={name}", "--trainer.max_epochs=2") == old
        assert kept[old]["after_step_2/lite.safetensors"] == former["lite.safetensors"]
        assert kept[old]["config.yaml"] == former["config.yaml"]
    assert train(f"--output={first}") == 1
    assert train(f"--output={first}", "--overwrite=true", "--model.start=nowhere.pth") == 1
    assert {folder: files(folder) for folder in kept} == kept

    (second / "checkpoints" / "last.ckpt").rename(second / "checkpoints" / "earlier.ckpt")
    kept[second] = files(second)
    branch = run(f"--ckpt_path={second / 'checkpoints' / 'earlier.ckpt'}", "--trainer.max_epochs=3")
    assert branch not in (first, second, stopped)
    assert run(f"--output={first}", "--overwrite=true") == first  # as asked
    assert "after_step_2/lite.safetensors" not in kept[first]
    assert {path.name for path in runs.iterdir()} == {"latest", *(each.name for each in kept)}


def test_a_full_disk_keeps_the_former_checkpoint(train, tmp_path, capsys) -> None:
    assert train("--trainer.max_epochs=1") == 0
    run = Path("runs/lite/latest").resolve()
    before = files(run / "checkpoints")
    weights = (run / "lite.safetensors").read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, limit[1]))  # less than a checkpoint
    try:
        assert train("--ckpt_path=last") == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    said = capsys.readouterr().err.splitlines()[-1]
    assert "last.ckpt cannot be written" in said and "the former one is kept" in said
    assert files(run / "checkpoints") == before
    assert (run / "lite.safetensors").read_bytes() == weights
    assert train("--ckpt_path=last") == 0


def stop_of(step: int) -> list[str]:
    number = f"--trainer.callbacks.number={signal.SIGTERM:d}"
    return [f"--trainer.callbacks.step={step}", number]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory) -> Path:
    """An untrained `paper`, as a checkpoint of mmcv that names its classes."""
    torch.manual_seed(0)
    weights = to_published(create_model("paper").state_dict())
    path = tmp_path_factory.mktemp("teacher") / "best_mIoU.pth"
    torch.save({"meta": {"CLASSES": MSRS.class_names}, "state_dict": weights}, path)
    return path


@pytest.mark.slow
def test_a_teacher_trains_on_pairs_without_masks(train, streets, teacher) -> None:
    unlabelled = streets / "unlabelled"
    assert train(f"--model.teacher={teacher}", f"--data.fusion={unlabelled}", "--output=both") == 0
    taught = losses(Path("both"), "loss/teacher")
    assert len(taught) == 6 and max(taught.values()) > 0  # three steps an epoch
    assert train(f"--model.teacher={teacher}", f"--data.train={unlabelled}", "--output=alone") == 0
    assert all(value > 0 for value in losses(Path("alone"), "loss/teacher").values())
    for run in ("both", "alone"):
        model, info = load_model_and_info(Path(run, "lite.safetensors"))
        assert info.model == "lite" and info.classes == MSRS
        kept = torch.load(Path(run, "checkpoints", "last.ckpt"), weights_only=True)["state_dict"]
        assert kept.keys() == {f"model.{name}" for name in model.state_dict()}


def test_a_teacher_of_other_classes_is_refused(train, streets, tmp_path, capsys) -> None:
    names = tuple(f"thing {number}" for number in range(9))
    own = LabelSet("yard", names, MSRS.palette)
    for label_set, complaint in (
        (own, "has the classes thing 0, thing 1"),
        (label_set_of(4), "has 4 classes, the model 9"),
    ):
        path = tmp_path / "teacher.safetensors"
        count = label_set.num_classes
        save_weights(create_model("lite", count), path, ModelInfo("lite", count, False, label_set))
        assert train(f"--model.teacher={path}", f"--data.fusion={streets / 'unlabelled'}") == 1
        said = capsys.readouterr().err
        last = said.splitlines()[-1]
        assert last.startswith("difusionseg: ") and complaint in last
        path.unlink()
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert train(f"--data.train={streets / 'unlabelled'}") == 1
    assert "no training pair has a mask" in capsys.readouterr().err
