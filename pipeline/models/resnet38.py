"""ResNet-38, the wide network that CBST adapts: model A1 of Wu et al.

Wu, Shen and van den Hengel, "Wider or Deeper" (2016; Pattern Recognition 2019), as its authors' segmentation network
and CBST (Zou et al., ECCV 2018) use it: normalisation and ReLU come before each convolution, convolutions stride
(there is no pooling), and the last two strides are dilations instead, so that logits are at stride 8. Attribute
names follow the authors' MXNet names (`checkpoints/naming.py` translates): `res2b1_branch2a_weight` is
`res2b1.conv_branch2a.weight`, `bn2b1_branch2a_gamma` is `res2b1.bn_branch2a.weight`. Where we differ: CBST enlarges
probabilities with a cubic filter (Pillow); ours enlarges logits bilinearly, as the other networks here.
"""

# N batch, C class, H/W pixels, h/w pixels at stride 8, D feature channels

from typing import NamedTuple, cast

from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.base import Preprocessing, SegmentationModel, Upsample

STEM_CHANNELS = 64
HEAD_CHANNELS, HEAD_DILATION = 512, 12


class Level(NamedTuple):
    """Blocks at one resolution; only the first one strides, or begins the wider dilation."""

    number: int
    blocks: int
    channels: tuple[int, ...]
    """after each convolution of a block; two are 3x3, three are 1x1, 3x3, 1x1"""
    stride: int
    dilation: int
    dropout: float
    """before a block's last convolution"""


LEVELS = (
    Level(2, 3, (128, 128), stride=2, dilation=1, dropout=0.0),
    Level(3, 3, (256, 256), stride=2, dilation=1, dropout=0.0),
    Level(4, 6, (512, 512), stride=2, dilation=1, dropout=0.0),
    Level(5, 3, (512, 1024), stride=1, dilation=2, dropout=0.0),
    Level(6, 1, (512, 1024, 2048), stride=1, dilation=4, dropout=0.3),
    Level(7, 1, (1024, 2048, 4096), stride=1, dilation=4, dropout=0.5),
)
FRONT_LEVELS = (3, 4)


class Block(nn.Module):
    """Normalise, rectify, convolve, two or three times, plus the identity or a projection of the rectified input."""

    def __init__(self, channels_in: int, level: Level, stride: int, first_dilation: int) -> None:
        super().__init__()
        self.branches = [f"branch2{suffix}" for suffix in ("a", "b1", "b2")[: len(level.channels)]]
        self.dropout = level.dropout
        channels = channels_in
        for index, (branch, width) in enumerate(zip(self.branches, level.channels, strict=True)):
            kernel = 1 if len(level.channels) == 3 and index != 1 else 3
            dilation = first_dilation if index == 0 else level.dilation
            self.add_module(f"bn_{branch}", nn.BatchNorm2d(channels))
            convolution = nn.Conv2d(
                channels,
                width,
                kernel,
                stride if index == 0 else 1,
                padding=dilation * (kernel // 2),
                dilation=dilation if kernel == 3 else 1,
                bias=False,
            )
            self.add_module(f"conv_{branch}", convolution)
            channels = width
        self.conv_branch1 = None if channels == channels_in else nn.Conv2d(channels_in, channels, 1, stride, bias=False)

    def forward(self, input_NDhw: Tensor) -> Tensor:
        """Return the block's features."""
        feature_NDhw = functional.relu(self._layer("bn", 0)(input_NDhw))
        identity_NDhw = input_NDhw if self.conv_branch1 is None else self.conv_branch1(feature_NDhw)
        feature_NDhw = self._layer("conv", 0)(feature_NDhw)
        for index in range(1, len(self.branches)):
            feature_NDhw = functional.relu(self._layer("bn", index)(feature_NDhw))
            if index == len(self.branches) - 1 and self.dropout:
                feature_NDhw = functional.dropout(feature_NDhw, self.dropout, training=self.training)
            feature_NDhw = self._layer("conv", index)(feature_NDhw)
        return cast(Tensor, feature_NDhw + identity_NDhw)

    def _layer(self, kind: str, index: int) -> nn.Module:
        return self.get_submodule(f"{kind}_{self.branches[index]}")


class ResNet38(SegmentationModel):
    """One head: 3x3 to 512 channels, rectified, 3x3 to the classes, both with dilation 12."""

    HEAD_PARTS = frozenset({"conv6a", "linear"})

    def __init__(self, classes: int, preprocessing: Preprocessing) -> None:
        super().__init__(classes, preprocessing, Upsample(align_corners=False))
        self.conv1a = nn.Conv2d(3, STEM_CHANNELS, 3, padding=1, bias=False)
        self.levels: dict[int, list[str]] = {}
        channels, dilation = STEM_CHANNELS, 1
        for level in LEVELS:
            names = [f"res{level.number}{'a' if block == 0 else f'b{block}'}" for block in range(level.blocks)]
            self.levels[level.number] = names
            for block, name in enumerate(names):
                # Where a dilation replaces a stride, the first convolution still sees the old grid.
                first_dilation = dilation if block == 0 else level.dilation
                self.add_module(name, Block(channels, level, level.stride if block == 0 else 1, first_dilation))
                channels = level.channels[-1]
            dilation = level.dilation
        self.bn7 = nn.BatchNorm2d(channels)
        self.conv6a = nn.Conv2d(channels, HEAD_CHANNELS, 3, padding=HEAD_DILATION, dilation=HEAD_DILATION)
        self.linear = nn.Conv2d(HEAD_CHANNELS, classes, 3, padding=HEAD_DILATION, dilation=HEAD_DILATION)

    def forward_with_front(self, input_N3HW: Tensor) -> tuple[Tensor, Tensor | None, tuple[Tensor, ...]]:
        """Forward pass; front blocks end levels 3 (256 channels, stride 4) and 4 (512, 8), the last one level 7."""
        feature_NDhw = self.conv1a(input_N3HW)
        front: list[Tensor] = []
        for number, names in self.levels.items():
            for name in names:
                feature_NDhw = self.get_submodule(name)(feature_NDhw)
            if number in FRONT_LEVELS:
                front.append(feature_NDhw)
        last_NDhw = functional.relu(self.bn7(feature_NDhw))
        feature_NDhw = functional.relu(self.conv6a(last_NDhw))
        return cast(Tensor, self.linear(feature_NDhw)), None, (*front, last_NDhw)

    def classifiers(self) -> list[nn.Conv2d]:
        """Return the convolutions that give class scores."""
        return [self.linear]
