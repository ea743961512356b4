"""Find by trial the largest batch that a GPU holds."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.utils.data import ConcatDataset, default_collate

from difusionseg_core.training.base import Training, channels_last
from difusionseg_core.training.data.datamodule import PairData

_SHARE = 0.8  # of the GPU's memory; the rest is for the optimizer and averaged weights


def find_batch_size(module: Training, data: PairData, device: torch.device) -> int:
    """Return the largest power of two, at most the number of training pairs, that the GPU holds.

    Raises ValueError if the device is not a GPU, or does not hold even one pair.
    """
    if device.type != "cuda":
        raise ValueError(
            f"data.batch_size auto is found by filling a GPU, but the device is {device}: "
            "pass a number"
        )
    torch.cuda.set_per_process_memory_fraction(_SHARE, device)
    try:
        return largest_that_fits(lambda size: fits(module, data, size, device), data.train_size)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
        module.cpu()
        torch.cuda.empty_cache()


def largest_that_fits(fits: Callable[[int], bool], most: int) -> int:
    """Return the largest of 1, 2, 4, ... up to `most` that fits. ValueError if 1 does not."""
    size = 0
    while max(2 * size, 1) <= most and fits(max(2 * size, 1)):
        size = max(2 * size, 1)
    if not size:
        raise ValueError("the GPU does not hold one pair: make data.augmentation.crop smaller")
    return size


def fits(module: Training, data: PairData, size: int, device: torch.device) -> bool:
    """Return whether losses and gradients of `size` pairs fit into the device's memory."""
    pairs: ConcatDataset = ConcatDataset(data.parts)
    batch = default_collate([pairs[index % len(pairs)] for index in range(size)])
    module.to(device).train()
    try:
        losses = module.losses(channels_last({k: v.to(device) for k, v in batch.items()}))
        torch.stack([loss.mean() for loss in losses.values()]).sum().backward()
    except torch.cuda.OutOfMemoryError:
        return False
    finally:
        module.zero_grad(set_to_none=True)
    return True
