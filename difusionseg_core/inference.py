"""The network as the predictor runs it: from a normalised image to pictures, in one graph.

Everything after the input is inside, so that an exported graph does all of it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from difusionseg_core.model import DiFusionSeg
from difusionseg_core.network.layers import resize


class InferenceGraph(nn.Module):
    """`image` (1, 4, H, W), `noise` (R, dim, h, w) -> fused, labels, confidence.

    `fused` is (H, W, 3) uint8 RGB, rounded; `labels` (H, W) uint8; `confidence` (H, W) float32 in
    0..1, the probability of the class chosen. Several noises (R > 1) are denoised side by side and
    their probabilities averaged, so that where they disagree the confidence falls.
    """

    def __init__(self, model: DiFusionSeg) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, noise: Tensor, steps: int) -> tuple[Tensor, Tensor, Tensor]:
        encoded = self.model.encode(image)
        repeated = encoded.repeated(len(noise))
        *_, features = self.model.denoise(repeated, noise, steps)
        logits = resize(self.model.segment(features, repeated).float(), image.shape[-2:])
        fused = (encoded.fused[0] * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)
        if len(noise) == 1:
            best, labels = logits[0].max(dim=0)
            confidence = 1 / (logits[0] - best).exp().sum(dim=0)
        else:
            confidence, labels = logits.softmax(dim=1).mean(dim=0).max(dim=0)
        return fused, labels.to(torch.uint8), confidence
