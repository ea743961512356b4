"""One thermal camera's images to 8-bit grey, frame after frame: crop, palette, range, black-hot.

The node, evaluations of recordings and single files convert alike:

    convert = ThermalConversion(ThermalOptions(mode="percentile", crop=(2, 0, 0, 0)))
    grey = convert(thermal_pixels(message))
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from difusionseg_core.imaging.bad_image import BadImage
from difusionseg_core.imaging.thermal.normalizer import ThermalNormalizer
from difusionseg_core.imaging.thermal.palettes import (
    AUTO,
    GREY,
    PALETTES,
    UNKNOWN,
    find_palette,
    matches,
    thermal_grey,
)

PALETTE_CHOICES = (AUTO, GREY, *PALETTES)


@dataclass(frozen=True)
class ThermalOptions:
    """Conversion of thermal images to grey; as the node's parameters `thermal_...`.

    `mode` "auto" leaves 8-bit images as they are and scales others as "percentile"; the other
    modes, `low` and `high` are those of ThermalNormalizer. `palette` is one of PALETTE_CHOICES,
    `invert` is for cameras that show hot as black, `crop` the number of rows and columns that are
    cut off at top, bottom, left and right before anything else.
    """

    mode: str = AUTO
    low: float = 0.0
    high: float = 255.0
    palette: str = AUTO
    invert: bool = False
    crop: tuple[int, ...] = (0, 0, 0, 0)


@dataclass
class ThermalConversion:
    """Callable: (H, W) counts or (H, W, 3) uint8 RGB pseudo-colours to (h, w) uint8 grey.

    `palette` is the one in use: a name, "grey", "" for colours of no known palette, or None while
    no image had colours. Once found it is kept while the colours match it. Raises ValueError for
    options that cannot be, and BadImage for images that they leave nothing of.
    """

    options: ThermalOptions
    palette: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.options.palette not in PALETTE_CHOICES:
            raise ValueError(
                f"thermal palette '{self.options.palette}' is unknown; use one of "
                f"{', '.join(PALETTE_CHOICES)}"
            )
        if len(self.options.crop) != 4 or min(self.options.crop) < 0:
            raise ValueError(
                f"thermal crop is {self.options.crop}; it must be 4 numbers of rows and columns: "
                "top, bottom, left, right"
            )
        mode = "percentile" if self.options.mode == AUTO else self.options.mode
        self._normalize = ThermalNormalizer(
            mode, self.options.low, self.options.high, invert=self.options.invert
        )

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Convert to (h, w) uint8; the frame influences the range of later ones."""
        image = cropped(image, self.options.crop)
        if image.ndim == 3:
            image = thermal_grey(image, self._palette_of(image) or GREY)
        if self.options.mode == AUTO and image.dtype == np.uint8:
            return 255 - image if self.options.invert else image
        return self._normalize(image)

    @property
    def warning(self) -> str:
        """A warning about the images, in one line; empty if there is none."""
        if self.palette != UNKNOWN:
            return ""
        return (
            "thermal colours match no known palette, their luma is taken; set the camera to grey, "
            "or the parameter thermal_palette to a name or to grey"
        )

    def _palette_of(self, image: np.ndarray) -> str:
        if self.options.palette != AUTO:
            self.palette = self.options.palette
        elif self.palette is None or (
            # A uniform frame, such as a closed shutter gives, decides nothing.
            not matches(image, self.palette) and _has_variety(image)
        ):
            self.palette = find_palette(image)
        return self.palette


def cropped(image: np.ndarray, crop: tuple[int, ...]) -> np.ndarray:
    """Cut `crop` rows and columns off top, bottom, left and right. Raises BadImage."""
    if not any(crop):
        return image
    top, bottom, left, right = crop
    height, width = image.shape[:2]
    if top + bottom >= height or left + right >= width:
        raise BadImage(
            f"thermal_crop {list(crop)} leaves nothing of the {width}x{height} pixels of the image"
        )
    return np.ascontiguousarray(image[top : height - bottom, left : width - right])


def _has_variety(image: np.ndarray) -> bool:
    sample = image[::8, ::8].reshape(-1, 3)
    return bool(np.ptp(np.percentile(sample, (5, 95), axis=0), axis=0).max() > 8)
