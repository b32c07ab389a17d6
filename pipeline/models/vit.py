"""Plain vision transformers of timm (DINOv2 and others) with a linear or a UPerNet head.

Oquab et al., "DINOv2" (TMLR 2024), whose linear head is batch norm and a 1x1 on the last block's tokens; UPerNet: Xiao
et al., ECCV 2018, here on four blocks. An image whose sides are no multiples of the patch is enlarged bilinearly to the
next ones, not padded: logits then cover exactly the image, and full-size logits follow from stored ones with its size
alone. Position embeddings are interpolated to the image's patches (bicubic, timm).
Where we differ from UPerNet: levels are resized without weights (mmsegmentation's pyramid of a ViT has deconvolutions),
and the pooled branches have no batch norm (a pool of one pixel has no variance in a batch of one).
"""

# N batch, C class, H/W pixels, h/w pixels at the network's own resolution, D feature channels

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.common.errors import ReadableError
from pipeline.models.base import LINEAR_INIT_STD, Preprocessing, SegmentationModel, Upsample
from pipeline.models.daformer import HEAD_CHANNELS, ConvNorm
from pipeline.models.encoders import STRIDES, TIMM
from pipeline.models.mit import at_least

LEVELS = 4
LAYER_SCALE = 1e-5
POOLS = (1, 2, 3, 6)


class ViT(nn.Module):
    """A plain vision transformer by its name in timm, tapped after each quarter of its blocks."""

    def __init__(self, encoder: str) -> None:
        super().__init__()
        self.layers = _create(encoder)
        blocks = len(self.layers.blocks)
        self.taps = [blocks * (level + 1) // LEVELS - 1 for level in range(LEVELS)]
        self.channels: int = self.layers.embed_dim
        self.patch: int = self.layers.patch_embed.patch_size[0]

    def forward(self, input_N3HW: Tensor) -> list[Tensor]:
        """Return four maps (N, D, h, w) at one pixel for a patch, after the last layer norm."""
        input_N3HW = at_least(input_N3HW, self.patch)
        features = self.layers.forward_intermediates(input_N3HW, self.taps, norm=True, intermediates_only=True)
        return cast(list[Tensor], features)

    @torch.no_grad()
    def draw(self, generator: torch.Generator) -> None:
        """Draw every weight from the generator alone: N(0, 0.02), cut at two deviations; norms, biases as usual."""
        for name, parameter in self.named_parameters():
            if name.endswith("gamma"):
                parameter.fill_(LAYER_SCALE)
            elif name.endswith("bias") or "norm" in name:
                parameter.fill_(float(name.endswith("weight")))
            else:
                cut = 2 * LINEAR_INIT_STD
                nn.init.trunc_normal_(parameter, std=LINEAR_INIT_STD, a=-cut, b=cut, generator=generator)


def _create(encoder: str) -> Any:
    """Return timm's network without its classifier.

    Raises:
        ReadableError: timm has no plain vision transformer of that name.
    """
    import timm  # with torchvision below it, seconds: only networks that come from it wait

    try:
        network = timm.create_model(encoder.removeprefix(TIMM), num_classes=0, dynamic_img_size=True)
    except (RuntimeError, TypeError) as error:
        raise ReadableError(f"model.encoder: {encoder} is not a plain vision transformer of timm ({error})") from None
    if not all(hasattr(network, part) for part in ("blocks", "patch_embed", "forward_intermediates")):
        raise ReadableError(f"model.encoder: {encoder} is not a plain vision transformer of timm")
    return network


class LinearHead(nn.Module):
    """Batch norm and a 1x1 on the last features: logits for every patch."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels)
        self.conv_seg = nn.Conv2d(channels, classes, 1)

    def forward(self, features: list[Tensor], _size: tuple[int, int]) -> Tensor:
        """Return logits (N, C, h, w)."""
        logits_NChw: Tensor = self.conv_seg(self.bn(features[-1]))
        return logits_NChw


class UPerHead(nn.Module):
    """Pyramid pooling of the coarsest level, a top-down pyramid, and all of its levels joined at stride 4."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.pooled = nn.ModuleList(nn.Conv2d(channels, HEAD_CHANNELS, 1) for _ in POOLS)
        self.context = ConvNorm(channels + len(POOLS) * HEAD_CHANNELS, HEAD_CHANNELS, 3)
        self.lateral = nn.ModuleList(ConvNorm(channels, HEAD_CHANNELS, 1) for _ in range(LEVELS - 1))
        self.refine = nn.ModuleList(ConvNorm(HEAD_CHANNELS, HEAD_CHANNELS, 3) for _ in range(LEVELS - 1))
        self.fuse = ConvNorm(LEVELS * HEAD_CHANNELS, HEAD_CHANNELS, 3)
        self.conv_seg = nn.Conv2d(HEAD_CHANNELS, classes, 1)

    def forward(self, features: list[Tensor], size: tuple[int, int]) -> Tensor:
        """Return logits (N, C, H/4, W/4), rounded up, of an image of ``size`` = (H, W)."""
        pyramid = [
            _resize(feature, (-(-size[0] // stride), -(-size[1] // stride)))
            for feature, stride in zip(features, STRIDES, strict=True)
        ]
        levels = [self._context(pyramid[-1])]
        for lateral, feature in zip(self.lateral, reversed(pyramid[:-1]), strict=True):
            finer_NDhw = lateral(feature)
            levels.append(finer_NDhw + _resize(levels[-1], finer_NDhw.shape[-2:]))
        refined = [levels[0], *(refine(level) for refine, level in zip(self.refine, levels[1:], strict=True))]
        finest = refined[-1].shape[-2:]
        logits_NChw: Tensor = self.conv_seg(self.fuse(torch.cat([_resize(level, finest) for level in refined], dim=1)))
        return logits_NChw

    def _context(self, feature_NDhw: Tensor) -> Tensor:
        size = feature_NDhw.shape[-2:]
        pools = [
            _resize(functional.relu(layer(functional.adaptive_avg_pool2d(feature_NDhw, bins))), size)
            for layer, bins in zip(self.pooled, POOLS, strict=True)
        ]
        answer_NDhw: Tensor = self.context(torch.cat([feature_NDhw, *pools], dim=1))
        return answer_NDhw


def _resize(feature_NDhw: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    return functional.interpolate(feature_NDhw, tuple(size), mode="bilinear", align_corners=False)


class ViTModel(SegmentationModel):
    """A plain vision transformer and a head: linear (logits for each patch) or UPerNet (logits at stride 4)."""

    HEAD_PARTS = frozenset({"decode_head"})

    def __init__(self, classes: int, encoder: str, preprocessing: Preprocessing, *, upernet: bool) -> None:
        super().__init__(classes, preprocessing, Upsample(align_corners=False))
        self.backbone = ViT(encoder)
        self.decode_head = (UPerHead if upernet else LinearHead)(self.backbone.channels, classes)

    def forward_with_front(self, input_N3HW: Tensor) -> tuple[Tensor, Tensor | None, tuple[Tensor, ...]]:
        """Forward pass; the features are those after a quarter, a half and all of the blocks, for each patch."""
        features = self.backbone(input_N3HW)
        size = (int(input_N3HW.shape[-2]), int(input_N3HW.shape[-1]))
        # Planes: the up-sampling of stored logits, which are planes, must equal that of fresh ones bit for bit.
        return self.decode_head(features, size).contiguous(), None, (features[0], features[1], features[-1])

    def classifiers(self) -> list[nn.Conv2d]:
        """Return the convolutions that give class scores."""
        return [self.decode_head.conv_seg]
