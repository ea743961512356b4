"""The training of `paper`, with the losses and the optimizer of the authors' release."""

from __future__ import annotations

import re

import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from difusionseg_core.checkpoints.imagenet import load_convnext_weights
from difusionseg_core.checkpoints.weights_file import ModelInfo
from difusionseg_core.classes import MSRS
from difusionseg_core.network.encoder.convnext import ConvNeXt
from difusionseg_core.training.base import Training
from difusionseg_core.training.data.paper_augmentation import PaperDataset
from difusionseg_core.training.losses.objective import draw_diffusion, paper_losses
from difusionseg_core.training.trainer import data_of

_NO_DECAY = re.compile(r"backbone\.(stages\.\d+\.\d+\.norm|norms\.\d+)\.(weight|bias)")
_FIRST_FACTOR = 1e-6  # of the learning rate in the first step of the warm-up


class PaperTraining(Training):
    """Trains `paper` as published: AdamW, a linear warm-up and a linear decay to zero.

    The schedule spans `trainer.max_steps`, 100,000 in the paper. Raises ValueError if neither
    `backbone`, `start` nor `from_scratch` is given.

    Args:
        num_classes: Number of classes; that of the data if not given.
        scaled_head: Whether to use the classifier that the authors use for MFD.
        learning_rate: Learning rate after the warm-up.
        weight_decay: Weight decay.
        warmup: Steps in which the learning rate rises.
        backbone: File of ImageNet weights of ConvNeXt-T, in the names of torchvision, timm, or its
            authors.
        start: Weights file or checkpoint to start from.
        from_scratch: Start from random weights, without a backbone file.
        freeze: Parts of the model that keep their weights, such as backbone.
    """

    def __init__(
        self,
        num_classes: int | None = None,
        scaled_head: bool = False,
        learning_rate: float = 6e-5,
        weight_decay: float = 0.01,
        warmup: int = 1500,
        backbone: str | None = None,
        start: str | None = None,
        from_scratch: bool = False,
        freeze: str | list[str] | None = None,
    ) -> None:
        if not (backbone or start or from_scratch):
            raise ValueError(
                "paper starts from ImageNet weights: pass their file as --model.backbone, other "
                "weights as --model.start, or --model.from_scratch true for random ones"
            )
        number = MSRS.num_classes if num_classes is None else num_classes
        super().__init__(ModelInfo("paper", number, scaled_head), start, freeze)
        self.save_hyperparameters()
        if backbone:
            assert isinstance(self.model.backbone, ConvNeXt)
            load_convnext_weights(self.model.backbone, backbone)

    def setup(self, stage: str) -> None:
        """Check the data, and prepare the losses."""
        super().setup(stage)
        if not all(isinstance(part, PaperDataset) for part in data_of(self.trainer).parts):
            raise ValueError("PaperTraining needs --data.augmentation PaperAugmentation")

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the losses of a batch by name."""
        image = batch["image"]
        time, noise = draw_diffusion(self.model, image)
        targets = batch["visible"], batch["thermal"]
        return paper_losses(self.model, image, batch["labels"], *targets, time, noise)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return AdamW and the schedule of its learning rate, step by step."""
        warmup: int = self.hparams["warmup"]
        optimizer = torch.optim.AdamW(
            decay_groups(self.model, self.hparams["weight_decay"]), self.hparams["learning_rate"]
        )
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: linear_factor(step, steps, warmup)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def decay_groups(
    model: nn.Module, weight_decay: float
) -> list[dict[str, list[nn.Parameter] | float]]:
    """Return parameter groups with weight decay, and without it for the backbone's norms.

    The release intends to exclude every norm, but its patterns match only these 44 tensors.
    """
    decayed: list[nn.Parameter] = []
    spared: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        (spared if _NO_DECAY.fullmatch(name) else decayed).append(parameter)
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]


def linear_factor(step: int, steps: int, warmup: int) -> float:
    """Return the learning rate's factor: decay from 1 to 0 over `steps`, times the warm-up."""
    decay = max(0.0, 1 - step / steps)
    if step >= warmup:
        return decay
    return decay * (1 - (1 - step / warmup) * (1 - _FIRST_FACTOR))
