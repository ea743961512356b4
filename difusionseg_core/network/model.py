r"""The network: backbone, neck, fusion module and denoising decoder, joined.

    image -> backbone -> neck -> features --------------------+-> guide -> decoder, several steps
        \--------------------------> fusion module -> fused --+               ^      |
                                                               noise, classes +------+-> logits

Two sizes are built from the same parts: `paper` is the published network, `lite` the real-time one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from difusionseg_core.classes import IGNORE, label_set_of
from difusionseg_core.network.denoising import diffusion
from difusionseg_core.network.denoising.decoder import Decoder
from difusionseg_core.network.denoising.schedule import time_steps
from difusionseg_core.network.denoising.time_embedding import TimeEmbedding
from difusionseg_core.network.encoder.convnext import ConvNeXt
from difusionseg_core.network.encoder.neck import MergedPyramid
from difusionseg_core.network.encoder.two_path import DetailRefinement, TwoPathBackbone, TwoPathNeck
from difusionseg_core.network.heads.classifier import pointwise_classifier, scaled_classifier
from difusionseg_core.network.heads.fusion_module import FusionModule
from difusionseg_core.network.heads.luma_fusion import LumaFusion
from difusionseg_core.network.heads.object_head import ObjectHead, ObjectMaps
from difusionseg_core.network.layers import conv_norm, in_float32, resize
from difusionseg_core.network.preprocessing import SIZE_MULTIPLE

CODE_SCALE = 0.01
"""Amplitude of the class code relative to noise of deviation 1 ("bit scale"), as in the paper."""


@dataclass(frozen=True)
class Output:
    """Outputs of the network.

    `fused` (B, 3, H, W) RGB in 0..1 and `logits` (B, K, H, W) of the last step; `objects` if the
    model has a head for them.
    """

    fused: Tensor
    logits: Tensor
    objects: ObjectMaps | None = None


@dataclass(frozen=True)
class Encoded:
    """Intermediate results that are the same in all diffusion steps.

    `fused` (B, 3, H, W); `features` (B, dim, h, w), the neck's merged map; `detail`
    (B, dim, H/4, W/4), its finest level; `guide` (B, dim, h, w), features joined with the fused
    image; `joined_guide` (B, dim, h, w), the guide's share of its sum with any state.
    """

    fused: Tensor
    features: Tensor
    detail: Tensor
    guide: Tensor
    joined_guide: Tensor

    def repeated(self, times: int) -> Encoded:
        """Return each image's encoding for `times` noises at once; of one image without copies."""
        return Encoded(
            *(
                value[:, None].expand(-1, times, -1, -1, -1).flatten(0, 1)
                for value in vars(self).values()
            )
        )


