"""The command line: written files, refusals and messages."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from difusionseg_core import create_model
from difusionseg_core.checkpoints.weights_file import ModelInfo, save_weights
from difusionseg_core.cli.main import main


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "lite.safetensors"
    save_weights(create_model("lite"), file, ModelInfo("lite", 9))
    return file


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    for part, shape in (("vi", (50, 70, 3)), ("ir", (50, 70))):
        (tmp_path / part).mkdir()
        for name in ("a", "b"):
            picture = rng.integers(0, 256, shape, dtype=np.uint8)
            cv2.imwrite(str(tmp_path / part / f"{name}.png"), picture)
    return tmp_path


def predict(images, weights, *more: str, rgb: str = "vi", thermal: str = "ir") -> int:
    arguments = ["predict", "--rgb", str(images / rgb), "--thermal", str(images / thermal)]
    arguments += ["--model", str(weights), "--output", str(images / "out"), "--device", "cpu"]
    return main([*arguments, *more])


def test_predict_folders(images, weights) -> None:
    assert predict(images, weights, "--steps", "1") == 0
    for part in ("fused", "mask", "overlay"):
        assert sorted(p.name for p in (images / "out" / part).iterdir()) == ["a.png", "b.png"]
    mask = cv2.imread(str(images / "out" / "mask" / "a.png"), cv2.IMREAD_UNCHANGED)
    assert mask.shape == (50, 70) and mask.dtype == np.uint8 and mask.max() < 9


def test_predict_two_files(images, weights) -> None:
    assert predict(images, weights, rgb="vi/a.png", thermal="ir/b.png") == 0
    assert (images / "out" / "fused" / "a.png").is_file()


def test_a_damaged_image_is_named_and_skipped(images, weights, capsys) -> None:
    (images / "ir" / "a.png").write_bytes(b"\x89PNG but no more")
    assert predict(images, weights) == 1
    assert "skipped a" in capsys.readouterr().err
    assert [p.name for p in (images / "out" / "mask").iterdir()] == ["b.png"]


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (("--model", "paper"), "difusionseg convert"),
        (("--model", "none.safetensors"), "no model file"),
        (("--steps", "50"), "1 to 20"),
        (("--rgb", "nowhere"), "no file or folder nowhere"),
    ],
)
def test_refusals_are_one_line(images, weights, capsys, more, complaint) -> None:
    assert predict(images, weights, *more) == 1
    said = capsys.readouterr().err.strip()
    assert complaint in said and "\n" not in said
    assert not (images / "out").exists()


def test_missing_partner_is_named_and_the_rest_predicted(images, weights, capsys) -> None:
    (images / "ir" / "b.png").unlink()
    assert predict(images, weights) == 1
    assert "b.png has no thermal partner" in capsys.readouterr().err
    assert [file.name for file in (images / "out" / "mask").iterdir()] == ["a.png"]


def test_convert_to_safetensors_and_back(tmp_path) -> None:
    model = create_model("paper", num_classes=15, scaled_head=True)
    save_weights(model, tmp_path / "ours.safetensors", ModelInfo("paper", 15, True))
    assert main(["convert", str(tmp_path / "ours.safetensors"), str(tmp_path / "theirs.pth")]) == 0
    assert main(["convert", str(tmp_path / "theirs.pth"), str(tmp_path / "back.safetensors")]) == 0
    from difusionseg_core.checkpoints.weights_file import load_model

    back = load_model(tmp_path / "back.safetensors").state_dict()
    assert all(torch.equal(back[name], value) for name, value in model.state_dict().items())


class _Evil:
    def __reduce__(self):
        return print, ("unpickled",)


@pytest.mark.parametrize("content", [{"state_dict": {"x": _Evil()}}, {"meta": 1}, b"no checkpoint"])
def test_convert_refuses_other_files(tmp_path, capsys, content) -> None:
    file = tmp_path / "bad.pth"
    file.write_bytes(content) if isinstance(content, bytes) else torch.save(content, file)
    assert main(["convert", str(file), str(tmp_path / "out.safetensors")]) == 1
    printed = capsys.readouterr()
    assert "bad.pth" in printed.err and "unpickled" not in printed.out
    assert not (tmp_path / "out.safetensors").exists()


def test_convert_needs_one_checkpoint_and_one_weights_file(tmp_path, capsys) -> None:
    assert main(["convert", str(tmp_path / "a.pth"), str(tmp_path / "b.pth")]) == 1
    assert ".safetensors" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["predict", "convert"])
def test_help_has_an_example(command, capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0 and "example" in capsys.readouterr().out
