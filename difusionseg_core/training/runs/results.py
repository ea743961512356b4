"""The results of a training: the weights of its best epoch, their scores, and a model card."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, WeightAveraging

from difusionseg_core.checkpoints.weights_file import load_strictly, save_weights
from difusionseg_core.classes import LabelSet
from difusionseg_core.files import write_file
from difusionseg_core.training.base import Training, training_of
from difusionseg_core.training.data.pair_dataset import PairDataset
from difusionseg_core.training.runs.run_folder import Run
from difusionseg_core.training.trainer import callbacks_of, data_of

_PROTOCOL = {
    "miou": "mean IoU from one confusion matrix over all pixels of all images; class 0 counted, "
    "255 left out, classes in neither truth nor prediction left out",
    "iou": "IoU of one class, from the same matrix",
    "box_f1": "mean of the F1 of person, bike and car",
    "miou_common": "mean IoU of car, person, bike, kerb, car stop and cone, from the same matrix",
    "f1": "harmonic mean of boxes found (30 % of their pixels carry the class; sides of 12 pixels "
    "or more) and pixels inside boxes (grown by 4 pixels)",
}


@dataclass(frozen=True)
class Best:
    """The epoch whose weights are kept.

    `chosen_by` is the score by which it is the best, None for the last epoch, if no score was
    compared.
    """

    epoch: int
    step: int
    chosen_by: str | None
    scores: dict[str, float]


def write_results(trainer: pl.Trainer, run: Run, export: bool) -> None:
    """Write MODEL.safetensors, metrics.json and model_card.md into the run's folder (first rank).

    With `export` also MODEL.onnx. The best weights are scored on the `test` data, if there are any.
    Prints the files and the commands that use them.
    """
    module, data = training_of(trainer), data_of(trainer)
    best = _load_best(trainer, module)  # in all ranks, which score together
    tested = _test_scores(trainer) if data.test else {}
    if not trainer.is_global_zero:
        return
    folder = run.folder
    run.keep_former_results()
    weights = folder / f"{module.info.model}.safetensors"
    save_weights(module.model, weights, module.info)
    measured = {
        **asdict(best),
        "model": {
            "model": module.info.model,
            "num_classes": module.info.num_classes,
            "scaled_head": module.info.scaled_head,
            "classes": module.label_set.class_names,
            "background": module.label_set.background,
        },
        "diffusion_steps": module.model.steps,
        "validation": {part.root: len(part) for part in data.validation.parts},
        "test": {"folder": data.test.root, "scores": tested} if data.test else None,
        "protocol": _PROTOCOL,
    }
    write_file(folder / "metrics.json", json.dumps(measured, indent=2) + "\n")
    write_file(folder / "model_card.md", model_card(trainer, best, tested))
    print(f"{weights}: epoch {best.epoch}, {_listed(best.scores)}")
    if data.test:
        print(f"test on {data.test.root}: {_listed(tested)}")
    if export:
        _export(weights)
    print(_how_to_use(folder, data.validation.parts[0].root))


def _test_scores(trainer: pl.Trainer) -> dict[str, float]:
    module = training_of(trainer)
    validated = module.scores
    trainer.test(module, data_of(trainer), verbose=False)
    tested, module.scores = module.scores, validated
    return tested


def _export(weights: Path) -> None:
    """Write the model beside its weights, or report in one line why not; the weights are kept."""
    try:
        from difusionseg_core.backends.export import export_file

        export_file(weights, weights.with_suffix(".onnx"), beside_weights=True)
    except (ImportError, ValueError) as error:
        print(f"difusionseg: {weights} was not exported: {error}", file=sys.stderr)


def _how_to_use(folder: Path, validation: str) -> str:
    run = shlex.quote(str(folder))
    return f"""{run} also holds metrics.json, model_card.md, config.yaml and checkpoints. To use it:
  difusionseg predict --model {run} --rgb RGB --thermal THERMAL --output images
  difusionseg evaluate --model {run} --data {shlex.quote(validation)} --output results
  ros2 run difusionseg_ros fusion_node --ros-args -p model:={shlex.quote(str(folder.resolve()))}"""


def _load_best(trainer: pl.Trainer, module: Training) -> Best:
    """Fill the model with its best weights; with the last ones if none were compared."""
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.monitor and callback.best_model_path:
            kept = torch.load(callback.best_model_path, map_location="cpu", weights_only=True)
            prefix = "model."
            weights = {
                name.removeprefix(prefix): tensor
                for name, tensor in kept["state_dict"].items()
                if name.startswith(prefix)
            }
            load_strictly(module.model, weights)
            return Best(kept["epoch"], kept["global_step"], callback.monitor, kept["scores"])
    return Best(trainer.current_epoch, trainer.global_step, None, module.scores)


def model_card(trainer: pl.Trainer, best: Best, tested: dict[str, float]) -> str:
    """Return a Markdown card: how and from what data the model was trained, and its scores."""
    module, data = training_of(trainer), data_of(trainer)
    info, options = module.info, dict(module.hparams)
    parameters = sum(parameter.numel() for parameter in module.model.parameters())
    folders = [f"- {_described(part)}" for part in data.parts]
    batch = data.batch_size * trainer.world_size * trainer.accumulate_grad_batches
    averaged = [c for c in callbacks_of(trainer) if isinstance(c, WeightAveraging)]
    kept = f"epoch {best.epoch}, after {best.step} steps"
    if best.chosen_by:
        kept += (
            f", the best by `{best.chosen_by}` on the pairs below, so these scores are optimistic"
        )
    rows = [f"| {name} | {_number(value)} |" for name, value in best.scores.items()]
    if data.test:
        rows += ["", f"On {_described(data.test)}, once, at the end:", ""]
        rows += ["| score | value |", "| --- | --- |"]
        rows += [f"| {name} | {_number(value)} |" for name, value in tested.items()]
    protocol = [
        f"- `{name}`: {text}."
        for name, text in _PROTOCOL.items()
        if any(score.split("/")[0] == name for score in best.scores)
    ]
    return "\n".join(
        [
            f"# Model card: {info.model}",
            "",
            "Written by `difusionseg train`; all options are in `config.yaml`.",
            "",
            "## Training",
            "",
            f"Network: `{info.model}`, {info.num_classes} classes, {parameters / 1e6:.1f} million "
            "parameters.",
            f"Training: `{type(module).__name__}` with "
            + ", ".join(f"{name} {value}" for name, value in options.items())
            + f"; {data.train_size} pairs, batches of {batch}, precision {trainer.precision}, "
            f"PyTorch {torch.__version__.split('+')[0]}, Lightning {pl.__version__}.",
            f"Weights: {kept}" + ("; a moving average over steps." if averaged else "."),
            "",
            "Training data:",
            "",
            *folders,
            "",
            f"## Classes of {module.label_set.name}",
            "",
            *_class_table(module.label_set),
            "",
            "## Scores",
            "",
            *(f"On {_described(part)}." for part in data.validation.parts),
            f"Diffusion steps: {module.model.steps}.",
            "",
            *(["| score | value |", "| --- | --- |", *rows, ""] if rows else ["Nothing.", ""]),
            *protocol,
            "",
            "Scores against masks that no person annotated measure agreement with their source, "
            "and must be reported as such.",
            "",
        ]
    )


def _class_table(label_set: LabelSet) -> list[str]:
    rows = ["| id | class | colour |", "| --- | --- | --- |"]
    for label, name in enumerate(label_set.class_names):
        red, green, blue = label_set.palette[label]
        note = " (background)" if label == label_set.background else ""
        rows.append(f"| {label} | {name}{note} | #{red:02x}{green:02x}{blue:02x} |")
    return rows


def _described(part: PairDataset) -> str:
    labelled = sum(pair.labels is not None for pair in part.pairs)
    boxed = sum(pair.boxes is not None for pair in part.pairs)
    return f"`{part.root}`: {len(part)} pairs, {labelled} with a mask, {boxed} with boxes"


def _listed(scores: dict[str, float]) -> str:
    shown = {name: value for name, value in scores.items() if "/" not in name}
    return ", ".join(f"{name} {_number(value)}" for name, value in shown.items()) or "not validated"


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4f}"
