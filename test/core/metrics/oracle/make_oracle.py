"""Make the oracle of the fusion metrics: small scenes, and scores computed independently.

    python test/core/metrics/oracle/make_oracle.py

Scenes come from the generator; they are committed, so a change of the generator does not change the
oracle. The scores follow the papers' formulas with NumPy, SciPy and scikit-image in float64, one
function per metric, and share no code with `difusionseg_core.metrics`.
"""

import csv
from pathlib import Path

import cv2
import numpy as np
from scipy import ndimage, signal, stats
from skimage import measure, metrics, transform

from difusionseg_core.scenes import draw

FOLDER = Path(__file__).parent
SIZE = 192, 256
SCENES = {"day": 19, "dusk": 1, "night": 10}
WANG = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
SCALE_WEIGHTS = 0.0448, 0.2856, 0.3001, 0.2363, 0.1333


def fuse(name, rgb, thermal):
    """A fused image, by another simple method for each scene."""
    warm = np.dstack([thermal] * 3)
    if name == "day":
        return np.maximum(rgb, warm)
    if name == "dusk":
        return cv2.addWeighted(rgb, 0.5, warm, 0.5, 0)
    detail = rgb.astype(np.float64) - cv2.GaussianBlur(rgb, (0, 0), 3).astype(np.float64)
    return np.clip(0.8 * warm + 0.2 * rgb + 2 * detail, 0, 255).astype(np.uint8)


def spatial_frequency(fused):
    """Eskicioglu and Fisher: root mean squares of the differences along rows and columns."""
    return np.hypot(*(np.sqrt(np.mean(np.diff(fused, axis=axis) ** 2)) for axis in (0, 1)))


def average_gradient(fused):
    """Central differences, summed over all pixels, divided by (rows - 1) (columns - 1)."""
    down, right = np.gradient(fused)
    rows, columns = fused.shape
    return np.sum(np.sqrt((down**2 + right**2) / 2)) / ((rows - 1) * (columns - 1))


def mutual_information(source, fused):
    """Qu, Zhang and Yan: in bits, of the joint histogram of 256 x 256 levels."""
    edges = np.arange(257)
    joint = np.histogram2d(source.ravel(), fused.ravel(), bins=[edges, edges])[0]
    own = (stats.entropy(joint.sum(axis=axis), base=2) for axis in (0, 1))
    return sum(own) - stats.entropy(joint.ravel(), base=2)


def correlation(a, b):
    return np.corrcoef(a.ravel(), b.ravel())[0, 1]


def information_fidelity(source, fused):
    """Sheikh and Bovik: VIF in the pixel domain, four scales."""
    shared = own = 0.0
    for scale in range(1, 5):
        side = 2 ** (5 - scale) + 1
        offset = np.arange(side) - side // 2
        line = np.exp(-(offset**2) / (2 * (side / 5) ** 2))
        window = np.outer(line, line) / line.sum() ** 2

        def mean(image, window=window):
            return signal.convolve2d(image, window, mode="valid")

        if scale > 1:
            source, fused = mean(source)[::2, ::2], mean(fused)[::2, ::2]
        mu_s, mu_f = mean(source), mean(fused)
        var_s = np.maximum(mean(source**2) - mu_s**2, 0)
        var_f = np.maximum(mean(fused**2) - mu_f**2, 0)
        covariance = mean(source * fused) - mu_s * mu_f
        gain = covariance / (var_s + 1e-10)
        noise = var_f - gain * covariance
        flat = var_s < 1e-10
        gain, noise, var_s = np.where(flat, 0, gain), np.where(flat, var_f, noise), var_s * ~flat
        gain, noise = np.where(var_f < 1e-10, 0, gain), np.where(var_f < 1e-10, 0, noise)
        noise = np.where(gain < 0, var_f, noise)
        gain, noise = np.maximum(gain, 0), np.maximum(noise, 1e-10)
        shared += np.log10(1 + gain**2 * var_s / (noise + 2)).sum()
        own += np.log10(1 + var_s / 2).sum()
    return shared / own


def edge_preservation(visible, thermal, fused):
    """Xydeas and Petrovic: Qabf with L = 1 and the constants of their letter."""

    def edges(image):
        # Zeros beyond the border. `correlate` and the sign of the kernel do not matter here.
        right = ndimage.sobel(image, axis=1, mode="constant")
        down = ndimage.sobel(image, axis=0, mode="constant")
        with np.errstate(divide="ignore", invalid="ignore"):
            angle = np.where(right == 0, np.pi / 2, np.arctan(down / right))
        return np.hypot(right, down), angle

    strength_f, angle_f = edges(fused)
    total = weight = 0.0
    for source in (visible, thermal):
        strength, angle = edges(source)
        larger, smaller = np.maximum(strength, strength_f), np.minimum(strength, strength_f)
        ratio = np.divide(smaller, larger, out=np.zeros_like(larger), where=larger > 0)
        alignment = 1 - np.abs(angle - angle_f) / (np.pi / 2)
        kept = 0.9994 / (1 + np.exp(-15 * (ratio - 0.5)))
        kept = kept * 0.9879 / (1 + np.exp(-22 * (alignment - 0.8)))
        total += np.sum(kept * strength)
        weight += np.sum(strength)
    return total / weight


def multi_scale_similarity(source, fused):
    """Wang, Simoncelli and Bovik: contrast and structure of five scales, luminance of the last."""
    product = 1.0
    for scale, weight in enumerate(SCALE_WEIGHTS):
        a, b = (transform.downscale_local_mean(image, (2**scale,) * 2) for image in (source, fused))
        # A large K1 makes the luminance term 1.
        term = metrics.structural_similarity(a, b, **WANG, K1=0.01 if scale == 4 else 1e9)
        product *= max(term, 0) ** weight
    return product


def scores(visible, thermal, fused):
    """All metrics of grey images (H, W) uint8."""
    visible, thermal, fused = (image.astype(np.float64) for image in (visible, thermal, fused))
    sources = visible, thermal
    mse = np.mean([np.mean((source - fused) ** 2) / 255**2 for source in sources])
    return {
        "EN": measure.shannon_entropy(fused.astype(np.uint8)),
        "SD": np.std(fused),
        "SF": spatial_frequency(fused),
        "AG": average_gradient(fused),
        "MI": sum(mutual_information(source, fused) for source in sources),
        "SCD": correlation(fused - visible, thermal) + correlation(fused - thermal, visible),
        "CC": np.mean([correlation(source, fused) for source in sources]),
        "VIF": sum(information_fidelity(source, fused) for source in sources),
        "Qabf": edge_preservation(visible, thermal, fused),
        "SSIM": np.mean([metrics.structural_similarity(s, fused, **WANG) for s in sources]),
        "MS_SSIM": np.mean([multi_scale_similarity(source, fused) for source in sources]),
        "PSNR": -10 * np.log10(mse),
        "MSE": mse,
    }


def main():
    rows = []
    for name, seed in SCENES.items():
        scene = draw(seed=seed, size=SIZE, condition=name)
        fused = fuse(name, scene.rgb, scene.thermal)
        for part, image in (("vi", scene.rgb), ("fused", fused)):
            cv2.imwrite(str(FOLDER / f"{name}_{part}.png"), image[..., ::-1])
        cv2.imwrite(str(FOLDER / f"{name}_ir.png"), scene.thermal)
        grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (scene.rgb, fused)]
        found = scores(grey[0], scene.thermal, grey[1])
        rows.append({"name": name} | {key: f"{value:.9g}" for key, value in found.items()})
    with (FOLDER / "expected.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
