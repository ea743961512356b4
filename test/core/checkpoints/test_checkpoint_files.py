"""Checkpoints of several trainers, failed downloads, and malicious files."""

from __future__ import annotations

import argparse
import datetime
import enum
import io
import pathlib
import pickle
import random
import sys
import types
import zipfile
from collections import OrderedDict, defaultdict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from difusionseg_core.checkpoints.checkpoint_file import read_checkpoint
from difusionseg_core.checkpoints.weights_file import (
    ModelInfo,
    load_model,
    load_model_and_info,
    save_weights,
    start_from,
)
from difusionseg_core.cli.main import main
from difusionseg_core.network.model import create_model


class Phase(enum.Enum):
    TRAIN = "train"


def some_weights() -> dict[str, torch.Tensor]:
    """All kinds of tensors: types, views, shared storages, empty ones, odd strides."""
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(6, 5, generator=generator)
    return {
        "table": table,
        "row": table[2],
        "turned": table.t(),
        "image": torch.randn(1, 3, 4, 5, generator=generator).to(memory_format=torch.channels_last),
        "scalar": torch.tensor(3.5),
        "count": torch.tensor(7),
        "empty": torch.empty(0, 3),
        "half": table.half(),
        "brain": table.bfloat16(),
        "double": table.double(),
        "parameter": torch.nn.Parameter(table.clone()),
        **{
            str(dtype): torch.arange(3).to(dtype)
            for dtype in (torch.int8, torch.uint8, torch.int16, torch.int32, torch.bool)
        },
    }


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return list(left) == list(right) and all(
        a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
        for a, b in zip(left.values(), right.values(), strict=True)
    )


def what_trainers_keep() -> dict[str, object]:
    """The contents of mmcv's `meta`, of Lightning's loops and of training scripts."""
    layer = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return {
        "numpy": [np.float64(0.5), np.float32(0.5), np.int64(3), np.bool_(True), np.str_("x")],
        "arrays": [np.arange(4.0), np.array(["a", "b"]), np.zeros((2, 2), "u2"), np.array({})],
        "dtype": np.dtype("float32"),
        "random": [random.getstate(), np.random.RandomState(0).get_state(), torch.get_rng_state()],
        "generator": np.random.default_rng(0),
        "paths": [pathlib.Path("a/b"), pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("c")],
        "dates": [datetime.datetime(2025, 1, 2), datetime.timedelta(1), datetime.timezone.utc],
        "options": argparse.Namespace(lr=0.1, nested=argparse.Namespace(name="x")),
        "ordered": OrderedDict(a=1),
        "default": defaultdict(list, a=[1]),
        "enum": Phase.TRAIN,
        "torch": [torch.float16, torch.device("cpu"), torch.Size([1, 2])],
        "optimizer": optimizer.state_dict(),
        "sets": [{1, 2}, frozenset((3,)), b"bytes", 1 << 100, 2 + 3j, slice(1, 2), range(3)],
        "module": layer,
        "function": torch.nn.functional.relu,
    }


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("part", what_trainers_keep())
def test_other_objects_in_a_checkpoint_are_ignored(tmp_path, part, zipped) -> None:
    weights, file = some_weights(), tmp_path / "any.pth"
    saved = {"meta": {part: what_trainers_keep()[part]}, "state_dict": OrderedDict(weights)}
    torch.save(saved, file, _use_new_zipfile_serialization=zipped)
    assert same(read_checkpoint(file)[0], weights)


def test_classes_that_are_not_installed_are_ignored(tmp_path) -> None:
    module = types.ModuleType("trainer_of_somebody")
    exec("class Config(dict): pass\nclass Meter:\n  __slots__ = ('value',)", vars(module))
    sys.modules[module.__name__] = module
    config, meter = module.Config(lr=0.1), module.Meter()
    config.name, meter.value = "x", [1]
    torch.save({"cfg": config, "meter": meter, "model": some_weights()}, tmp_path / "any.pth")
    del sys.modules[module.__name__]
    assert same(read_checkpoint(tmp_path / "any.pth")[0], some_weights())


@pytest.mark.parametrize(
    "nest",
    [
        lambda weights: weights,
        lambda weights: {"state_dict": weights, "epoch": 3},
        lambda weights: {"model": weights},
        lambda weights: {"model_state_dict": weights},
        lambda weights: {"model": {"state_dict": weights}},
        lambda weights: {f"module.{name}": value for name, value in weights.items()},
        lambda weights: {"state_dict": {f"model.{name}": value for name, value in weights.items()}},
        lambda weights: {f"module.model.{name}": value for name, value in weights.items()},
        lambda weights: {f"_orig_mod.{name}": value for name, value in weights.items()},
        lambda weights: {
            "state_dict": {
                "loss.weight": torch.ones(2),
                **{f"model.{name}": value for name, value in weights.items()},
            }
        },
    ],
)
def test_weights_are_found_where_trainers_put_them(tmp_path, nest) -> None:
    torch.save(nest(some_weights()), tmp_path / "any.ckpt")
    assert same(read_checkpoint(tmp_path / "any.ckpt")[0], some_weights())


