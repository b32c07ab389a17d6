"""FCN-8s on VGG-16, as BDL and LSE use it.

Long et al., "Fully convolutional networks" (CVPR 2015), in the "at once" form: pool4 and pool3 are scaled so that one
training run learns all strides. Attribute names give the authors' state-dict keys. Where we differ: the authors always
start from a stored checkpoint; ours may also start from He's initialisation.
"""

# N batch, C class, H/W pixels, h/w pixels of a coarser level, D feature channels

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.base import Preprocessing, SegmentationModel

# Width and number of the 3x3 convolutions between two pools.
VGG_LEVELS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
FC_CHANNELS = 4096
# The first convolution pads by 100, so that even small images survive five pools and the 7x7 `fc6`. The crops below are
# the image's position in the level's scores.
FIRST_PADDING = 100
CROP_POOL4, CROP_POOL3, CROP_IMAGE = 5, 9, 31
SCALE_POOL4, SCALE_POOL3 = 0.01, 0.0001


class FCN8s(SegmentationModel):
    """Logits at image size, from learned scores at strides 32, 16 and 8 and fixed bilinear deconvolutions."""

    HEAD_PARTS = frozenset({"score_fr", "score_pool3", "score_pool4"})

    def __init__(self, classes: int, preprocessing: Preprocessing) -> None:
        super().__init__(classes, preprocessing, upsample=None)
        channels = 3
        for level, (width, convolutions) in enumerate(VGG_LEVELS, start=1):
            for index in range(1, convolutions + 1):
                padding = FIRST_PADDING if channels == 3 else 1
                self.add_module(f"conv{level}_{index}", nn.Conv2d(channels, width, 3, padding=padding))
                channels = width
        self.fc6 = nn.Conv2d(channels, FC_CHANNELS, 7)
        self.fc7 = nn.Conv2d(FC_CHANNELS, FC_CHANNELS, 1)
        self.score_fr = nn.Conv2d(FC_CHANNELS, classes, 1)
        self.score_pool3 = nn.Conv2d(VGG_LEVELS[2][0], classes, 1)
        self.score_pool4 = nn.Conv2d(VGG_LEVELS[3][0], classes, 1)
        self.upscore2 = _deconvolution(classes, factor=2)
        self.upscore8 = _deconvolution(classes, factor=8)
        self.upscore_pool4 = _deconvolution(classes, factor=2)

    def forward_with_front(self, input_N3HW: Tensor) -> tuple[Tensor, Tensor | None, tuple[Tensor, ...]]:
        """Forward pass; the front blocks end in the first two pools (64 and 128 channels, strides 2 and 4).

        The last features are pool 5's. The border that the first convolution's padding adds is part of their features.
        """
        pool1_NDhw, pool2_NDhw, pool3_NDhw, pool4_NDhw, pool5_NDhw = self._pools(input_N3HW)
        feature_NDhw = functional.dropout2d(functional.relu(self.fc6(pool5_NDhw)), training=self.training)
        feature_NDhw = functional.dropout2d(functional.relu(self.fc7(feature_NDhw)), training=self.training)
        score_NChw = self.upscore2(self.score_fr(feature_NDhw))
        score_NChw = score_NChw + _crop(self.score_pool4(pool4_NDhw * SCALE_POOL4), CROP_POOL4, score_NChw.shape)
        score_NChw = self.upscore_pool4(score_NChw)
        score_NChw = score_NChw + _crop(self.score_pool3(pool3_NDhw * SCALE_POOL3), CROP_POOL3, score_NChw.shape)
        logits_NCHW = _crop(self.upscore8(score_NChw), CROP_IMAGE, input_N3HW.shape)
        return logits_NCHW, None, (pool1_NDhw, pool2_NDhw, pool5_NDhw)

    def _pools(self, input_N3HW: Tensor) -> list[Tensor]:
        feature_NDhw = input_N3HW
        pools: list[Tensor] = []
        for level, (_, convolutions) in enumerate(VGG_LEVELS, start=1):
            for index in range(1, convolutions + 1):
                convolution = cast(nn.Conv2d, self.get_submodule(f"conv{level}_{index}"))
                feature_NDhw = functional.relu(convolution(feature_NDhw), inplace=True)
            feature_NDhw = functional.max_pool2d(feature_NDhw, 2, 2, ceil_mode=True)
            pools.append(feature_NDhw)
        return pools

    def classifiers(self) -> list[nn.Conv2d]:
        """Return the convolutions that give class scores."""
        return [self.score_fr, self.score_pool3, self.score_pool4]

    def initialise(self, generator: torch.Generator) -> None:
        """Initialise as the base class does; deconvolutions become bilinear interpolation, class by class."""
        super().initialise(generator)
        for deconvolution in (self.upscore2, self.upscore8, self.upscore_pool4):
            nn.init.zeros_(deconvolution.weight)
            kernel = bilinear_kernel(deconvolution.kernel_size[0]).to(deconvolution.weight)
            with torch.no_grad():
                for index in range(self.classes):
                    deconvolution.weight[index, index] = kernel


def bilinear_kernel(size: int) -> Tensor:
    """Return the (size, size) kernel of an even-sized bilinear deconvolution with stride size / 2."""
    factor = size / 2
    distance = (torch.arange(size, dtype=torch.float64) - (factor - 0.5)).abs()
    profile = 1 - distance / factor
    return torch.outer(profile, profile)


def _deconvolution(classes: int, factor: int) -> nn.ConvTranspose2d:
    # Frozen: the authors leave the deconvolutions out of the optimiser.
    return nn.ConvTranspose2d(classes, classes, 2 * factor, factor, bias=False).requires_grad_(False)


def _crop(score_NChw: Tensor, offset: int, shape: torch.Size) -> Tensor:
    return score_NChw[:, :, offset : offset + shape[2], offset : offset + shape[3]]
