"""The command line of training: Lightning's, with a folder for each run and safe stops."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import sys
import warnings
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import TypeAlias

import lightning.pytorch as pl
from jsonargparse import ArgumentError, Namespace
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.utilities import rank_zero_only

from difusionseg_core.backends.glibc_memory import keep_freed_memory
from difusionseg_core.training import lite, paper
from difusionseg_core.training.base import Training
from difusionseg_core.training.batch_size import find_batch_size
from difusionseg_core.training.data.datamodule import PairData, as_list, count_classes
from difusionseg_core.training.runs.results import write_results
from difusionseg_core.training.runs.run_folder import CHECKPOINTS, Run, open_run
from difusionseg_core.training.runs.stopping import (
    KeepLastState,
    StopOnSignal,
    TrainingStopped,
    WholeCheckpoints,
    interrupts_stop,
)
from difusionseg_core.training.trainer import callbacks_of, rank

CONFIGURATIONS = Path(__file__).parent / "configurations"
"""Shipped configurations; `--config NAME` takes one of them."""

TRAININGS = {"lite": lite.LiteTraining, "paper": paper.PaperTraining}
OWN_OPTIONS = {
    "config": "configuration file, or one that is shipped, by name",
    "output": "folder of this run (default: date and time, in trainer.default_root_dir)",
    "overwrite": "remove the former training in --output first (default: false)",
    "ckpt_path": "checkpoint or run's folder to continue from; last: the latest run's last state",
    "export": "also write the weights as .onnx, which runs without PyTorch (default: true)",
    "seed_everything": "seed of weights, data and noise (default: 0)",
}

_RUN = "DIFUSIONSEG_RUN"  # environment variable: the run of the processes that Lightning starts


LoggerOptions: TypeAlias = "Namespace | bool | list[LoggerOptions] | None"
"""The option trainer.logger."""


class CommandLine(LightningCLI):
    """Lightning's command line over a model and data of this package."""

    run: Run

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Declare our own options."""
        parser.set_defaults({"model": {"class_path": "LiteTraining"}})
        parser.link_arguments("seed_everything", "data.seed", compute_fn=int)
        parser.add_argument("--ckpt_path", type=str, help=OWN_OPTIONS["ckpt_path"])
        parser.add_argument("--output", type=str, help=OWN_OPTIONS["output"])
        parser.add_argument("--overwrite", type=bool, default=False, help=OWN_OPTIONS["overwrite"])
        parser.add_argument("--export", type=bool, default=True, help=OWN_OPTIONS["export"])

    def before_instantiate_classes(self) -> None:
        """Open the run's folder, and let Lightning write there."""
        config = self.config
        options = config.model.init_args
        if options.num_classes is None:
            data = config.data
            folders = [*as_list(data.train), *as_list(data.split), data.validation]
            options.num_classes = count_classes(folders, data.classes)
        self.asked = config.clone()
        self.asked.update(Namespace(ckpt_path=None, output=None, overwrite=False))
        runs = Path(config.trainer.default_root_dir or "runs")
        self.run = _run_of_rank(config, runs)
        config.ckpt_path = str(self.run.checkpoint) if self.run.checkpoint else None
        config.trainer.default_root_dir = str(self.run.folder)
        config.trainer.logger = _logging_to(config.trainer.logger, self.run.folder, runs)

    def instantiate_classes(self) -> None:
        """Make model, data and trainer; if that fails, remove the run."""
        try:
            # As in Lightning, which uses a deprecated name of the method.
            self.config_init = self.parser.instantiate(self.config)
            self.datamodule, self.model = self.config_init.data, self.config_init.model
            self.trainer = self.instantiate_trainer()
        except Exception:
            self.run.discard()
            raise

    def instantiate_trainer(self, **kwargs: object) -> pl.Trainer:
        """Return the trainer, with checkpoints in the run's folder and safe stops."""
        trainer = super().instantiate_trainer(**kwargs)
        callbacks = callbacks_of(trainer)
        for callback in callbacks:
            if isinstance(callback, ModelCheckpoint) and callback.dirpath is None:
                # Absolute: a training continued by another path then finds its best score.
                callback.dirpath = str((self.run.folder / CHECKPOINTS).resolve())
        # The average replaces the last weights when the training ends: keep these first.
        callbacks.insert(0, KeepLastState(self.run.last))
        callbacks.append(StopOnSignal(self.run.last))
        if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:  # no other was chosen
            trainer.strategy.checkpoint_io = WholeCheckpoints()
        return trainer


