"""Fusion metrics: known answers, independent implementations, values of a published tool."""

import csv
import math
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from difusionseg_core.metrics.fusion import fusion_metrics

KEYS = ["EN", "SD", "SF", "AG", "MI", "SCD", "CC", "VIF", "Qabf", "SSIM", "MS_SSIM", "PSNR", "MSE"]
PERFECT_QABF = 0.9994 / (1 + math.exp(-15 * 0.5)) * 0.9879 / (1 + math.exp(-22 * 0.2))

pytestmark = pytest.mark.filterwarnings("error")  # no division by zero, no logarithm of it


def triple(height=200, width=240):
    """A visible, a thermal and a fused image that share some structure and not all."""
    y, x = np.indices((height, width))
    visible = 110 + 70 * np.sin(x / 9) + 40 * np.sin((x + 2 * y) / 3.1)
    thermal = np.where((x - width / 2) ** 2 + (y - height / 2) ** 2 < height**2 / 9, 210, 40)
    thermal = thermal + 15 * np.sin(y / 5)
    fused = 0.45 * visible + 0.5 * thermal + 5 * np.sin(x * y / 50)
    return tuple(np.clip(image, 0, 255).astype(np.uint8) for image in (visible, thermal, fused))


def from_oracle(folder, name):
    """Visible RGB, thermal grey and fused RGB image of the oracle."""
    visible, fused = (
        cv2.cvtColor(cv2.imread(str(folder / part / name)), cv2.COLOR_BGR2RGB)
        for part in ("vi", "fused")
    )
    thermal = cv2.cvtColor(cv2.imread(str(folder / "ir" / name)), cv2.COLOR_BGR2GRAY)
    return visible, thermal, fused


def test_keys_and_types():
    scores = fusion_metrics(*triple())
    assert list(scores) == KEYS
    assert all(type(value) is float and math.isfinite(value) for value in scores.values())


def read_table(path):
    """Rows of a table of scores: (name, {metric: value})."""
    with path.open() as file:
        for row in csv.DictReader(file):
            yield row.pop("name"), {key: float(value) for key, value in row.items()}


def test_independent_values_of_synthetic_scenes():
    """`oracle/make_oracle.py` computed them by the papers' formulas, without this package."""
    folder = Path(__file__).parent / "oracle"
    table = list(read_table(folder / "expected.csv"))
    assert len(table) == 3
    for name, expected in table:
        visible, fused = (
            cv2.cvtColor(cv2.imread(str(folder / f"{name}_{part}.png")), cv2.COLOR_BGR2RGB)
            for part in ("vi", "fused")
        )
        thermal = cv2.imread(str(folder / f"{name}_ir.png"), cv2.IMREAD_GRAYSCALE)
        scores = fusion_metrics(visible, thermal, fused)
        assert list(expected) == KEYS
        assert scores == pytest.approx(expected, rel=1e-6), name


def test_values_of_a_published_tool(shared):
    folder = shared / "data" / "fusion_oracle"
    table = list(read_table(folder / "expected.csv"))
    assert table
    for name, expected in table:
        scores = fusion_metrics(*from_oracle(folder, name))
        scores["SF"] /= 255  # the tool scales images to 0..1 for it
        scores["PSNR"] += 20 * math.log10(255)  # and divides a peak of 255 by their MSE
        tolerance = dict.fromkeys(expected, 1e-4) | {"Qabf": 2e-3, "MI": 0.05}
        for key, value in expected.items():
            assert scores[key] == pytest.approx(value, abs=tolerance[key]), (name, key)


def test_maximum_and_average_of_real_pairs(shared):
    """Close to values of other pairs of these cameras: 0.70, 1.04 and 0.36, 0.70."""
    folder = shared / "data" / "msrs_dev" / "val"
    names = sorted(path.name for path in (folder / "vi").iterdir())[::8]
    rows = []
    for name in names:
        visible, thermal = (cv2.imread(str(folder / part / name), 0) for part in ("vi", "ir"))
        brighter = fusion_metrics(visible, thermal, np.maximum(visible, thermal))
        mean = fusion_metrics(visible, thermal, cv2.addWeighted(visible, 0.5, thermal, 0.5, 0))
        assert mean["MSE"] < brighter["MSE"]
        rows.append([scores[key] for scores in (brighter, mean) for key in ("Qabf", "VIF")])
    assert np.mean(rows, axis=0) == pytest.approx([0.70, 1.04, 0.36, 0.70], abs=0.1)


