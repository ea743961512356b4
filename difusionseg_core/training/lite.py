"""The training of `lite`."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from difusionseg_core.checkpoints.weights_file import ModelInfo
from difusionseg_core.classes import MSRS
from difusionseg_core.network.efficientnet_lite import load_imagenet_weights
from difusionseg_core.training.base import Training
from difusionseg_core.training.objective import draw_diffusion, lite_losses

_LEAST_SHARE = 1e-4  # of a class in the training pixels; rarer ones count as if they had this


class LiteTraining(Training):
    """Trains `lite` from ImageNet weights, or from the weights `start`.

    `learning_rate` is that of the new parts, `backbone_factor` times it the backbone's; both rise
    over `warmup` steps and then fall to zero along a cosine over the whole training.
    `class_balance` is the power of a class's inverse share in the training pixels, which is its
    loss weight: 0 for equal weights. `feedback` is the share of pictures, 0 to 1, for which the
    decoder is given classes with noise over them. For the others it is given noise alone, which is
    where the sampler begins, and all that a model of one step ever sees; at 0 there is no diffusion
    at all. `lovasz` is the weight of the Lovasz-Softmax loss beside cross-entropy. Raises
    ValueError for a `feedback` out of range or a negative `lovasz`.
    """

    def __init__(
        self,
        num_classes: int | None = None,
        learning_rate: float = 1e-3,
        backbone_factor: float = 0.3,
        weight_decay: float = 0.01,
        warmup: int = 100,
        class_balance: float = 0.25,
        feedback: float = 1.0,
        lovasz: float = 0.0,
        start: str | None = None,
    ) -> None:
        if not 0 <= feedback <= 1:
            raise ValueError(f"feedback must be 0 to 1, not {feedback}")
        if not lovasz >= 0:
            raise ValueError(f"lovasz must not be negative, but is {lovasz}")
        super().__init__(
            ModelInfo("lite", MSRS.num_classes if num_classes is None else num_classes), start
        )
        self.save_hyperparameters()
        if not start:
            load_imagenet_weights(self.model.backbone.context)
        self.register_buffer("class_weight", torch.ones(self.info.num_classes), persistent=False)

    def setup(self, stage: str) -> None:
        super().setup(stage)
        counts = torch.from_numpy(self.trainer.datamodule.class_counts(self.info.num_classes))
        if not counts.any():
            raise ValueError("no training pair has a class map")
        shares = (counts / counts.sum()).clamp_min(_LEAST_SHARE).float()
        self.class_weight.copy_((shares.max() / shares) ** self.hparams.class_balance)

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        image = batch["image"]
        time, noise = draw_diffusion(self.model, image, self.hparams.feedback)
        return lite_losses(
            self.model,
            image,
            batch["labels"],
            self.class_weight,
            batch["weights"],
            time,
            noise,
            self.hparams.lovasz,
        )

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
