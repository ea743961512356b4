"""Checkpoints that survive: of a training that a signal stops, of one that ends, on a full disk."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from difusionseg_core.files import replaced_file

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
Handler = Callable[[int, FrameType | None], Any] | int | None
"""Of a signal, as Python's `signal` returns it."""


class TrainingStopped(Exception):
    """A signal ended the training. `checkpoint` is the file saved for it, if any."""

    def __init__(self, number: int, checkpoint: Path | None, step: int = 0) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number
        self.checkpoint = checkpoint
        self.step = step


@contextmanager
def interrupts_stop() -> Iterator[None]:
    """Raise TrainingStopped at a signal, except where `StopOnSignal` waits for the step's end."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TrainingStopped(number, None)

    before = _handle(stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _handle(handler: Callable[[int, FrameType | None], None]) -> dict[int, Handler]:
    """Set a handler of both signals; returns the former ones, by number."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.signal(number, handler) for number in _SIGNALS}


class StopOnSignal(Checkpoint):
    """Saves `path` and raises TrainingStopped after the step in which a signal came.

    With accumulated gradients a step has several batches. At a second signal it raises at once,
    without saving. With several ranks, a signal to one stops all. Lightning calls it after the
    other callbacks, whose state is then that of after the step.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._before: dict[int, Handler] = {}  # handlers of signals
        self._number = 0
        self._stopped: TrainingStopped | None = None

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self._number:
            raise TrainingStopped(number, None)
        self._number = number
        print(
            "\ndifusionseg: stopping after this step; again to stop at once, without saving",
            file=sys.stderr,
            flush=True,
        )

    def on_train_start(self, *_: object) -> None:
        """Let a signal wait for the end of a step. Lightning has set its own handlers before."""
        self._before = _handle(self._stop)

    def on_train_end(self, *_: object) -> None:
        """Forget a stop: nothing is left to save."""
        self._restore()

    def on_exception(self, *_: object) -> None:
        """Restore the handlers."""
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def on_train_batch_start(self, *_: object) -> None:
        """Start no step once stopped."""
        self._raise_if_stopped()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: object,
        batch_index: int,
    ) -> None:
        """Save if any rank got a signal; the next hook stops, after the step's logs."""
        if (batch_index + 1) % trainer.accumulate_grad_batches and not trainer.is_last_batch:
            return  # a checkpoint does not hold the gradients of the batches so far
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


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside the one that it replaces, which stays whole if writing fails.

    Lightning writes into the folder of temporary files and copies from there: if the disk is full,
    or the power fails, both checkpoints are then lost.
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | os.PathLike[str],
        storage_options: Any = None,  # of Lightning, for other file systems
    ) -> None:
        """Save. Raises OSError, in one line, if the file cannot be written."""
        content = io.BytesIO()
        torch.save(checkpoint, content)
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            with replaced_file(Path(path)) as unfinished, unfinished.open("wb") as file:
                file.write(content.getbuffer())
                file.flush()
                os.fsync(file.fileno())  # before the name, so that a power cut loses neither
        except OSError as error:
            kept = "; the former one is kept" if Path(path).is_file() else ""
            raise OSError(
                f"the checkpoint {path} cannot be written: {error.strerror or error}{kept}; when "
                "that is fixed, continue with --ckpt_path last"
            ) from error
