"""SegFormer, DAFormer and HRDA (MIC): heads on Mix Transformers, with logits at stride 4.

SegFormer: Xie et al., NeurIPS 2021. DAFormer: Hoyer et al., CVPR 2022: an ASPP of separable convolutions instead of the
single 1x1. HRDA: Hoyer et al., ECCV 2022: two resolutions, fused by an attention over scales; MIC's released networks
(Hoyer et al., CVPR 2023) are HRDA's. Attribute names are the authors', so that their state dicts load key by key.
Where we differ: they enlarge logits to the network's input and then to the label (1e-3 of probability apart from one
step, which is what happens here); HRDA reads sides that are no multiples of 8 enlarged to the next one.
"""

# N batch, K crops, C class, H/W pixels of the image, h/w pixels at stride 4, D channels

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.base import Preprocessing, SegmentationModel, Upsample
from pipeline.models.mit import MixTransformer, at_least, to_map, to_tokens

HEAD_CHANNELS = 256
ASPP_DILATIONS = (1, 6, 12, 18)
DROPOUT = 0.1
SEGFORMER_CHANNELS = {"mit-b0": 256, "mit-b1": 256}
SEGFORMER_LARGE_CHANNELS = 768
SEGFORMER_UNUSED_CHANNELS = 128
STRIDE = 4
CONTEXT_SCALE = 2
"""By how much HRDA's context image is smaller than its detail crops."""


