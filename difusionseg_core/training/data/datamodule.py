"""Training data as a Lightning data module."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import cv2
import lightning.pytorch as pl
import numpy as np
import torch
from torch.utils.data import ConcatDataset, DataLoader, DistributedSampler, Sampler

from difusionseg_core.classes import MSRS, LabelSet
from difusionseg_core.data.boxes import Box
from difusionseg_core.data.folder import find_data_set
from difusionseg_core.imaging.camera_settings import read_still_settings
from difusionseg_core.training.data.augmentation import Augmentation
from difusionseg_core.training.data.memory_budget import MemoryBudget, size_of, workers_that_fit
from difusionseg_core.training.data.pair_dataset import Item, PairDataset
from difusionseg_core.training.data.paper_augmentation import PaperAugmentation, PaperDataset
from difusionseg_core.training.data.sample import Sample


class JoinedPairs(ConcatDataset[Item]):
    """Several data sets of pairs as one, for validation; "index" of an item counts through all."""

    def __init__(self, parts: list[PairDataset]) -> None:
        super().__init__(parts)
        self.parts = parts

    def __getitem__(self, index: int) -> Item:
        return {**super().__getitem__(index), "index": index}

    def boxes_of(self, index: int) -> list[Box] | None:
        """Return the annotated boxes; None if the data set has none."""
        part, own_index = self._place(index)
        return part.boxes_of(own_index)

    def sample(self, index: int) -> Sample:
        """Return the images as they are on the disk."""
        part, own_index = self._place(index)
        return part.sample(own_index)

    def _place(self, index: int) -> tuple[PairDataset, int]:
        part = bisect_right(self.cumulative_sizes, index)
        return self.parts[part], index - self.cumulative_sizes[part] + len(self.parts[part])


class PairData(pl.LightningDataModule):
    """Folders of pairs for training, validation and test.

    The paper's losses need the `PaperAugmentation`. Raises ValueError for validation or test data
    without masks and without boxes.

    Args:
        train: Data sets with masks (with a teacher also without). One folder, or several: [A, B].
        validation: The data set that every validation is scored on.
        split: Data sets with masks, of which every fifth pair is for validation, the others are for
            training.
        test: A data set that the final weights are scored on once, at the end.
        drawn: Synthetic scenes ('difusionseg synthesize').
        fusion: Data sets without masks, for the fused image, and for a teacher.
        classes: A data.yaml, or the name of a known data set, for folders without a data.yaml.
        augmentation: Random changes of the training images, by class.
        batch_size: Pairs in a step, for each GPU; auto finds by trial how many one GPU holds.
        workers: Processes that load data, for each GPU.
        seed: Seed of the order of the data and of augmentation; that of seed_everything.
        cache: "ram" keeps decoded training images in memory, up to half of the free memory; "none"
            decodes every image each time it is needed.
        registration: The registration.yaml of 'difusionseg register', for cameras whose images are
            not registered; used for all folders.
    """

    def __init__(
        self,
        train: list[str] | str,
        validation: str,
        split: list[str] | str | None = None,
        drawn: list[str] | str | None = None,
        fusion: list[str] | str | None = None,
        augmentation: PaperAugmentation | Augmentation = Augmentation(),  # noqa: B008 (frozen)
        batch_size: int | Literal["auto"] = 8,
        workers: int = 2,
        seed: int = 0,
        classes: str | None = None,
        test: str | None = None,
        cache: str = "ram",
        registration: str | None = None,
    ) -> None:
        super().__init__()
        budget = MemoryBudget.of(cache)
        cameras = read_still_settings(Path(registration)) if registration else None

        def part(root: str, kept: Callable[[int], bool] | None = None) -> PairDataset:
            options: dict[str, Any] = {"seed": seed, "classes": classes, "budget": budget}
            options |= {"kept": kept, "cameras": cameras}
            if isinstance(augmentation, PaperAugmentation):
                return PaperDataset(root, augmentation, **options)
            return PairDataset(root, augmentation, **options)

        folders = [*as_list(train), *as_list(drawn), *as_list(fusion)]
        self.parts = [part(root) for root in folders]
        scored = [PairDataset(validation, classes=classes, cameras=cameras)]
        for root in as_list(split):
            self.parts.append(part(root, not_held_out))
            scored.append(PairDataset(root, classes=classes, kept=is_held_out, cameras=cameras))
        self.validation = JoinedPairs(scored)
        self.test = PairDataset(test, classes=classes, cameras=cameras) if test else None
        for pairs in scored:
            _check_scored(pairs, "data.validation")
        if self.test:
            _check_scored(self.test, "data.test")
        self.batch_size = 1 if batch_size == "auto" else batch_size
        self.finds_batch_size = batch_size == "auto"
        self.workers = workers
        self.seed = seed
        self.train_size = sum(map(len, self.parts))
        self._progress = {"epoch": 0, "batches": 0}  # batches of that epoch already used

    @property
    def label_set(self) -> LabelSet:
        """The classes of all folders with labels. ValueError if two have different ones."""
        tested = [self.test] if self.test else []
        return _common_label_set([*self.parts, *self.validation.parts, *tested])

    def scored(self, testing: bool) -> PairDataset | JoinedPairs:
        """Return the pairs of the validation, or of the test."""
        return self.test if testing and self.test else self.validation

    def class_counts(self, num_classes: int) -> np.ndarray:
        """Return (num_classes,) pixels of each class in all training pairs. Decodes all masks."""
        counts = np.zeros(num_classes, np.int64)
        for part in self.parts:
            for index in range(len(part)):
                labels = part.labels(index).ravel()
                counts += np.bincount(labels, minlength=256)[:num_classes]
        return counts

    def _rank(self) -> tuple[int, int]:
        """Return the rank of this process, and the number of ranks."""
        assert self.trainer is not None
        return self.trainer.global_rank, self.trainer.world_size

    def train_dataloader(self) -> DataLoader[Item]:
        """Return the training pairs, in an order of each epoch."""
        for part in self.parts:
            part.preload()
        rank, ranks = self._rank()
        if self.train_size < ranks * self.batch_size:
            raise ValueError(
                f"{self.train_size} training pairs do not fill {ranks} batch(es) "
                f"of {self.batch_size}; lower data.batch_size"
            )
        sampler = EpochSampler(self.train_size, self.seed, rank, ranks)
        largest = max(size_of(part[0].values()) for part in self.parts)
        workers = workers_that_fit(self.workers, self.batch_size * largest)
        return TrainingLoader(self.parts, self.batch_size, sampler, workers, self._progress)

    def state_dict(self) -> dict[str, int]:
        """Return the position in the training's data; a part of every checkpoint."""
        return dict(self._progress)

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue at that position."""
        # The loader cannot restore it: Lightning may have made the loader already, to count the
        # steps, and then does not pass it the state of a checkpoint.
        self._progress.update(state)

    def val_dataloader(self) -> DataLoader[Item]:
        """Return the validation pairs, one at a time."""
        return self._in_order(self.scored(testing=False))

    def test_dataloader(self) -> DataLoader[Item]:
        """Return the test pairs, one at a time."""
        return self._in_order(self.scored(testing=True))

    def _in_order(self, pairs: PairDataset | JoinedPairs) -> DataLoader[Item]:
        rank, ranks = self._rank()
        sampler: DistributedSampler[Item] = DistributedSampler(pairs, ranks, rank, shuffle=False)
        _make_fork_safe()
        workers = workers_that_fit(self.workers, size_of(pairs[0].values()))
        return DataLoader(pairs, sampler=sampler, num_workers=workers)


def as_list(names: str | list[str] | None) -> list[str]:
    """Return one name, several, or none, as a list."""
    return [names] if isinstance(names, str) else list(names or [])


def _check_scored(pairs: PairDataset, option: str) -> None:
    if not any(pair.labels or pair.boxes for pair in pairs.pairs):
        raise ValueError(
            f"{option} {pairs.root} has neither masks nor boxes, so nothing can be scored on it"
        )


def count_classes(folders: str | list[str], classes: str | None = None) -> int:
    """Return the number of classes of the first folder with labels; that of MSRS if none has any.

    Raises DataError for a folder that is not a data set.
    """
    for folder in as_list(folders):
        data_set = find_data_set(folder, classes=classes)
        if data_set.is_labelled and data_set.label_set:
            return data_set.label_set.num_classes
    return MSRS.num_classes


def _common_label_set(parts: Sequence[PairDataset]) -> LabelSet:
    labelled = [part for part in parts if any(pair.labels for pair in part.pairs)]
    if not labelled:
        raise ValueError("no pair has labels")
    unknown = [part.root for part in labelled if part.label_set is None]
    if unknown:
        raise ValueError(
            f"{unknown[0]} has labels of unknown classes; describe them in a data.yaml "
            "('difusionseg check-data DIR --write-data-yaml' makes a first one) or pass "
            "--data.classes FILE"
        )
    known = [(part.root, part.label_set) for part in labelled if part.label_set is not None]
    (first, label_set), *others = known
    for root, other in others:
        if not other.has_same_classes(label_set):
            raise ValueError(
                f"{root} has the classes {', '.join(other.class_names)}, but "
                f"{first} has {', '.join(label_set.class_names)}"
            )
    return label_set


class EpochSampler(Sampler[int]):
    """A new order of all indices every epoch; each rank takes its share.

    The order depends only on seed and epoch. Lightning calls `set_epoch`.
    """

    def __init__(self, length: int, seed: int, rank: int, ranks: int) -> None:
        self.length, self.seed, self.rank, self.ranks = length, seed, rank, ranks
        self.epoch = 0
        self.skipped = 0  # indices at the beginning that are left out

    def set_epoch(self, epoch: int) -> None:
        """Order the indices for this epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length // self.ranks

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(self.length, generator=generator).tolist()
        yield from order[self.rank :: self.ranks][self.skipped : len(self)]


