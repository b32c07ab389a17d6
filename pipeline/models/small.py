"""The small network: a mobile encoder and a light pyramid head, for laptops and for tests of whole rounds.

The head joins two published ideas: the top-down pyramid of FPN (Lin et al., CVPR 2017) and the image-level gate of
LR-ASPP (Howard et al., MobileNetV3, ICCV 2019). Where we differ: LR-ASPP dilates the last stage and has logits
at stride 8; here the last stage keeps stride 32 (a quarter of the multiplications there) and logits are at stride 4,
which keeps the borders of large classes and gives thin ones (pole, sign) a pixel at all at 128x256 input.
"""

# N batch, C class, H/W pixels, h/w pixels at stride 4, D feature channels

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.base import Preprocessing, SegmentationModel, Upsample
from pipeline.models.encoders import Encoder

HEAD_CHANNELS = 96
NORM_GROUPS = 8


class Separable(nn.Module):
    """3x3 in each channel, 1x1 across channels, normalised and rectified.

    Normalisation is by groups of channels, not by batch: the head is never pre-trained, so frozen statistics would
    leave it without any.
    """

    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(HEAD_CHANNELS, HEAD_CHANNELS, 3, padding=1, groups=HEAD_CHANNELS, bias=False)
        self.pointwise = nn.Conv2d(HEAD_CHANNELS, HEAD_CHANNELS, 1, bias=False)
        self.norm = nn.GroupNorm(NORM_GROUPS, HEAD_CHANNELS)

    def forward(self, input_NDhw: Tensor) -> Tensor:
        """Return features of the same shape."""
        return functional.relu(self.norm(self.pointwise(self.depthwise(input_NDhw))))


class PyramidHead(nn.Module):
    """Gates the coarsest features by the image's mean, adds finer ones level by level, classifies at stride 4."""

    def __init__(self, channels: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(level, HEAD_CHANNELS, 1) for level in channels)
        self.gate = nn.Conv2d(channels[-1], HEAD_CHANNELS, 1)
        self.refine = nn.Sequential(Separable(), Separable())
        self.classify = nn.Conv2d(HEAD_CHANNELS, classes, 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return logits (N, C, h, w) of features from fine to coarse."""
        gate_ND11 = self.gate(features[-1].mean(dim=(2, 3), keepdim=True)).sigmoid()
        merged_NDhw = self.lateral[-1](features[-1]) * gate_ND11
        for level in range(len(features) - 2, -1, -1):
            finer_NDhw = self.lateral[level](features[level])
            # To the finer level's exact size, so that no input size has to be a multiple of 32.
            merged_NDhw = finer_NDhw + functional.interpolate(merged_NDhw, size=finer_NDhw.shape[-2:], mode="bilinear")
        return cast(Tensor, self.classify(self.refine(merged_NDhw)))


class SmallModel(SegmentationModel):
    """Encoder and `PyramidHead`: logits at stride 4; an optional second head has them at stride 16."""

    HEAD_PARTS = frozenset({"head", "auxiliary"})

    def __init__(self, classes: int, encoder: Encoder, heads: int, preprocessing: Preprocessing) -> None:
        super().__init__(classes, preprocessing, Upsample(align_corners=False))
        self.encoder = encoder
        self.head = PyramidHead(self.encoder.channels, classes)
        self.auxiliary = nn.Conv2d(self.encoder.channels[2], classes, 1) if heads == 2 else None

    def forward_with_front(self, input_N3HW: Tensor) -> tuple[Tensor, Tensor | None, tuple[Tensor, ...]]:
        """Forward pass; the front blocks end where the encoder is tapped at strides 4 and 8, the last at 32."""
        # Pixels with their channels together: 10 to 30 % off the time of a training step on a CPU.
        features = self.encoder(input_N3HW.contiguous(memory_format=torch.channels_last))
        auxiliary_NChw = None if self.auxiliary is None else self.auxiliary(features[2]).contiguous()
        # Back to planes: the up-sampling of stored logits, which are planes, must equal that of fresh ones bit for bit.
        return self.head(features).contiguous(), auxiliary_NChw, (features[0], features[1], features[-1])

    def classifiers(self) -> list[nn.Conv2d]:
        """Return the convolutions that give class scores."""
        return [self.head.classify] + ([] if self.auxiliary is None else [self.auxiliary])
