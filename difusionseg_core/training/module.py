"""The training of `lite` as a Lightning module."""

from __future__ import annotations

from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor

from difusionseg_core.checkpoints import ModelInfo, load_model, save_weights
from difusionseg_core.classes import MSRS
from difusionseg_core.data.boxes import BOX_CLASSES
from difusionseg_core.metrics.boxes import BoxScore
from difusionseg_core.metrics.segmentation import confusion_matrix, mean_iou
from difusionseg_core.model import create_model
from difusionseg_core.network.efficientnet_lite import load_imagenet_weights
from difusionseg_core.training.objective import draw_diffusion, lite_losses

CLASS_SHARES = (0.9428, 0.0361, 0.0110, 0.0058, 0.0016, 0.0018, 0.0004, 0.0003, 0.00015)
"""Share of each class in the training pixels of MSRS-like street scenes."""


class LiteTraining(pl.LightningModule):
    """Trains `lite` from ImageNet weights.

    `learning_rate` is that of the new parts, `backbone_factor` times it the backbone's; both rise
    over `warmup` steps and then fall to zero along a cosine over the whole training.
    `class_balance` is the power of a class's inverse share in its loss weight: 0 for equal
    weights. Without `diffusion` the decoder always starts from noise that tells nothing, as in a
    network without feedback; run such a model with one step.
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        backbone_factor: float = 0.3,
        weight_decay: float = 0.01,
        warmup: int = 100,
        class_balance: float = 0.25,
        diffusion: bool = True,
        start: str | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.model = create_model("lite", MSRS.num_classes).to(memory_format=torch.channels_last)
        if start:
            self.model.load_state_dict(load_model(start).state_dict())
        else:
            load_imagenet_weights(self.model.backbone.context)
        weight = (CLASS_SHARES[0] / torch.tensor(CLASS_SHARES)) ** class_balance
        self.register_buffer("class_weight", weight, persistent=False)

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        image = batch["image"].contiguous(memory_format=torch.channels_last)
        time, noise = draw_diffusion(self.model, image)
        if not self.hparams.diffusion:
            time = torch.ones_like(time)
        losses = lite_losses(self.model, image, batch["labels"], self.class_weight, time, noise)
        total = sum(losses.values())
        self.log("loss", total, prog_bar=True)
        self.log_dict({f"loss/{name}": value for name, value in losses.items()})
        return total

    def on_validation_epoch_start(self) -> None:
        self.confusion = np.zeros((MSRS.num_classes, MSRS.num_classes), np.int64)
        self.boxes = BoxScore()

    def validation_step(self, batch: dict, batch_index: int) -> None:
        image = batch["image"].contiguous(memory_format=torch.channels_last)
        with torch.random.fork_rng():
            torch.manual_seed(0)  # the same first noise in every validation
            prediction = self.model(image).logits.argmax(1).to(torch.uint8).cpu().numpy()
        truth = batch["labels"].to(torch.uint8).cpu().numpy()
        self.confusion += confusion_matrix(truth, prediction, MSRS.num_classes)
        for index, labels in zip(batch["index"], prediction, strict=True):
            boxes = self.trainer.datamodule.validation.boxes_of(int(index))
            if boxes is not None:
                self.boxes.add(labels, boxes)

    def on_validation_epoch_end(self) -> None:
        scores = {f"f1/{MSRS.class_names[c]}": self.boxes.f1(c) for c in BOX_CLASSES.values()}
        scores |= {"box_f1": self.boxes.mean_f1(), "miou": mean_iou(self.confusion)}
        self.log_dict(scores, prog_bar=True)

    def on_train_end(self) -> None:
        folder = Path(self.trainer.log_dir or self.trainer.default_root_dir)
        save_weights(self.model, folder / "lite.safetensors", ModelInfo("lite", MSRS.num_classes))

    def configure_optimizers(self) -> dict:
        options = self.hparams
        backbone = list(self.model.backbone.context.parameters())
        own = {id(p) for p in backbone}
        rest = [p for p in self.model.parameters() if id(p) not in own]
        optimizer = torch.optim.AdamW(
            [
                {"params": rest, "lr": options.learning_rate},
                {"params": backbone, "lr": options.learning_rate * options.backbone_factor},
            ],
            weight_decay=options.weight_decay,
        )
        steps = int(self.trainer.estimated_stepping_batches)

        def factor(step: int) -> float:
            if step < options.warmup:
                return (step + 1) / options.warmup
            progress = (step - options.warmup) / max(1, steps - options.warmup)
            return 0.5 * (1 + np.cos(np.pi * min(progress, 1.0)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
