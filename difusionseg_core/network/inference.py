"""The network for the predictor: from camera images to result images, in one graph.

It includes pre- and postprocessing, so that an exported graph does all of it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from difusionseg_core.network.layers import double_in_phases, join_phases, resize
from difusionseg_core.network.model import DiFusionSeg, Encoded
from difusionseg_core.network.preprocessing import IMAGE_MEAN, IMAGE_STD


class InferenceGraph(nn.Module):
    """`rgb` (B, H, W, 3), `thermal` (B, H, W) uint8, `noise` (B * R, dim, h, w) -> three images.

    H and W are multiples of 4. Out come `fused` (B, H, W, 3) uint8 RGB, rounded; `labels` (B, H/s,
    W/s) uint8; `confidence` (B, H/s, W/s) float32 in 0..1, the probability of the class chosen; s
    is the model's `label_stride`. The R noises of a pair are denoised side by side and their
    probabilities averaged, so that the confidence is lower where they disagree.

    A model with an object head adds `peaks` (B, 3, H/4, W/4) float32 and `extents`
    (B, 4, H/4, W/4) float32, from which `objects.find_objects` makes a list.
    """

    def __init__(self, model: DiFusionSeg) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, rgb: Tensor, thermal: Tensor, noise: Tensor, steps: int
    ) -> tuple[Tensor, ...]:
        """Fuse and segment: see the class for shapes."""
        fused, encoded, objects = self.encode(rgb, thermal, noise)
        *_, features = self.model.denoise(encoded, noise, steps)
        return fused, *self.classify(features, encoded, fused), *objects

    def encode(
        self, rgb: Tensor, thermal: Tensor, noise: Tensor
    ) -> tuple[Tensor, Encoded, tuple[Tensor, ...]]:
        """Return the fused image, the encoding repeated for each noise, and the object maps."""
        encoded = self.model.encode(_normalize(rgb, thermal))
        fused = (encoded.fused * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
        maps = self.model.find_objects(encoded)
        objects = () if maps is None else (maps.peaks(), maps.extent)
        return fused, encoded.repeated(noise.shape[0] // rgb.shape[0]), objects

    def classify(self, features: Tensor, encoded: Encoded, fused: Tensor) -> tuple[Tensor, Tensor]:
        """Map the decoder's last features to labels and confidence."""
        batch, height, width = fused.shape[:3]
        every = self.model.label_stride
        logits = self.model.segment(features, encoded).float()
        if every == 2:
            phases = double_in_phases(logits)
            labels, confidence = _best(phases.flatten(2), batch)
            shape = (batch, 4, *logits.shape[-2:])
            return join_phases(labels.view(shape)), join_phases(confidence.view(shape))
        shape = (batch, height // every, width // every)
        labels, confidence = _best(resize(logits, shape[1:]).flatten(2), batch)
        return labels.view(shape), confidence.view(shape)


def _best(logits: Tensor, batch: int) -> tuple[Tensor, Tensor]:
    """Map logits (B * R, K, N) to labels (B, N) uint8 and their probabilities (B, N).

    Pixels have one dimension only, because the maximum is then found faster.
    """
    if len(logits) == batch:
        best, labels = logits.max(dim=1)
        return labels.to(torch.uint8), 1 / (logits - best[:, None]).exp().sum(dim=1)
    probabilities = logits.softmax(dim=1)
    probabilities = probabilities.view(batch, -1, *probabilities.shape[1:])
    confidence, labels = probabilities.mean(dim=1).max(dim=1)
    return labels.to(torch.uint8), confidence


def _normalize(rgb: Tensor, thermal: Tensor) -> Tensor:
    # (B, 4, H, W) float32; the same arithmetic as `preprocessing.normalize`
    image = torch.cat([rgb.permute(0, 3, 1, 2).float(), thermal[:, None].float()], dim=1)
    mean, scale = (
        image.new_tensor(values).view(4, 1, 1)
        for values in (IMAGE_MEAN, [1 / s for s in IMAGE_STD])
    )
    return (image - mean) * scale
