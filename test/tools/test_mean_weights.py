"""The mean of several weights of one model."""

from __future__ import annotations

import pytest
import torch
from torch import tensor

from difusionseg_core.checkpoints.weights_file import load_model
from tools.mean_weights import main, mean_of


def test_every_weight_is_averaged_and_a_counter_is_kept():
    states = [{"weight": tensor([x, 2 * x]), "steps": tensor(int(x))} for x in (1.0, 2.0, 6.0)]
    mean = mean_of(states)
    torch.testing.assert_close(mean, {"weight": tensor([3.0, 6.0]), "steps": tensor(1)})


def test_a_part_can_be_kept():
    states = [{"fusion.a": tensor([x]), "fusion_down.a": tensor([x])} for x in (1.0, 3.0)]
    mean = mean_of(states, "fusion")
    torch.testing.assert_close(mean, {"fusion.a": tensor([1.0]), "fusion_down.a": tensor([2.0])})


@pytest.mark.parametrize("other", [{"weight": torch.zeros(3)}, {"bias": torch.zeros(2)}])
def test_two_models_have_no_mean(other):
    with pytest.raises(ValueError, match="'weight' is not the same in all weights"):
        mean_of([{"weight": torch.zeros(2)}, other])


def test_files_are_read_and_none_is_replaced(untrained_weights, tmp_path, capsys):
    mean = tmp_path / "mean.safetensors"
    assert main([str(mean), str(untrained_weights), str(untrained_weights.parent)]) == 0
    torch.testing.assert_close(
        load_model(mean).state_dict(), load_model(untrained_weights).state_dict()
    )
    assert main([str(mean), str(untrained_weights)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "exists; name another output" in line
