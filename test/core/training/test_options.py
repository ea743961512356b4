"""The help of `difusionseg train`, and options that can be tested without training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from difusionseg_core.cli.main import main
from difusionseg_core.data.folder import LABELS, THERMAL, VISIBLE
from difusionseg_core.data.image_files import write_png
from difusionseg_core.network.model import create_model
from difusionseg_core.scenes import draw
from difusionseg_core.training.base import freeze_parts
from difusionseg_core.training.batch_size import fits, largest_that_fits
from difusionseg_core.training.command_line import (
    CONFIGURATIONS,
    TRAININGS,
    option_names,
    with_shipped_configurations,
)
from difusionseg_core.training.data.augmentation import Augmentation
from difusionseg_core.training.data.datamodule import PairData, as_list
from difusionseg_core.training.option_help import help_text, options_of

OWNERS = [("data", PairData), *(("model", training) for training in TRAININGS.values())]


@pytest.mark.parametrize(("group", "owner"), OWNERS)
def test_every_option_of_ours_is_explained(group, owner) -> None:
    text, known = help_text(), option_names()
    for option, meaning in options_of(group, owner):
        assert len(meaning.partition(" (default")[0]) > 9, f"{option} has no meaning"
        assert option in text and option.removeprefix("--") in known


def test_the_help_is_readable() -> None:
    text = help_text()
    assert text.startswith("usage: difusionseg train") and "examples:" in text
    assert all(len(line) <= 100 for line in text.splitlines())
    assert "lite_msrs, paper_fmb, paper_mfd, paper_msrs" in text and "--help_all" in text


def test_shipped_configurations_are_found_by_name(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = str(CONFIGURATIONS / "lite_msrs.yaml")
    assert with_shipped_configurations(["--config", "lite_msrs", "--x"]) == [
        "--config",
        shipped,
        "--x",
    ]
    assert with_shipped_configurations(["--config=lite_msrs"]) == [f"--config={shipped}"]
    (tmp_path / "lite_msrs").write_text("")  # a file of the user's comes first
    assert with_shipped_configurations(["--config=lite_msrs"]) == ["--config=lite_msrs"]
    with pytest.raises(ValueError, match="none is shipped: lite_msrs, paper_fmb"):
        with_shipped_configurations(["--config=lite"])


def test_one_folder_needs_no_brackets() -> None:
    assert as_list("a") == as_list(["a"]) == ["a"] and as_list(None) == []


@pytest.mark.parametrize(
    ("holds", "most", "size"), [(5, 100, 4), (8, 100, 8), (1, 9, 1), (99, 9, 8)]
)
def test_the_largest_batch_is_a_power_of_two(holds, most, size) -> None:
    tried: list[int] = []
    found = largest_that_fits(lambda each: tried.append(each) or each <= holds, most)
    assert found == size and tried == sorted(set(tried)) and max(tried) <= most
    with pytest.raises(ValueError, match="does not hold one pair"):
        largest_that_fits(lambda each: False, most)


def test_the_batch_size_is_tested_with_gradients(tmp_path) -> None:
    frame = draw(0, (48, 64))
    for part, image in ((VISIBLE, frame.rgb), (THERMAL, frame.thermal), (LABELS, frame.labels)):
        (tmp_path / part).mkdir()
        write_png(tmp_path / part / "0.png", image)
    data = PairData(str(tmp_path), str(tmp_path), augmentation=Augmentation(crop=(32, 48)))
    module = TRAININGS["lite"]()
    assert fits(module, data, 2, torch.device("cpu"))
    assert all(parameter.grad is None for parameter in module.parameters())


def test_frozen_parts_do_not_change() -> None:
    model = create_model("lite")
    parts = freeze_parts(model, ["backbone.context", "neck"])
    frozen = {id(parameter) for part in parts for parameter in part.parameters()}
    assert frozen and all(
        parameter.requires_grad != (id(parameter) in frozen) for parameter in model.parameters()
    )
    with pytest.raises(ValueError, match="no part 'head' to freeze; the parts: backbone, neck"):
        freeze_parts(model, ["head"])


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            "--model.lerning_rate=1",
            "--model.lerning_rate is unknown, did you mean --model.learning_rate?",
        ),
        (
            "--trainer.acelerator=cpu",
            "--trainer.acelerator is unknown, did you mean --trainer.accelerator?",
        ),
        ("--data.batch_size=many", "--data.batch_size: expected int, auto, found many"),
        ("--model.lovasz=-1", "lovasz must not be negative, but is -1.0"),
    ],
)
def test_a_wrong_option_is_a_short_line(tmp_path, monkeypatch, capsys, option, message) -> None:
    monkeypatch.chdir(tmp_path)
    for split in ("train", "val"):
        for part in ("vi", "ir", "Segmentation_labels"):
            (tmp_path / split / part).mkdir(parents=True)
            write_png(tmp_path / split / part / "1.png", np.zeros((32, 32), np.uint8))
    folders = ["--data.train=train", "--data.validation=val"]
    assert main(["train", "--config=lite_msrs", *folders, option]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == f"difusionseg: {message}"