class DiFusionSeg(nn.Module):
    """DiFusionSeg (Wang et al., Knowledge-Based Systems 2025), from parts that set its size.

    The decoder works at `stride`, on h = ceil(H / stride) rows. If that is coarser than 4,
    `refinement` computes the final logits at stride 4. Classes are computed at every
    `label_stride`-th pixel; the finer logits of `forward` are interpolated. `objects` finds boxes
    in the neck's output, independently of the diffusion.
    """

    def __init__(
        self,
        backbone: nn.Module,
        neck: MergedPyramid | TwoPathNeck,
        fusion: FusionModule | LumaFusion,
        decoder: Decoder,
        classifier: nn.Module,
        refinement: nn.Module | None,
        dim: int,
        num_classes: int,
        steps: int,
        schedule: str,
        label_stride: int = 1,
        objects: ObjectHead | None = None,
    ) -> None:
        super().__init__()
        self.label_stride = label_stride
        self.dim = dim
        self.num_classes = num_classes
        self.label_set = label_set_of(num_classes)  # callers that know the names replace it
        self.steps = steps
        self.schedule = schedule
        self.stride = neck.stride
        self.backbone = backbone
        self.neck = neck
        self.fusion = fusion
        self.fusion_down = nn.Sequential(
            nn.Conv2d(3, dim, 3, stride=self.stride // fusion.reduction, padding=1),
            nn.ReLU(inplace=True),
        )
        # One layer in two roles, with the same weights: it joins the features with the fused
        # image, and the guide with the noisy state.
        self.join = nn.Conv2d(2 * dim, dim, 1)
        nn.init.kaiming_normal_(self.join.weight, mode="fan_out", nonlinearity="relu")
        assert self.join.bias is not None
        nn.init.zeros_(self.join.bias)
        self.time_embedding = TimeEmbedding(dim)
        self.class_embedding = nn.Embedding(
            num_classes + 1, dim
        )  # the last row stands for "ignore"
        self.decoder = decoder
        self.classifier = classifier
        self.refinement = refinement
        self.objects = objects
        self.auxiliary = nn.Sequential(  # a second classifier, on the features, for training only
            *conv_norm(dim, dim, 3, groups=None),
            nn.ReLU(inplace=True),
            nn.Dropout2d(0.1),
            nn.Conv2d(dim, num_classes, 1),
        )

    def forward(
        self, image: Tensor, noise: Tensor | None = None, timesteps: int | None = None
    ) -> Output:
        """Fuse and segment.

        `image` (B, 4, H, W) float32: normalised RGB and thermal, see `preprocessing.normalize`.
        `noise` (B, dim, h, w) starts the sampler; drawn if None. `timesteps` is 1 to 20, the
        model's own `steps` if None. Raises ValueError for sizes that are not multiples of 4,
        types other than float32, and values that are not finite.
        """
        check_image(image)
        encoded = self.encode(image)
        *_, features = self.denoise(encoded, noise, timesteps)
        logits = self.segment(features, encoded)
        return Output(encoded.fused, resize(logits, image.shape[-2:]), self.find_objects(encoded))

    def encode(self, image: Tensor) -> Encoded:
        """Compute everything before the diffusion."""
        features, detail = self.neck(self.backbone(image))
        fused, seen = self.fusion(features, image)
        guide = self.join(torch.cat([features, self.fusion_down(seen)], dim=1))
        # The guide is later joined with every state: its share of that is computed here, once.
        joined_guide = nn.functional.conv2d(guide, self.join.weight[:, : self.dim], self.join.bias)
        return Encoded(fused, features, detail, guide, joined_guide)

    def denoise(
        self, encoded: Encoded, noise: Tensor | None = None, timesteps: int | None = None
    ) -> Iterator[Tensor]:
        """Yield the decoder's features (B, dim, h, w) of every diffusion step."""
        if noise is None:
            noise = torch.randn_like(encoded.guide)
        elif noise.shape != encoded.guide.shape:
            raise ValueError(
                f"noise must be {tuple(encoded.guide.shape)}, not {tuple(noise.shape)}"
            )
        times = time_steps(timesteps or self.steps, self.schedule)
        return diffusion.denoise(
            lambda state, level: self.decode(encoded, state, level),
            lambda features: in_float32(self.classifier, features),
            self.encode_classes,
            noise,
            times,
        )

    def noise_shape(self, image: Tensor) -> tuple[int, int, int, int]:
        """Return (B, dim, h, w) of the noise that starts the sampler for an image (B, 4, H, W)."""
        rows, columns = (-(-side // self.stride) for side in image.shape[-2:])
        return len(image), self.dim, rows, columns

    def decode(self, encoded: Encoded, state: Tensor, level: Tensor) -> Tensor:
        """Do one denoising step: the decoder's features for a state at noise `level` (B,)."""
        on_state = self.join.weight[:, self.dim :]
        x = nn.functional.conv2d(state, on_state) + encoded.joined_guide
        return self.decoder(x, self.time_embedding(level))

    def segment(self, features: Tensor, encoded: Encoded) -> Tensor:
        """Map the decoder's features to the final logits (B, K, H/4, W/4)."""
        if self.refinement is None:
            return in_float32(self.classifier, features)
        return self.refinement(features, encoded.detail)

    def find_objects(self, encoded: Encoded) -> ObjectMaps | None:
        """Find objects; None if the model has no head for them."""
        if self.objects is None:
            return None
        return self.objects(encoded.features, encoded.detail)

    def encode_classes(self, labels: Tensor) -> Tensor:
        """Map class ids (B, h, w), 255 for ignored pixels, to their code (B, dim, h, w)."""
        rows = labels.long().masked_fill(labels == IGNORE, self.num_classes)
        codes = (2 * self.class_embedding.weight.sigmoid() - 1) * CODE_SCALE
        return nn.functional.embedding(rows, codes).permute(0, 3, 1, 2)


def create_model(
    name: str, num_classes: int = 9, scaled_head: bool = False, objects: bool = False
) -> DiFusionSeg:
    """Build a network, without trained weights.

    `name` is "paper", the published network, or "lite", the real-time one. `scaled_head` gives
    `paper` the classifier that the authors use for the data set MFD; `objects` gives `lite` a head
    that finds persons, bikes and cars as boxes. Raises ValueError for another name, and for
    `paper` with `objects`.

    >>> create_model("lite").eval()(torch.zeros(1, 4, 64, 96)).logits.shape
    torch.Size([1, 9, 64, 96])
    """
    if name == "paper" and objects:
        raise ValueError("model 'paper' has no object head; use 'lite'")
    if name == "paper":
        return _paper(num_classes, scaled_head)
    if name == "lite":
        return _lite(num_classes, objects)
    raise ValueError(f"model '{name}' is unknown; use 'paper' or 'lite'")


def _paper(num_classes: int, scaled_head: bool) -> DiFusionSeg:
    dim = 256
    backbone = ConvNeXt()
    classifier = scaled_classifier if scaled_head else pointwise_classifier
    return DiFusionSeg(
        backbone=backbone,
        neck=MergedPyramid(backbone.widths, dim),
        fusion=FusionModule(dim),
        decoder=Decoder(dim, layers=6, heads=8, points=4, hidden=1024),
        classifier=classifier(dim, num_classes),
        refinement=None,
        dim=dim,
        num_classes=num_classes,
        steps=3,
        schedule="published",
    )


def _lite(num_classes: int, objects: bool) -> DiFusionSeg:
    dim = 64
    return DiFusionSeg(
        backbone=TwoPathBackbone(),
        neck=TwoPathNeck(dim),
        fusion=LumaFusion(dim),
        decoder=Decoder(dim, layers=2, heads=4, points=4, hidden=128),
        classifier=pointwise_classifier(dim, num_classes),
        refinement=DetailRefinement(dim, num_classes),
        dim=dim,
        num_classes=num_classes,
        steps=1,
        schedule="chained",
        objects=ObjectHead(dim) if objects else None,
        label_stride=2,  # as fine as it is trained; full size costs a tenth of the time
    )


def check_image(image: Tensor) -> None:
    """Raise ValueError, in one line, for an image that the network cannot take."""
    if image.ndim != 4 or image.shape[1] != 4:
        raise ValueError(f"the image must be (batch, 4, height, width), not {tuple(image.shape)}")
    height, width = image.shape[-2:]
    if height % SIZE_MULTIPLE or width % SIZE_MULTIPLE or not height or not width:
        raise ValueError(
            f"height and width must be multiples of {SIZE_MULTIPLE}, not {height}x{width}; "
            "pad the image, as Predictor does"
        )
    if image.dtype != torch.float32:
        raise ValueError(f"the image must be float32, not {image.dtype}")
    if not torch.isfinite(image).all():
        raise ValueError("the image holds values that are not finite")
