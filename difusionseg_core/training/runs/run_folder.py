"""Folders of trainings: each training has its own, and no earlier one is overwritten."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

LATEST = "latest"
"""Name of the link beside the runs to the one that was started last."""

CHECKPOINTS, LAST = "checkpoints", "last.ckpt"
RESULTS = ("*.safetensors", "*.onnx", "metrics.json", "model_card.md")


@dataclass
class Run:
    """A training's `folder`, and the `checkpoint` to continue from, if any.

    `is_new` is whether this training made the folder.
    """

    folder: Path
    checkpoint: Path | None = None
    is_new: bool = True
    former: Path | None = None  # the training that this one replaces, moved aside
    former_latest: Path | None = None  # what `latest` pointed to before

    @property
    def last(self) -> Path:
        """The checkpoint of the training's last state."""
        return self.folder / CHECKPOINTS / LAST

    def config_file(self) -> Path:
        """Return the file for the options; those of earlier parts of the training are kept."""
        return _free(self.folder / "config.yaml")

    def mark_latest(self) -> None:
        """Let the link `latest` point to this run, unless a file or folder has that name."""
        link = self.folder.parent / LATEST
        if link.exists() and not link.is_symlink():
            return
        try:
            if link.is_symlink():
                self.former_latest = link.readlink()
            _link(link, Path(self.folder.name))
        except OSError:  # a file system without links
            return

    def discard(self) -> None:
        """Remove the folder of a training that failed before its first step."""
        if self.is_new:
            shutil.rmtree(self.folder, ignore_errors=True)
        if self.former:
            self.former.rename(self.folder)
        link = self.folder.parent / LATEST
        if link.is_symlink() and not link.exists():
            link.unlink()
            if self.former_latest and (link.parent / self.former_latest).exists():
                _link(link, self.former_latest)

    def settle(self) -> None:
        """Remove the training that this one replaces."""
        if self.former:
            shutil.rmtree(self.former)
            self.former = None

    def keep_former_results(self) -> None:
        """Move the results of a training that is continued to `after_step_N` in its folder."""
        metrics = self.folder / "metrics.json"
        if not metrics.is_file():
            return
        try:
            step = json.loads(metrics.read_text()).get("step", 0)
        except ValueError:
            step = 0
        target = _free(self.folder / f"after_step_{step}")
        target.mkdir()
        for pattern in RESULTS:
            for file in self.folder.glob(pattern):
                file.replace(target / file.name)


def _link(link: Path, target: Path) -> None:
    made = link.with_name(f".{link.name}.part")
    made.unlink(missing_ok=True)
    made.symlink_to(target, target_is_directory=True)
    made.replace(link)


def open_run(
    runs: Path, output: Path | None = None, checkpoint: str | None = None, overwrite: bool = False
) -> Run:
    """Open the folder of a new training: `output`, or one named by date and time in `runs`.

    With `checkpoint`, a file, a run's folder, or "last" for the latest run's, the training
    continues in the folder of its run if that is the run's last state; from an earlier one it
    branches off into a folder of its own. With `overwrite` the former training in `output` is
    moved aside, until `Run.settle` or `Run.discard`. Raises FileNotFoundError without a checkpoint,
    and FileExistsError for an `output` that is not empty.
    """
    if checkpoint is not None:
        found = find_checkpoint(checkpoint, output or runs)
        own = Run(found.parent.parent, found, is_new=False)
        if found.resolve() == own.last.resolve() and (output is None or _same(output, own.folder)):
            return own
        return _new_run(runs, output, overwrite, found)
    return _new_run(runs, output, overwrite, None)


def find_checkpoint(name: str, runs: Path) -> Path:
    """Find the checkpoint of a path, of a run's folder, or of "last" in a run or its parent."""
    path = runs if name == "last" else Path(name)
    if path.is_dir():
        candidates = [path, path / LATEST]
        if not (path / LATEST).exists():
            candidates += sorted(path.glob(f"*/{CHECKPOINTS}"), reverse=True)[:1]
        for folder in candidates:
            folder = folder.parent if folder.name == CHECKPOINTS else folder
            if (folder / CHECKPOINTS / LAST).is_file():
                # No links: `latest` will point elsewhere.
                return folder.resolve() / CHECKPOINTS / LAST
        raise FileNotFoundError(
            f"there is no checkpoint to continue from in {path}: expected {CHECKPOINTS}/{LAST} "
            f"in it, or in the run that {path / LATEST} points to"
        )
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path} to continue from")
    return path.resolve()


def _new_run(runs: Path, output: Path | None, overwrite: bool, checkpoint: Path | None) -> Run:
    if output is None:
        return Run(_folder_of_now(runs), checkpoint)
    former = None
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        if not overwrite:
            raise FileExistsError(
                f"{output} is not empty: name another --output, add --overwrite true to replace "
                "the training in it, or continue that one with --ckpt_path last"
            )
        parts = (CHECKPOINTS, "config.yaml", "metrics.json")
        if not any((output / part).exists() for part in parts):
            raise FileExistsError(f"{output} is not a training's folder: it is not overwritten")
        if checkpoint is not None and output.resolve() in checkpoint.parents:
            raise FileExistsError(f"{output} holds the checkpoint to continue from: keep it")
        former = output.rename(_free(output.with_name(f".{output.name}.former")))
    output.mkdir(parents=True, exist_ok=True)
    return Run(output, checkpoint, former=former)


def _folder_of_now(runs: Path) -> Path:
    runs.mkdir(parents=True, exist_ok=True)
    while True:
        folder = _free(runs / datetime.now().strftime("%Y-%m-%d_%H-%M"))
        try:
            folder.mkdir()
        except FileExistsError:  # of another training that starts now
            continue
        return folder


def _free(path: Path) -> Path:
    """Return the path, or if it exists the first free one of PATH_2, PATH_3, ..."""
    number, free = 1, path
    while free.exists() or free.is_symlink():
        number += 1
        free = path.with_name(f"{path.stem}_{number}{path.suffix}")
    return free


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()
