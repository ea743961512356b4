"""The training of `lite`."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from difusionseg_core.checkpoints import ModelInfo
from difusionseg_core.classes import MSRS
from difusionseg_core.network.efficientnet_lite import load_imagenet_weights
from difusionseg_core.training.base import Training
from difusionseg_core.training.objective import draw_diffusion, lite_losses

CLASS_SHARES = (0.9428, 0.0361, 0.0110, 0.0058, 0.0016, 0.0018, 0.0004, 0.0003, 0.00015)
"""Share of each class in the training pixels of MSRS-like street scenes."""


class LiteTraining(Training):
    """Trains `lite` from ImageNet weights, or from the weights `start`.

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
        super().__init__(ModelInfo("lite", MSRS.num_classes), start)
        self.save_hyperparameters()
        if not start:
            load_imagenet_weights(self.model.backbone.context)
        weight = (CLASS_SHARES[0] / torch.tensor(CLASS_SHARES)) ** class_balance
        self.register_buffer("class_weight", weight, persistent=False)

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        image = batch["image"]
        time, noise = draw_diffusion(self.model, image)
        if not self.hparams.diffusion:
            time = torch.ones_like(time)
        return lite_losses(self.model, image, batch["labels"], self.class_weight, time, noise)

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
            return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