class TrainingLoader(DataLoader[Item]):
    """Batches of several data sets; `progress` keeps the position.

    If `progress` is in the middle of the sampler's epoch, the loader continues there.
    """

    def __init__(
        self,
        parts: list[PairDataset],
        batch_size: int,
        sampler: EpochSampler,
        workers: int,
        progress: dict[str, int],
    ) -> None:
        super().__init__(
            ConcatDataset(parts),
            batch_size,
            sampler=sampler,
            drop_last=True,
            num_workers=workers,
            pin_memory=torch.cuda.is_available(),
        )
        self._parts, self._order, self._size = parts, sampler, batch_size
        self._progress = progress

    def __iter__(self) -> Iterator[Item]:  # type: ignore[override]  # torch declares its own class
        epoch = self._order.epoch
        if self._progress["epoch"] != epoch:
            self._progress.update(epoch=epoch, batches=0)
        for part in self._parts:
            part.epoch = epoch  # before the workers start: each of them gets a copy
        _make_fork_safe()
        self._order.skipped = self._progress["batches"] * self._size
        for batch in super().__iter__():
            self._progress["batches"] += 1
            yield batch
        self._progress["batches"] = 0


def is_held_out(position: int) -> bool:
    """Return whether the pair at a position in a folder of `split`, by name, is for validation."""
    return position % 5 == 0


def not_held_out(position: int) -> bool:
    """Return whether it is for training."""
    return not is_held_out(position)


def _make_fork_safe() -> None:
    """Let OpenCV work in loader workers, which would hang after a fork with OpenCV's threads.

    One thread per worker is also the fastest.
    """
    cv2.setNumThreads(1)
