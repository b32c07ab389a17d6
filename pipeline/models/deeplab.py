"""DeepLab-v2 on ResNet-101, as the adaptation papers use it.

Chen et al., "DeepLab" (TPAMI 2018); the two-head variant and the training recipe are AdaptSegNet's (Tsai et al.,
CVPR 2018), reused by ADVENT, IntraDA, BDL, CRST and LSE. It is a Caffe network: the stride sits on the first 1x1
convolution of a block (torchvision: on the 3x3) and the pool rounds up, so the logits of a 512x1024 image are 65x129.
Attribute names give the authors' state-dict keys. Where we differ: fresh weights follow He's rule (the authors'
N(0, 0.01) is always overwritten by ImageNet weights).
"""

# N batch, C class, H/W pixels, h/w pixels at stride 8, D feature channels

from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.base import Preprocessing, SegmentationModel, Upsample

BLOCKS = (3, 4, 23, 3)
EXPANSION = 4
ASPP_DILATIONS = (6, 12, 18, 24)


class Bottleneck(nn.Module):
    """1x1 (with the stride), dilated 3x3, 1x1 to four times the width, plus the identity or its projection."""

    def __init__(self, channels_in: int, width: int, stride: int, dilation: int, projects: bool) -> None:
        super().__init__()
        channels = width * EXPANSION
        self.conv1 = nn.Conv2d(channels_in, width, 1, stride, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.downsample: nn.Sequential | None = None
        if projects:
            projection = nn.Conv2d(channels_in, channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(channels))

    def forward(self, input_NDhw: Tensor) -> Tensor:
        """Return features (N, 4 · width, h, w)."""
        identity_NDhw = input_NDhw if self.downsample is None else self.downsample(input_NDhw)
        feature_NDhw = functional.relu(self.bn1(self.conv1(input_NDhw)))
        feature_NDhw = functional.relu(self.bn2(self.conv2(feature_NDhw)))
        return functional.relu(self.bn3(self.conv3(feature_NDhw)) + identity_NDhw)


class ASPP(nn.Module):
    """Sum of parallel 3x3 convolutions at dilations 6, 12, 18, 24.

    All four branches always exist, because every released checkpoint holds four. With `branches` = 2 only the first two
    are summed: the released AdaptSegNet and LSE code returns inside its loop, so their weights are right only that way
    (the papers, and ADVENT, BDL and CRST, sum all four). Unused branches are frozen.
    """

    def __init__(self, channels: int, classes: int, branches: int) -> None:
        super().__init__()
        self.branches = branches
        self.conv2d_list = nn.ModuleList(
            nn.Conv2d(channels, classes, 3, padding=dilation, dilation=dilation) for dilation in ASPP_DILATIONS
        )
        self.conv2d_list[branches:].requires_grad_(False)

    def forward(self, feature_NDhw: Tensor) -> Tensor:
        """Return logits (N, C, h, w)."""
        logits_NChw: Tensor = self.conv2d_list[0](feature_NDhw)
        for branch in self.conv2d_list[1 : self.branches]:
            logits_NChw = logits_NChw + branch(feature_NDhw)
        return logits_NChw


def _layer(channels_in: int, width: int, blocks: int, stride: int, dilation: int) -> nn.Sequential:
    first = Bottleneck(channels_in, width, stride, dilation, projects=True)
    rest = [Bottleneck(width * EXPANSION, width, 1, dilation, projects=False) for _ in range(blocks - 1)]
    return nn.Sequential(first, *rest)


class DeepLabV2(SegmentationModel):
    """One head: `layer5` on 2048 channels. Two: `layer5` (1024 channels) is auxiliary and `layer6` (2048) is main."""

    HEAD_PARTS = frozenset({"layer5", "layer6"})

    def __init__(self, classes: int, heads: int, aspp_branches: int, preprocessing: Preprocessing) -> None:
        super().__init__(classes, preprocessing, Upsample(align_corners=True))
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = _layer(64, 64, BLOCKS[0], stride=1, dilation=1)
        self.layer2 = _layer(256, 128, BLOCKS[1], stride=2, dilation=1)
        self.layer3 = _layer(512, 256, BLOCKS[2], stride=1, dilation=2)
        self.layer4 = _layer(1024, 512, BLOCKS[3], stride=1, dilation=4)
        self.layer5 = ASPP(1024 if heads == 2 else 2048, classes, aspp_branches)
        self.layer6 = ASPP(2048, classes, aspp_branches) if heads == 2 else None

    def forward_with_front(self, input_N3HW: Tensor) -> tuple[Tensor, Tensor | None, tuple[Tensor, ...]]:
        """Forward pass; front: `layer1` (256 channels, stride 4) and `layer2` (512, stride 8); the last: `layer4`."""
        feature_NDhw = functional.relu(self.bn1(self.conv1(input_N3HW)))
        feature_NDhw = functional.max_pool2d(feature_NDhw, 3, 2, padding=1, ceil_mode=True)
        first_NDhw = self.layer1(feature_NDhw)
        second_NDhw = self.layer2(first_NDhw)
        middle_NDhw = self.layer3(second_NDhw)
        top_NDhw = self.layer4(middle_NDhw)
        front = (first_NDhw, second_NDhw, top_NDhw)
        if self.layer6 is None:
            return self.layer5(top_NDhw), None, front
        return self.layer6(top_NDhw), self.layer5(middle_NDhw), front

    def classifiers(self) -> list[nn.Conv2d]:
        """Return the convolutions that give class scores."""
        heads = [self.layer5] if self.layer6 is None else [self.layer5, self.layer6]
        return [branch for head in heads for branch in head.conv2d_list if isinstance(branch, nn.Conv2d)]
