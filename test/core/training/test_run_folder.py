"""Run folders of trainings: creation, continuation and refusals, without training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from difusionseg_core.checkpoints.model_files import model_of_run
from difusionseg_core.training.runs.run_folder import LATEST, Run, find_checkpoint, open_run


def trained(folder: Path, *checkpoints: str) -> Path:
    """Make a folder as training leaves it."""
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    for name in checkpoints or ("last.ckpt",):
        (folder / "checkpoints" / name).write_text(f"{folder.name} {name}")
    return folder


def content(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text() for path in files}


def test_every_training_gets_a_folder_of_its_own(tmp_path) -> None:
    runs = [open_run(tmp_path / "runs") for _ in range(3)]
    assert len({run.folder for run in runs}) == 3
    assert all(run.folder.is_dir() and run.is_new and run.checkpoint is None for run in runs)
    for run in runs:
        run.mark_latest()
        assert (tmp_path / "runs" / LATEST).resolve() == run.folder.resolve()


def test_a_run_that_fails_gives_latest_back(tmp_path) -> None:
    failed = open_run(tmp_path)
    failed.mark_latest()
    failed.discard()
    assert not list(tmp_path.iterdir())
    good = Run(trained(tmp_path / "good"))
    good.mark_latest()
    failed = open_run(tmp_path)
    failed.mark_latest()
    failed.discard()
    assert (tmp_path / LATEST).resolve() == good.folder and len(list(tmp_path.iterdir())) == 2


def test_a_folder_named_latest_is_not_changed(tmp_path) -> None:
    kept = trained(tmp_path / LATEST)
    open_run(tmp_path).mark_latest()
    assert not kept.is_symlink() and content(kept) == {"checkpoints/last.ckpt": "latest last.ckpt"}


@pytest.mark.parametrize("name", ["last", "run", "run/checkpoints/last.ckpt", "latest"])
def test_the_last_state_continues_in_its_folder(tmp_path, monkeypatch, name) -> None:
    monkeypatch.chdir(tmp_path)
    folder = trained(Path("run"))
    Run(folder).mark_latest()
    run = open_run(Path(), checkpoint=name)
    assert run.folder.resolve() == folder.resolve() and not run.is_new
    assert run.checkpoint == (folder / "checkpoints/last.ckpt").resolve()
    run.discard()
    assert folder.is_dir()


def test_without_links_last_is_the_newest_run(tmp_path) -> None:
    trained(tmp_path / "2026-01-01_00-00")
    newest = trained(tmp_path / "2026-01-02_00-00")
    assert find_checkpoint("last", tmp_path) == (newest / "checkpoints/last.ckpt").resolve()


def test_continuing_an_earlier_checkpoint_makes_a_new_folder(tmp_path) -> None:
    folder = trained(tmp_path / "run", "best.ckpt", "last.ckpt")
    before = content(folder)
    run = open_run(tmp_path, checkpoint=str(folder / "checkpoints/best.ckpt"))
    assert run.is_new and run.folder != folder
    assert run.checkpoint == (folder / "checkpoints/best.ckpt").resolve()
    run.discard()
    assert content(folder) == before and not run.folder.exists()


@pytest.mark.parametrize("name", ["last", "nowhere.ckpt", "empty"])
def test_without_a_checkpoint_there_is_nothing_to_continue(tmp_path, monkeypatch, name) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        open_run(Path("runs"), checkpoint=name)


def test_a_latest_run_without_a_checkpoint_hides_no_older_one(tmp_path) -> None:
    trained(tmp_path / "2026-01-01_00-00")
    open_run(tmp_path).mark_latest()
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        find_checkpoint("last", tmp_path)


def test_nothing_is_overwritten_without_the_option(tmp_path) -> None:
    folder = trained(tmp_path / "run")
    before = content(folder)
    with pytest.raises(FileExistsError, match="--overwrite"):
        open_run(tmp_path, folder)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "image.png").write_text("")
    with pytest.raises(FileExistsError, match="not a training's folder"):
        open_run(tmp_path, tmp_path / "data", overwrite=True)
    with pytest.raises(FileExistsError, match="keep it"):
        best = trained(folder, "best.ckpt") / "checkpoints" / "best.ckpt"
        open_run(tmp_path, folder, str(best), overwrite=True)
    best.unlink()
    refused = open_run(tmp_path, folder, overwrite=True)
    assert content(folder) == {}
    refused.discard()  # the options were wrong, for example
    assert content(folder) == before
    replaced = open_run(tmp_path, folder, overwrite=True)
    replaced.settle()
    assert content(tmp_path) == {"data/image.png": ""}


def test_results_of_a_lengthened_training_are_kept(tmp_path) -> None:
    run = Run(trained(tmp_path / "run"))
    for step in (3, 6, 6):
        run.keep_former_results()
        (run.folder / "lite.safetensors").write_text(f"weights after {step}")
        (run.folder / "metrics.json").write_text(json.dumps({"step": step}))
    run.keep_former_results()
    kept = content(run.folder)
    assert kept.pop("checkpoints/last.ckpt")
    assert {name: text for name, text in kept.items() if name.endswith("safetensors")} == {
        "after_step_3/lite.safetensors": "weights after 3",
        "after_step_6/lite.safetensors": "weights after 6",
        "after_step_6_2/lite.safetensors": "weights after 6",
    }
    assert len(kept) == 6


def test_options_of_each_part_of_a_training_are_kept(tmp_path) -> None:
    run = open_run(tmp_path)
    for name in ("config.yaml", "config_2.yaml", "config_3.yaml"):
        assert run.config_file() == run.folder / name
        run.config_file().write_text("")


def test_the_folder_of_a_training_is_a_model(tmp_path) -> None:
    run = trained(tmp_path / "run")
    with pytest.raises(ValueError, match=r"has not ended.*last\.ckpt"):
        model_of_run(run)
    (run / "lite.onnx").write_text("")
    assert model_of_run(run) == run / "lite.onnx"
    (run / "lite.safetensors").write_text("")
    assert model_of_run(run) == run / "lite.safetensors"
    (run / "paper.safetensors").write_text("")
    with pytest.raises(ValueError, match="several models"):
        model_of_run(run)
    Run(run).mark_latest()
    with pytest.raises(ValueError, match="several trainings.*latest"):
        model_of_run(tmp_path)
    (tmp_path / "other").mkdir()
    with pytest.raises(ValueError, match="without a model"):
        model_of_run(tmp_path / "other")
