"""Ctrl-C and SIGTERM end a training after its current step, with a checkpoint of that moment."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from types import FrameType

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class TrainingStopped(Exception):
    """A signal ended the training. `checkpoint` is the saved file, None before the first step."""

    def __init__(self, number: int, checkpoint: Path | None, step: int = 0) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number
        self.checkpoint = checkpoint
        self.step = step


class StopOnSignal(Checkpoint):
    """Saves `path` and raises TrainingStopped after the step in which a signal came.

    Before the first step, and at a second signal, it raises at once, without saving. With several
    ranks, a signal to one stops all. Lightning calls it after the other callbacks, whose state is
    then that of after the step.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._in_steps = False
        self._number = 0
        self._stopped: TrainingStopped | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Replace Lightning's signal handlers, which Lightning restores at the end."""
        if stage == "fit" and threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self._number or not self._in_steps:
            raise TrainingStopped(number, None)
        self._number = number
        print(
            "\ndifusionseg: stopping after this step; again to stop at once, without saving",
            file=sys.stderr,
            flush=True,
        )

    def on_train_start(self, *_: object) -> None:
        """Let a signal wait for the end of a step."""
        self._in_steps = True

    def on_train_batch_start(self, *_: object) -> None:
        """Start no step once stopped."""
        self._raise_if_stopped()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        """Save if any rank got a signal; the next hook stops, after the step's logs."""
        number = self._number
        if trainer.world_size > 1:
            numbers = torch.tensor(number, device=trainer.strategy.root_device)
            number = int(trainer.strategy.reduce(numbers, reduce_op="max"))
        if number:
            trainer.save_checkpoint(self.path)
            self._stopped = TrainingStopped(number, self.path, trainer.global_step)

    def on_validation_start(self, *_: object) -> None:
        """Do not validate once stopped."""
        self._raise_if_stopped()

    def on_train_epoch_end(self, *_: object) -> None:
        """Do not end an epoch once stopped."""
        self._raise_if_stopped()

    def on_train_end(self, *_: object) -> None:
        """Forget the stop: nothing is left to save."""
        self._in_steps = False

    def _raise_if_stopped(self) -> None:
        if self._stopped:
            raise self._stopped


class KeepLastState(Callback):
    """Saves `path` when the training is complete, so that it can be continued.

    Must come before a callback that averages weights, which then replaces the last ones.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_end(self, trainer: pl.Trainer, *_: object) -> None:
        """Save the state after the last step."""
        trainer.save_checkpoint(self.path)