@pytest.mark.parametrize("name", ["any.safetensors", "any.pth"])
def test_the_file_type_is_found_by_content_not_by_ending(tmp_path, name) -> None:
    weights = {"a": torch.arange(4.0), "b": torch.ones(2, 3).half()}
    save_file(weights, tmp_path / name)
    assert same(read_checkpoint(tmp_path / name)[0], weights)
    torch.save(weights, tmp_path / name)
    assert same(read_checkpoint(tmp_path / name)[0], weights)


@pytest.mark.parametrize(
    "nest",
    [
        lambda plain, ema: {"state_dict": plain, "state_dict_ema": ema},
        lambda plain, ema: {"model": plain, "model_ema": ema},
        lambda plain, ema: {"model": plain, "ema": {"module": ema, "updates": 5}},
        lambda plain, ema: {
            "state_dict": {**plain, **{"ema_" + k.replace(".", "_"): v for k, v in ema.items()}}
        },
    ],
    ids=["timm", "convnext", "module", "mmcv"],
)
def test_moving_averages_are_taken_on_request(tmp_path, nest) -> None:
    plain = {"a.weight": torch.zeros(2), "b.c.bias": torch.zeros(3)}
    ema = {name: value + 1 for name, value in plain.items()}
    torch.save(nest(plain, ema), tmp_path / "any.pth")
    assert same(read_checkpoint(tmp_path / "any.pth")[0], plain)
    assert same(read_checkpoint(tmp_path / "any.pth", ema=True)[0], ema)


def test_missing_moving_averages_are_refused(tmp_path) -> None:
    torch.save({"state_dict": {"a": torch.ones(1)}}, tmp_path / "any.pth")
    with pytest.raises(ValueError, match="no moving averages"):
        read_checkpoint(tmp_path / "any.pth", ema=True)


