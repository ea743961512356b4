"""`difusionseg train`: Lightning's command line over this package's models and data."""

from __future__ import annotations

import argparse
import warnings

HELP = "train a model"
_DESCRIPTION = """Train a model, with Lightning. It ends by writing the weights of the best epoch,
their scores and a model card beside the logs. Every option may stand in the configuration file or
on the command line, which wins."""
_EXAMPLE = """examples:
  difusionseg synthesize --output drawn --scenes 40 --seed 1000
  difusionseg train --config config/train/lite_msrs.yaml --data.train '[MSRS/train]' \\
      --data.drawn '[drawn]' --data.validation MSRS/test
  difusionseg train --config config/train/lite_msrs.yaml --data.train '[FMB/train]' \\
      --data.validation FMB/test
  difusionseg train --config config/train/paper_fmb.yaml --data.train '[FMB/train]' \\
      --data.validation FMB/test --model.backbone convnext_tiny.pth --trainer.devices 4
  ... --ckpt_path last
      goes on where a stopped training was
  tensorboard --logdir runs
      shows curves and pictures"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Lightning has a parser of its own, so everything after `train` goes to it untouched."""
    parser = subparsers.add_parser("train", help=HELP, add_help=False, prefix_chars="\0")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train as the configuration says. Raises ValueError or OSError, in one line."""
    from jsonargparse import ArgumentError
    from lightning.fabric.utilities.exceptions import MisconfigurationException
    from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

    from difusionseg_core.training import lite, paper  # noqa: F401  (whose classes can be named)
    from difusionseg_core.training.base import Training
    from difusionseg_core.training.datamodule import PairData, count_classes
    from difusionseg_core.training.results import write_results

    class CommandLine(LightningCLI):
        def before_instantiate_classes(self) -> None:
            model, data = self.config.model, self.config.data
            if model.init_args.num_classes is None:
                model.init_args.num_classes = count_classes(data.train, data.classes)

        def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
            parser.set_defaults({"model": {"class_path": "LiteTraining"}})
            parser.link_arguments("seed_everything", "data.seed", compute_fn=int)
            parser.add_argument(
                "--ckpt_path", type=str, help="checkpoint to go on from; `last` is the latest one"
            )

    # Several ranks start this program again by its own arguments, so these must stay as they are.
    warnings.filterwarnings("ignore", message="LightningCLI's args parameter")
    try:
        command_line = CommandLine(
            Training,
            PairData,
            subclass_mode_model=True,
            run=False,
            args=args.arguments,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            seed_everything_default=0,
            save_config_kwargs={"overwrite": True},  # a resumed run writes it again
            trainer_defaults={"use_distributed_sampler": False},  # our data take care of ranks
            parser_kwargs={
                "prog": "difusionseg train",
                "description": _DESCRIPTION,
                "epilog": _EXAMPLE,
                "formatter_class": argparse.RawDescriptionHelpFormatter,
                "exit_on_error": False,
            },
        )
        trainer = command_line.trainer
        trainer.fit(
            command_line.model, command_line.datamodule, ckpt_path=command_line.config.ckpt_path
        )
    except (ArgumentError, MisconfigurationException, ValueError) as error:
        raise ValueError(_in_one_line(error)) from error
    write_results(trainer)
    return 0


def _in_one_line(error: BaseException) -> str:
    """The message; of an error in making the model, which jsonargparse wraps, the error's own."""
    while error.__cause__ and str(error).startswith("Does not validate against any"):
        error = error.__cause__
    return " ".join(str(error).split())