def train(arguments: list[str]) -> int:
    """Train as the options say; returns the exit status, 128 + N after signal N.

    Raises ValueError or OSError, in one line, for impossible options.
    """
    keep_freed_memory()
    # With several ranks, Lightning restarts this program with sys.argv, which must not change.
    warnings.filterwarnings("ignore", message="LightningCLI's args parameter")
    # Expected for a training that continues; the others have new folders.
    warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")
    # The data module continues the loader, see `PairData.load_state_dict`.
    warnings.filterwarnings("ignore", message="You're resuming from a checkpoint that ended before")
    # Of Lightning's own code with the latest PyTorch.
    warnings.filterwarnings("ignore", message=".*LeafSpec.* is deprecated")
    with interrupts_stop():
        return _train(arguments)


def _train(arguments: list[str]) -> int:
    line: CommandLine | None = None
    try:
        line = _parse(arguments)
        if line.datamodule.finds_batch_size:
            _find_batch_size(line)
        _record(line)
        line.trainer.fit(line.model, line.datamodule, ckpt_path=line.config.ckpt_path)
    except TrainingStopped as stop:
        return _stopped(line, stop)
    except (ArgumentError, MisconfigurationException, ValueError, OSError) as error:
        if line is not None and not line.run.last.exists() and line.trainer.global_step == 0:
            line.run.discard()
        raise ValueError(_message(arguments, error)) from error
    line.run.settle()
    try:
        write_results(line.trainer, line.run, line.config.export)
    except TrainingStopped as stop:
        return _stopped(line, stop)
    return 0


def _parse(arguments: list[str]) -> CommandLine:
    return CommandLine(
        Training,
        PairData,
        subclass_mode_model=True,
        run=False,
        args=with_shipped_configurations(arguments),
        auto_configure_optimizers=False,
        load_from_checkpoint_support=False,
        save_config_callback=None,  # see _record
        seed_everything_default=0,
        trainer_defaults={"use_distributed_sampler": False},  # PairData distributes the data itself
        parser_kwargs={"prog": "difusionseg train", "exit_on_error": False},
    )


def with_shipped_configurations(arguments: list[str]) -> list[str]:
    """Return the arguments, with the paths of shipped configurations instead of their names.

    Raises ValueError for a name that is neither a file nor shipped.
    """
    changed, expects_file = [], False
    for argument in arguments:
        option, equals, name = argument.partition("=")
        if expects_file:
            argument = _configuration(argument)
        elif option == "--config" and equals:
            argument = f"--config={_configuration(name)}"
        expects_file = argument == "--config"
        changed.append(argument)
    return changed


def _configuration(name: str) -> str:
    shipped = CONFIGURATIONS / f"{name}.yaml"
    if Path(name).is_file() or not re.fullmatch(r"[\w-]+", name):
        return name
    if not shipped.is_file():
        names = ", ".join(sorted(path.stem for path in CONFIGURATIONS.glob("*.yaml")))
        raise ValueError(f"there is no configuration file {name}, and none is shipped: {names}")
    return str(shipped)


def _run_of_rank(config: Namespace, runs: Path) -> Run:
    output = Path(config.output) if config.output else None
    launched = rank() or int(os.environ.get("WORLD_SIZE", 1)) > 1
    if launched and _RUN not in os.environ and output is None:
        raise ValueError("name the run with --output if a launcher starts the processes")
    if rank():  # started by the first rank
        folder = Path(os.environ.get(_RUN) or str(output))
        return Run(folder, Path(config.ckpt_path) if config.ckpt_path else None, is_new=False)
    run = open_run(runs, output, config.ckpt_path, config.overwrite)
    os.environ[_RUN] = str(run.folder)
    return run