class ConvNorm(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(self, channels_in: int, channels: int, kernel: int, dilation: int = 1, groups: int = 1) -> None:
        super().__init__()
        padding = dilation * (kernel // 2)
        self.conv = nn.Conv2d(
            channels_in, channels, kernel, padding=padding, dilation=dilation, groups=groups, bias=False
        )
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, input_NDhw: Tensor) -> Tensor:
        """Return features (N, D, h, w)."""
        return functional.relu(self.bn(self.conv(input_NDhw)))


class Separable(nn.Module):
    """Dilated 3x3 in each channel, then 1x1 across channels, each with batch norm and ReLU."""

    def __init__(self, channels_in: int, channels: int, dilation: int) -> None:
        super().__init__()
        self.depthwise_conv = ConvNorm(channels_in, channels_in, 3, dilation, groups=channels_in)
        self.pointwise_conv = ConvNorm(channels_in, channels, 1)

    def forward(self, input_NDhw: Tensor) -> Tensor:
        """Return features (N, D, h, w)."""
        answer_NDhw: Tensor = self.pointwise_conv(self.depthwise_conv(input_NDhw))
        return answer_NDhw


class SeparableASPP(nn.Module):
    """Parallel convolutions at dilations 1 (a 1x1), 6, 12, 18, joined by a 3x3; no image pooling (DAFormer)."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.aspp_modules = nn.ModuleList(
            ConvNorm(channels_in, channels, 1) if dilation == 1 else Separable(channels_in, channels, dilation)
            for dilation in ASPP_DILATIONS
        )
        self.bottleneck = ConvNorm(len(ASPP_DILATIONS) * channels, channels, 3)

    def forward(self, input_NDhw: Tensor) -> Tensor:
        """Return features (N, D, h, w)."""
        answer_NDhw: Tensor = self.bottleneck(torch.cat([module(input_NDhw) for module in self.aspp_modules], dim=1))
        return answer_NDhw


class Embedding(nn.Module):
    """The same linear map of every pixel's channels."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.proj = nn.Linear(channels_in, channels)

    def forward(self, input_NDhw: Tensor) -> Tensor:
        """Return features (N, D, h, w)."""
        return to_map(self.proj(to_tokens(input_NDhw)), *input_NDhw.shape[-2:])


def _embeddings(channels: tuple[int, ...], width: int) -> nn.ModuleList:
    return nn.ModuleList(Embedding(level, width) for level in channels)


def _embed(layers: nn.ModuleList, features: list[Tensor]) -> Tensor:
    """Return all levels, embedded and enlarged to the finest, as one map (N, 4·D, h, w), from fine to coarse."""
    size = features[0].shape[-2:]
    embedded = [layer(feature) for layer, feature in zip(layers, features, strict=True)]
    enlarged = [functional.interpolate(level, size, mode="bilinear", align_corners=False) for level in embedded[1:]]
    return torch.cat([embedded[0], *enlarged], dim=1)


class SegFormerHead(nn.Module):
    """All levels embedded and fused by a 1x1. `conv_seg` is in every checkpoint and never used, so it is frozen."""

    def __init__(self, channels: tuple[int, ...], width: int, classes: int) -> None:
        super().__init__()
        self.conv_seg = nn.Conv2d(SEGFORMER_UNUSED_CHANNELS, classes, 1).requires_grad_(False)
        self.linear_c = _embeddings(channels, width)
        self.linear_fuse = ConvNorm(len(channels) * width, width, 1)
        self.linear_pred = nn.Conv2d(width, classes, 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return logits (N, C, h, w)."""
        fused_NDhw = self.linear_fuse(_embed(self.linear_c, features))
        logits_NChw: Tensor = self.linear_pred(functional.dropout2d(fused_NDhw, DROPOUT, self.training))
        return logits_NChw


class DAFormerHead(nn.Module):
    """All levels embedded and fused: by an ASPP, or by a 1x1 where it is HRDA's attention over scales."""

    def __init__(self, channels: tuple[int, ...], classes: int, *, aspp: bool = True) -> None:
        super().__init__()
        self.conv_seg = nn.Conv2d(HEAD_CHANNELS, classes, 1)
        self.embed_layers = _embeddings(channels, HEAD_CHANNELS)
        joined = len(channels) * HEAD_CHANNELS
        self.fuse_layer = SeparableASPP(joined, HEAD_CHANNELS) if aspp else ConvNorm(joined, HEAD_CHANNELS, 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return logits (N, C, h, w)."""
        fused_NDhw = self.fuse_layer(_embed(self.embed_layers, features))
        logits_NChw: Tensor = self.conv_seg(functional.dropout2d(fused_NDhw, DROPOUT, self.training))
        return logits_NChw


class MitModel(SegmentationModel):
    """A Mix Transformer and a head."""

    HEAD_PARTS = frozenset({"decode_head"})
    decode_head: nn.Module

    def __init__(self, classes: int, encoder: str, preprocessing: Preprocessing) -> None:
        super().__init__(classes, preprocessing, Upsample(align_corners=False))
        self.backbone = MixTransformer(encoder)

    def forward_with_front(self, input_N3HW: Tensor) -> tuple[Tensor, Tensor | None, tuple[Tensor, ...]]:
        """Forward pass; front: stages at strides 4 and 8, the last at 32."""
        features = self.backbone(input_N3HW)
        # Planes: the up-sampling of stored logits, which are planes, must equal that of fresh ones bit for bit.
        return self.decode_head(features).contiguous(), None, (features[0], features[1], features[-1])


class SegFormer(MitModel):
    """SegFormer, with 256 channels in the head of B0 and B1, else 768."""

    def __init__(self, classes: int, encoder: str, preprocessing: Preprocessing) -> None:
        super().__init__(classes, encoder, preprocessing)
        width = SEGFORMER_CHANNELS.get(encoder, SEGFORMER_LARGE_CHANNELS)
        self.decode_head: SegFormerHead = SegFormerHead(self.backbone.channels, width, classes)

    def classifiers(self) -> list[nn.Conv2d]:
        """Return the convolutions that give class scores."""
        return [self.decode_head.linear_pred]


class DAFormer(MitModel):
    """DAFormer's network."""

    def __init__(self, classes: int, encoder: str, preprocessing: Preprocessing) -> None:
        super().__init__(classes, encoder, preprocessing)
        self.decode_head: DAFormerHead = DAFormerHead(self.backbone.channels, classes)

    def classifiers(self) -> list[nn.Conv2d]:
        """Return the convolutions that give class scores."""
        return [self.decode_head.conv_seg]


class HRDAHead(nn.Module):
    """One head for both resolutions, and the attention that weighs them for every class and pixel."""

    def __init__(self, channels: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.head = DAFormerHead(channels, classes)
        self.scale_attention = DAFormerHead(channels, classes, aspp=False)


class HRDA(MitModel):
    """The whole image at half its size (context), and overlapping crops of it at full size (detail), fused.

    As the authors infer: a = sigmoid of the attention on the context's features; logits = up((1 - a)·context) +
    up(a)·detail (HRDA Eq. 6), at stride 4 of the image; overlapping crops are averaged. It is not trained here: the
    authors' training reads a random detail crop with a loss of its own.

    Attributes:
        crop: side of a detail crop in pixels, neighbours half of it apart; 512 in all released networks. A shorter side
            of the image is one crop.
    """

    def __init__(self, classes: int, encoder: str, preprocessing: Preprocessing, crop: int = 512) -> None:
        super().__init__(classes, encoder, preprocessing)
        self.crop = crop
        self.decode_head: HRDAHead = HRDAHead(self.backbone.channels, classes)

    def classifiers(self) -> list[nn.Conv2d]:
        """Return the convolutions that give class scores."""
        return [self.decode_head.head.conv_seg, self.decode_head.scale_attention.conv_seg]

    def forward_with_front(self, input_N3HW: Tensor) -> tuple[Tensor, Tensor | None, tuple[Tensor, ...]]:
        """Forward pass; the features are the context's, at strides 8, 16 and 64 of the image."""
        input_N3HW = at_least(input_N3HW, STRIDE * CONTEXT_SCALE)
        context_NChw, attention_NChw, features = self.context(input_N3HW)
        detail_NChw = self.detail(input_N3HW)
        size = detail_NChw.shape[-2:]
        weighted_NChw = functional.interpolate((1 - attention_NChw) * context_NChw, size, mode="bilinear")
        fused_NChw = weighted_NChw + functional.interpolate(attention_NChw, size, mode="bilinear") * detail_NChw
        return fused_NChw.contiguous(), None, (features[0], features[1], features[-1])

    def context(self, input_N3HW: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Return logits and attention in [0,1] (N, C, h/2, w/2) of the image at half its size, and its features."""
        size = [side // CONTEXT_SCALE for side in input_N3HW.shape[-2:]]
        features = self.backbone(functional.interpolate(input_N3HW, size, mode="bilinear"))
        return self.decode_head.head(features), self.decode_head.scale_attention(features).sigmoid(), features

    def detail(self, input_N3HW: Tensor) -> Tensor:
        """Return the mean logits (N, C, h, w) of the crops over the image."""
        batch, _, height, width = input_N3HW.shape
        sides = (min(self.crop, height), min(self.crop, width))
        places = [(top, left) for top in starts(height, sides[0]) for left in starts(width, sides[1])]
        crops = [input_N3HW[..., top : top + sides[0], left : left + sides[1]] for top, left in places]
        logits = self.decode_head.head(self.backbone(torch.cat(crops))).split(batch)
        sum_NChw = input_N3HW.new_zeros((batch, self.classes, height // STRIDE, width // STRIDE))
        count_hw = input_N3HW.new_zeros((height // STRIDE, width // STRIDE))
        for (top, left), crop_NChw in zip(places, logits, strict=True):
            rows = slice(top // STRIDE, (top + sides[0]) // STRIDE)
            columns = slice(left // STRIDE, (left + sides[1]) // STRIDE)
            sum_NChw[..., rows, columns] += crop_NChw
            count_hw[rows, columns] += 1
        return sum_NChw / count_hw


def starts(length: int, crop: int) -> list[int]:
    """Return where crops begin along an axis: half a crop apart, the last one moved back to end with the image."""
    stride = max(crop // 2, 1)
    count = max(length - crop + stride - 1, 0) // stride + 1
    return [min(index * stride, length - crop) for index in range(count)]