class Runs:
    """Pickles as a call of `function`."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call


EVIL = {
    "exec": lambda mark: Runs(exec, f"open({mark!r}, 'w')"),
    "open": lambda mark: Runs(open, mark, "w"),
    "os": lambda mark: Runs(__import__("os").system, f"touch {mark}"),
    "subprocess": lambda mark: Runs(__import__("subprocess").check_call, ["touch", mark]),
    "path": lambda mark: Runs(pathlib.Path.touch, pathlib.Path(mark)),
    "map": lambda mark: Runs(map, pathlib.Path.touch, [pathlib.Path(mark)]),
    "getattr": lambda mark: Runs(getattr, Runs(pathlib.Path, mark), "touch"),
}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("kind", EVIL)
def test_no_code_of_a_checkpoint_runs(tmp_path, kind, zipped, caplog) -> None:
    mark, weights = tmp_path / "ran", {"a": torch.ones(2)}
    evil, file = EVIL[kind](str(mark)), tmp_path / "evil.pth"
    torch.save({"meta": evil, "state_dict": weights}, file, _use_new_zipfile_serialization=zipped)
    assert same(read_checkpoint(file)[0], weights)
    assert not mark.exists()
    assert ("not run here" in caplog.text) == (kind in ("exec", "open", "os", "subprocess"))

    for saved in (evil, {"a": torch.ones(2), "b": evil}, {"state_dict": evil}, [evil]):
        torch.save(saved, file, _use_new_zipfile_serialization=zipped)
        with pytest.raises(ValueError, match="evil.pth"):
            read_checkpoint(file)
        with pytest.raises(ValueError, match="evil.pth"):
            read_checkpoint(file, ema=True)
    assert not mark.exists()
    torch.save({"a": torch.ones(2), "b": Runs(exec, "0")}, file)
    with pytest.raises(ValueError, match="builtins.exec, whose code is not run"):
        read_checkpoint(file)


def pickled_torch_file(file: pathlib.Path, pickled: bytes) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x/data.pkl", pickled)
        archive.writestr("x/data/0", bytes(16))


@pytest.mark.parametrize(
    ("shape", "complaint"),
    [
        (((0, (4,), (1,))), None),
        ((1, (4,), (1,)), "exceeds its storage"),
        ((0, (5,), (1,)), "exceeds its storage"),
        ((0, (2,), (1 << 62,)), "exceeds its storage"),
        ((-1, (2,), (1,)), "impossible shape"),
        ((0, (-2,), (1,)), "impossible shape"),
        ((0, (2,), (1, 1)), "impossible shape"),
    ],
)
def test_tensors_stay_within_their_storage(tmp_path, shape, complaint) -> None:
    class Storage: ...

    class Writer(pickle.Pickler):
        def persistent_id(self, value: object) -> tuple | None:
            if isinstance(value, Storage):
                return ("storage", torch.FloatStorage, "0", "cpu", 4)
            return None

    offset, size, stride = shape
    stream, file = io.BytesIO(), tmp_path / "any.pth"
    tensor = Runs(
        torch._utils._rebuild_tensor_v2, Storage(), offset, size, stride, False, OrderedDict()
    )
    Writer(stream, 2).dump({"a": tensor})
    pickled_torch_file(file, stream.getvalue())
    if complaint is None:
        assert same(read_checkpoint(file)[0], {"a": torch.zeros(4)})
    else:
        with pytest.raises(ValueError, match=complaint):
            read_checkpoint(file)


def test_a_recursive_dictionary_is_refused(tmp_path) -> None:
    loop: dict = {}
    loop["model"] = loop
    torch.save(loop, tmp_path / "any.pth")
    with pytest.raises(ValueError, match="holds no weights"):
        read_checkpoint(tmp_path / "any.pth")


NOT_WEIGHTS = {
    "empty": (b"", "is empty"),
    "page": (b"<!DOCTYPE html><html><head><title>Drive</title>", "is a web page"),
    "page of spaces": (b"\n  <html lang='en'>", "is a web page"),
    "xml": (b"<?xml version='1.0'?><Error>AccessDenied</Error>", "is a web page"),
    "pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
        "Git LFS pointer",
    ),
    "zeros": (bytes(5000), "only zeros"),
    "gzip": (b"\x1f\x8b\x08\0\0\0\0\0", "gzip"),
    "json": (b'{"message": "Not Found"}', "is text"),
    "text": (b"Access denied", "neither a PyTorch nor a safetensors file"),
    "plain pickle": (pickle.dumps({"a": 1}), "torch.save did not write"),
}


@pytest.mark.parametrize("ending", [".pth", ".safetensors", ".ckpt"])
@pytest.mark.parametrize("kind", NOT_WEIGHTS)
def test_other_kinds_of_files_are_named(tmp_path, kind, ending) -> None:
    content, complaint = NOT_WEIGHTS[kind]
    file = tmp_path / f"best{ending}"
    file.write_bytes(content)
    for read in (read_checkpoint, load_model):
        with pytest.raises(ValueError, match=complaint) as refused:
            read(file)
        said = str(refused.value)
        assert str(file) in said and "\n" not in said and "\x1b" not in said


@pytest.mark.parametrize("keep", [0.02, 0.3, 0.7, 0.95, 0.999])
@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_truncated_files_are_named(tmp_path, kind, keep) -> None:
    file, weights = tmp_path / "best.pth", {"a": torch.rand(1000), "b": torch.rand(500)}
    if kind == "safetensors":
        save_file(weights, file)
    else:
        torch.save({"model": weights}, file, _use_new_zipfile_serialization=kind == "zip")
    whole = file.read_bytes()
    file.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(ValueError, match="truncated|damaged"):
        read_checkpoint(file)


def test_changed_bytes_are_detected(tmp_path) -> None:
    file = tmp_path / "best.pth"
    torch.save({"a": torch.full((1000,), 0.123)}, file)
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 1
    file.write_bytes(whole)
    with pytest.raises(ValueError, match="damaged"):
        read_checkpoint(file)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_of_a_diverged_training_are_refused(tmp_path, value) -> None:
    broken = {"a": torch.zeros(3), "b": torch.tensor([1.0, value])}
    torch.save({"state_dict": broken}, tmp_path / "any.pth")
    save_file(broken, tmp_path / "any.safetensors")
    for name in ("any.pth", "any.safetensors"):
        with pytest.raises(ValueError, match="NaN or infinite values in 1 of 2 tensors, .* in b"):
            read_checkpoint(tmp_path / name)
    model = create_model("lite")
    model.classifier.bias.data[0] = value
    with pytest.raises(ValueError, match="classifier.bias"):
        save_weights(model, tmp_path / "lite.safetensors", ModelInfo("lite", 9))
    assert not (tmp_path / "lite.safetensors").exists()


def test_a_pickled_model_is_refused_by_the_name_of_its_class(tmp_path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "any.pth")
    with pytest.raises(ValueError, match=r"torch\.nn\.modules\.linear\.Linear.*state_dict"):
        read_checkpoint(tmp_path / "any.pth")


def test_checkpoints_of_our_training_are_recognized_by_weight_names(tmp_path, capsys) -> None:
    model = create_model("lite", num_classes=5)
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "best.ckpt")
    target = tmp_path / "lite.safetensors"
    convert = ["convert", str(tmp_path / "best.ckpt"), str(target)]
    assert main(convert) == 0 and "lite, 5 classes" in capsys.readouterr().out
    back, info = load_model_and_info(target)
    assert info == ModelInfo("lite", 5) and same(back.state_dict(), model.state_dict())
    assert main(convert) == 1 and "exists" in capsys.readouterr().err
    assert main([*convert, "--overwrite"]) == 0
    started = create_model("lite", num_classes=5)
    start_from(started, tmp_path / "best.ckpt")
    assert same(started.state_dict(), model.state_dict())