def test_values_do_not_change():
    expected = {
        "EN": 7.43643,
        "SD": 46.3568,
        "SF": 15.1345,
        "AG": 6.73556,
        "MI": 3.03472,
        "SCD": 1.33416,
        "CC": 0.686758,
        "VIF": 0.418071,
        "Qabf": 0.322200,
        "SSIM": 0.481450,
        "MS_SSIM": 0.574542,
        "PSNR": 14.1313,
        "MSE": 0.0386252,
    }
    assert fusion_metrics(*triple()) == pytest.approx(expected, rel=1e-3)


def test_equal_images():
    image = triple()[0]
    scores = fusion_metrics(image, image, image)
    assert scores["MI"] == pytest.approx(2 * scores["EN"])
    assert scores["PSNR"] == math.inf
    known = {"SCD": 0, "CC": 1, "VIF": 2, "Qabf": PERFECT_QABF, "SSIM": 1, "MS_SSIM": 1, "MSE": 0}
    assert {key: scores[key] for key in known} == pytest.approx(known, abs=1e-6)


@pytest.mark.parametrize("level", [0, 77, 255])
def test_constant_images(level):
    image = np.full((48, 64), level, np.uint8)
    scores = fusion_metrics(image, image, image)
    known = dict.fromkeys(KEYS, 0.0) | {"SSIM": 1.0, "MS_SSIM": 1.0, "PSNR": math.inf}
    # Pixels beyond the border are black, so the border of a bright image is an edge.
    known["Qabf"] = PERFECT_QABF if level else 0.0
    assert scores == pytest.approx(known, abs=1e-6)


def test_a_constant_source_adds_no_shared_information():
    visible = triple()[0]
    black = np.zeros_like(visible)
    scores = fusion_metrics(visible, black, visible)
    assert scores["MI"] == pytest.approx(scores["EN"])
    assert scores["CC"] == pytest.approx(0.5)
    assert scores["VIF"] == pytest.approx(1)
    assert scores["SCD"] == pytest.approx(1)
    assert scores["Qabf"] == pytest.approx(PERFECT_QABF)


def test_two_levels_side_by_side():
    """Every value by hand: the left half 0, the right half 100."""
    fused = np.zeros((32, 40), np.uint8)
    fused[:, 20:] = 100
    black = np.zeros_like(fused)
    scores = fusion_metrics(black, fused, fused)
    assert scores["EN"] == pytest.approx(1)
    assert scores["SD"] == pytest.approx(50)
    assert scores["SF"] == pytest.approx(100 / math.sqrt(39))
    # Central differences see the step from both sides, 50 a pixel.
    assert scores["AG"] == pytest.approx(32 * 2 * 50 / math.sqrt(2) / (31 * 39))
    assert scores["MI"] == pytest.approx(1)
    assert scores["CC"] == pytest.approx(0.5)
    assert scores["SCD"] == pytest.approx(1)
    assert scores["MSE"] == pytest.approx((100 / 255) ** 2 / 2 / 2)
    assert scores["PSNR"] == pytest.approx(-10 * math.log10(scores["MSE"]))


def test_an_inverted_image_preserves_nothing():
    image = triple()[0]
    scores = fusion_metrics(image, image, 255 - image)
    assert scores["CC"] == pytest.approx(-1)
    assert scores["VIF"] == pytest.approx(0, abs=1e-6)
    assert scores["SSIM"] < 0 and scores["MS_SSIM"] == 0


def test_noise_lowers_every_comparison():
    visible, thermal, fused = triple()
    y, x = np.indices(fused.shape)
    noise = (x * 7919 + y * 104729 + x * y * 31) % 81 - 40
    noisy = np.clip(fused + noise, 0, 255).astype(np.uint8)
    clean, spoilt = (fusion_metrics(visible, thermal, image) for image in (fused, noisy))
    for key in ("MI", "CC", "VIF", "Qabf", "SSIM", "MS_SSIM", "PSNR"):
        assert spoilt[key] < clean[key], key
    for key in ("MSE", "AG", "SF"):
        assert spoilt[key] > clean[key], key


def test_the_order_of_the_sources_does_not_matter():
    visible, thermal, fused = triple()
    assert fusion_metrics(visible, thermal, fused) == pytest.approx(
        fusion_metrics(thermal, visible, fused), rel=1e-12
    )


def test_colour_counts_as_its_brightness():
    visible, thermal, fused = triple()
    colour = np.dstack([visible, visible[::-1], visible[:, ::-1]])
    red, green, blue = (colour[..., channel].astype(float) for channel in range(3))
    grey = np.rint(0.299 * red + 0.587 * green + 0.114 * blue).astype(np.uint8)
    grey_scores = fusion_metrics(grey, thermal, fused)
    # OpenCV's fixed-point sum may round a pixel the other way.
    assert fusion_metrics(colour, thermal, fused) == pytest.approx(grey_scores, rel=1e-3)
    assert fusion_metrics(visible, thermal, np.dstack([fused] * 3)) == fusion_metrics(
        visible, thermal, fused
    )