def _logging_to(logger: LoggerOptions, folder: Path, runs: Path) -> LoggerOptions:
    """Return the configuration of loggers, with the run's folder if no other was chosen."""
    if logger is False:
        return logger
    if logger is None or logger is True:
        tensorboard = "lightning.pytorch.loggers.TensorBoardLogger"
        logger = Namespace(class_path=tensorboard, init_args=Namespace(save_dir="."))
    if isinstance(logger, list):
        return [_logging_to(each, folder, runs) for each in logger]
    options = logger.get("init_args") or Namespace()
    if options.get("save_dir") in (None, ".", "./", str(runs)):
        options.save_dir = str(folder)
    if logger.class_path.rpartition(".")[2] in ("TensorBoardLogger", "CSVLogger"):
        options.name = options.version = ""
    logger.init_args = options
    return logger


def _find_batch_size(line: CommandLine) -> None:
    if line.trainer.world_size > 1:
        raise ValueError("data.batch_size auto is for one GPU: pass a number")
    size = find_batch_size(line.model, line.datamodule, line.trainer.strategy.root_device)
    print(f"difusionseg: {size} pairs per batch, found by trial", file=sys.stderr)
    line.datamodule.batch_size = size
    line.asked.data.batch_size = size  # so that the training continues with it


@rank_zero_only
def _record(line: CommandLine) -> None:
    """Write the options into the run's folder, and let `latest` point to it."""
    file = line.run.config_file()
    line.parser.save(line.asked, file, skip_unset=False, multifile=False)
    line.run.mark_latest()


def _stopped(line: CommandLine | None, stop: TrainingStopped) -> int:
    if rank() == 0:
        saved = f" after step {stop.step}: saved {stop.checkpoint}" if stop.checkpoint else ""
        print(f"difusionseg: {stop}{saved or ', nothing was saved'}", file=sys.stderr)
        if line is not None and line.run.last.is_file():
            command = ["difusionseg", "train", "--config", f"{line.run.folder}/config.yaml"]
            command += ["--ckpt_path", str(line.run.last)]
            print(f"to continue: {shlex.join(command)}", file=sys.stderr)
            line.run.settle()
        elif line is not None and line.trainer.global_step == 0:
            line.run.discard()
    return 128 + stop.number


def option_names() -> set[str]:
    """Return names of all top-level options, without those of a class of Lightning."""
    names = set(OWN_OPTIONS) | {"help", "print_config", "trainer", "model", "data"}
    owners: Iterable[tuple[str, Callable[..., object]]] = [
        *(("model", training) for training in TRAININGS.values()),
        ("data", PairData),
        ("trainer", pl.Trainer),
    ]
    for group, owner in owners:
        names |= {f"{group}.{name}" for name in inspect.signature(owner).parameters}
    return names


def _misspelt(arguments: list[str], error: BaseException) -> list[str]:
    """The options among the arguments that do not exist, with the nearest one that does."""
    if not isinstance(error, ArgumentError):
        return []
    known, found = option_names(), []
    for argument in arguments:
        name = argument.removeprefix("--").partition("=")[0].rstrip("+")
        nested = name.count(".") > 1
        if argument.startswith("--") and name not in known and not nested:
            near = get_close_matches(name, known, n=1)
            found += [f"--{name} is unknown, did you mean --{near[0]}?"] if near else []
    return found


def _message(arguments: list[str], error: BaseException) -> str:
    """What is wrong with the options, in one line.

    jsonargparse lists all types of an option, and what it tried; its message is made shorter.
    """
    if isinstance(error, OSError) and error.errno:  # raised by the system
        return f"{error.filename or 'a file of the run'}: {error.strerror}"
    misspelt = _misspelt(arguments, error)
    if misspelt:
        return "; ".join(misspelt)
    # If jsonargparse wrapped an error of our own, the message of that.
    while error.__cause__ and str(error).startswith("Does not validate against any"):
        error = error.__cause__
    text = " ".join(str(error).split())
    found = re.match(r'Parser key "([\w.]+)": Does not validate .* Given value: (.*)$', text)
    if not found:
        return text
    kinds = re.findall(r"Expected an? (.+?)(?= - Expected an? | Given value)", text)
    expected = [re.sub(r"typing\.Literal\[(.*)\]|<class '(\w+)'>", r"\1\2", kind) for kind in kinds]
    shown = ", ".join(dict.fromkeys(", ".join(expected).replace("'", "").split(", ")))
    return f"--{found[1]}: expected {shown.replace('NoneType', 'null')}, found {found[2]}"
