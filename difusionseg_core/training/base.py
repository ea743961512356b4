"""Common parts of all trainings: reproducible random numbers, validation, scores over all ranks."""

from __future__ import annotations

import logging
from abc import abstractmethod
from copy import deepcopy
from dataclasses import replace

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor, nn

from difusionseg_core.checkpoints.checkpoint_file import MODEL_INFO
from difusionseg_core.checkpoints.model_files import SHIPPED
from difusionseg_core.checkpoints.weights_file import ModelInfo, start_from
from difusionseg_core.classes import COMMON_CLASSES, MSRS
from difusionseg_core.data.boxes import BOX_CLASSES
from difusionseg_core.metrics.box_f1 import BoxScore
from difusionseg_core.metrics.segmentation import class_iou, confusion_matrix, mean_iou
from difusionseg_core.network.model import DiFusionSeg
from difusionseg_core.training.data.datamodule import as_list
from difusionseg_core.training.trainer import data_of


class Training(pl.LightningModule):
    """Trains the model that `info` names; a subclass defines the losses and the optimizer.

    The random numbers of a step (times and noise of the diffusion, dropped paths) depend only on
    the seed of the data, the epoch, the batch and the rank: a resumed training draws the same as
    an uninterrupted one. `start` is a weights file of this package or a checkpoint
    to start from, `freeze` the parts of the model that keep their weights. After every `restart`
    steps, if it is not 0, the training begins again with its first weights; the data go on.
    """

    def __init__(
        self,
        info: ModelInfo,
        start: str | None,
        freeze: str | list[str] | None = None,
        restart: int = 0,
    ) -> None:
        super().__init__()
        self.info = info
        self.model: DiFusionSeg = info.create().to(
            memory_format=torch.channels_last  # type: ignore[call-overload]  # not in torch's stubs
        )
        start = str(SHIPPED / "lite.safetensors") if start == "lite" else start
        started = start_from(self.model, start) if start else None
        self._start = (start, started)  # the source of the weights, and their classes
        self.restart = restart
        self._first = deepcopy(self.model.state_dict()) if restart else {}
        self.label_set = info.classes
        self.frozen = freeze_parts(self.model, as_list(freeze))
        self.scores: dict[str, float] = {}  # of the last validation, and its number of images

    @abstractmethod
    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the weighted losses of a batch by name."""

    def setup(self, stage: str) -> None:
        """Adopt the data set's classes. Raises ValueError if they do not fit the model."""
        label_set = data_of(self.trainer).label_set
        if label_set.num_classes != self.info.num_classes:
            raise ValueError(
                f"the data set has the {label_set.num_classes} classes of {label_set.name}, "
                f"but the model is made for {self.info.num_classes}; leave out "
                "--model.num_classes to take the data set's"
            )
        self.label_set = self.model.label_set = label_set
        self.info = replace(self.info, label_set=label_set)
        path, started = self._start
        if (
            started
            and label_set.num_classes == started.num_classes
            and not label_set.has_same_classes(started)
        ):
            logging.getLogger(__name__).warning(
                "the classes of %s have other names (%s); its heads are the first values",
                path,
                ", ".join(started.class_names),
            )

    def on_train_batch_start(self, batch: dict[str, Tensor], batch_index: int) -> None:
        """Begin again with the first weights if it is time."""
        # Not at the end of the step before: a training resumed from there would miss it.
        if self.restart and self.global_step and self.global_step % self.restart == 0:
            self.model.load_state_dict(self._first)
            for optimizer in self.trainer.optimizers:
                optimizer.state.clear()  # momentum of other weights would drive these away

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        """Return the loss of a batch, logged with its parts."""
        place = (data_of(self.trainer).seed, self.current_epoch, batch_index, self.global_rank)
        torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1)[0]))
        for part in self.frozen:
            part.eval()  # batch norms keep their statistics
        losses = self.losses(channels_last(batch))
        first, *others = losses.values()
        total = sum(others, first)
        self.log("loss", total, prog_bar=True)
        self.log_dict({f"loss/{name}": value for name, value in losses.items()})
        return total

    def on_validation_epoch_start(self) -> None:
        """Reset the counts."""
        self.images = np.zeros(2, np.int64)  # scored, and with boxes
        self.confusion = np.zeros((self.info.num_classes,) * 2, np.int64)
        self.boxes = BoxScore()

    def validation_step(self, batch: dict, batch_index: int) -> dict[str, Tensor]:
        """Score one image; returns its `fused` (3, H, W) in 0..1 and its `labels` (H, W)."""
        index, truth = int(batch["index"]), batch["labels"][0].to(torch.uint8).cpu().numpy()
        with torch.random.fork_rng():
            torch.manual_seed(0)  # the same first noise in every validation
            output = self.model(channels_last(batch)["image"])
        height, width = truth.shape  # the image may be padded
        labels = output.logits[0, :, :height, :width].argmax(0)
        # With several ranks, the sampler repeats images so that all ranks have as many.
        if index % self.trainer.world_size == self.global_rank:
            prediction = labels.to(torch.uint8).cpu().numpy()
            self.images[0] += 1
            self.confusion += confusion_matrix(truth, prediction, self.info.num_classes)
            boxes = data_of(self.trainer).scored(self.trainer.testing).boxes_of(index)
            if boxes is not None:
                self.images[1] += 1
                self.boxes.add(prediction, boxes)
        return {"fused": output.fused[0, :, :height, :width], "labels": labels}

    def on_validation_epoch_end(self) -> None:
        """Compute and log the scores over all ranks."""
        names = self.label_set.class_names
        confusion = self.summed_confusion = self._sum_over_ranks(self.confusion)
        images, boxed = self._sum_over_ranks(self.images).tolist()
        self.scores = {"images": images}
        if confusion.any():
            self.scores["miou"] = mean_iou(confusion)
        confusion_iou = class_iou(confusion)
        for name, iou in zip(names, confusion_iou, strict=True):
            if np.isfinite(iou):
                self.scores[f"iou/{name}"] = float(iou)
        for counts in vars(self.boxes).values():
            total = self._sum_over_ranks(np.array(list(counts.values())))
            counts.update(zip(counts, total.tolist(), strict=True))
        if boxed:
            self.scores["box_f1"] = self.boxes.mean_f1()
            for label in BOX_CLASSES.values():
                self.scores[f"f1/{names[label]}"] = self.boxes.f1(label)
        common = [confusion_iou[label] for label in COMMON_CLASSES if label < len(confusion_iou)]
        if self.label_set.has_same_classes(MSRS) and np.isfinite(common).any():
            self.scores["miou_common"] = float(np.nanmean(common))
        for name, value in self.scores.items():
            # All ranks have the same value; Lightning asks for sync_dist.
            self.log(name, float(value), prog_bar=name in ("miou", "miou_common"), sync_dist=True)

    # Test data are scored in the same way as validation data.
    on_test_epoch_start = on_validation_epoch_start
    test_step = validation_step
    on_test_epoch_end = on_validation_epoch_end

    def _sum_over_ranks(self, counts: np.ndarray) -> np.ndarray:
        total = torch.from_numpy(counts).to(self.device)
        return self.trainer.strategy.reduce(total, reduce_op="sum").cpu().numpy()

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        """Store the kind of model, so that the checkpoint can be used as a model."""
        checkpoint["scores"] = self.scores
        checkpoint[MODEL_INFO] = self.info.metadata()

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        """Restore the scores of the last validation."""
        self.scores = checkpoint.get("scores", {})


def training_of(trainer: pl.Trainer) -> Training:
    """Return the training that a trainer runs."""
    module = trainer.lightning_module
    assert isinstance(module, Training)
    return module


def freeze_parts(model: nn.Module, names: list[str]) -> list[nn.Module]:
    """Freeze the parts of a model by name, and return them.

    Raises ValueError for an unknown part.
    """
    parts = []
    for name in names:
        try:
            parts.append(model.get_submodule(name).requires_grad_(False))
        except AttributeError:
            known = ", ".join(name for name, _ in model.named_children())
            raise ValueError(f"there is no part '{name}' to freeze; the parts: {known}") from None
    return parts


def channels_last(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the batch with its image in the memory format in which convolutions are fastest."""
    image = batch["image"].contiguous(memory_format=torch.channels_last)
    return {**batch, "image": image}