WANG = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}


def test_scikit_image_agrees():
    measure = pytest.importorskip("skimage.measure")
    metrics = pytest.importorskip("skimage.metrics")
    visible, thermal, fused = triple()
    scores = fusion_metrics(visible, thermal, fused)
    sources = visible, thermal
    ssim = [metrics.structural_similarity(source, fused, **WANG) for source in sources]
    mse = [metrics.mean_squared_error(source / 255, fused / 255) for source in sources]
    assert scores["EN"] == pytest.approx(measure.shannon_entropy(fused))
    assert scores["SSIM"] == pytest.approx(np.mean(ssim))
    assert scores["MSE"] == pytest.approx(np.mean(mse))
    one_source = fusion_metrics(visible, visible, fused)["PSNR"]
    assert one_source == pytest.approx(metrics.peak_signal_noise_ratio(visible, fused))


def test_scikit_image_agrees_scale_by_scale():
    metrics = pytest.importorskip("skimage.metrics")
    transform = pytest.importorskip("skimage.transform")
    visible, thermal, fused = triple(192, 256)
    products = []
    for source in (visible, thermal):
        product = 1.0
        for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
            a, b = (
                transform.downscale_local_mean(image, (2**scale,) * 2) for image in (source, fused)
            )
            # A large K1 leaves luminance out of it.
            term = metrics.structural_similarity(a, b, **WANG, K1=0.01 if scale == 4 else 1e9)
            product *= term**weight
        products.append(product)
    assert fusion_metrics(visible, thermal, fused)["MS_SSIM"] == pytest.approx(np.mean(products))


@pytest.mark.filterwarnings("default")  # its imports may warn
def test_torchmetrics_agrees():
    torch = pytest.importorskip("torch")
    image = pytest.importorskip("torchmetrics.functional.image")
    images = triple()
    visible, thermal, fused = (torch.from_numpy(grey)[None, None].double() for grey in images)
    vif = [float(image.visual_information_fidelity(fused, source)) for source in (visible, thermal)]
    assert fusion_metrics(*images)["VIF"] == pytest.approx(sum(vif), rel=1e-6)


@pytest.mark.parametrize("size", [(17, 17), (17, 300), (40, 41), (175, 177)])
def test_small_and_odd_sizes(size):
    scores = fusion_metrics(*triple(*size))
    assert all(math.isfinite(value) for value in scores.values())
    same = triple(*size)[0]
    assert fusion_metrics(same, same, same)["VIF"] == pytest.approx(2)


GREY = np.zeros((32, 32), np.uint8)


@pytest.mark.parametrize(
    ("images", "complaint"),
    [
        (
            (GREY.astype(np.float32), GREY, GREY),
            "visible image must be a uint8 array, not float32",
        ),
        ((GREY, GREY.astype(np.uint16), GREY), "thermal image must be a uint8 array, not uint16"),
        ((GREY, GREY, None), "fused image must be a uint8 array, not NoneType"),
        (
            (GREY, np.dstack([GREY] * 3), GREY),
            r"thermal image must be \(H, W\), not \(32, 32, 3\)",
        ),
        ((np.dstack([GREY] * 4), GREY, GREY), r"visible .* or \(H, W, 3\), not \(32, 32, 4\)"),
        ((GREY, GREY, GREY[:31]), r"one size .* visible \(32, 32\), .* fused \(31, 32\)"),
        ((GREY[:16], GREY[:16], GREY[:16]), r"\(16, 32\) are too small .* at least 17 pixels"),
        ((GREY[:0], GREY[:0], GREY[:0]), "too small"),
    ],
)
def test_bad_input_is_named_in_one_line(images, complaint):
    with pytest.raises(ValueError, match=complaint) as caught:
        fusion_metrics(*images)
    assert "\n" not in str(caught.value)


def test_inputs_are_not_changed():
    images = triple()
    before = [image.copy() for image in images]
    fusion_metrics(*images)
    assert all((image == copy).all() for image, copy in zip(images, before, strict=True))


def test_a_vga_triple_takes_a_few_seconds():
    """About 0.5 s of a core of 2021; the bound leaves room for slow processors."""
    images = triple(480, 640)
    fusion_metrics(*images)
    start = time.process_time()  # of all threads, so a busy machine does not matter
    fusion_metrics(*images)
    assert time.process_time() - start < 5.0
