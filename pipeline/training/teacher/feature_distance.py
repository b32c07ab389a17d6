"""Feature distance: features of thing classes stay near those of a network trained on ImageNet (DAFormer).

Hoyer et al., "DAFormer: Improving Network Architectures and Training Strategies for Domain-Adaptive Semantic
Segmentation", CVPR 2022, Sec. 3.3.
"""

# N batch, C class (with ignored pixels as the last one), D feature channels, H/W pixels, h/w feature resolution

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.common.labels import IGNORE
from pipeline.training.distributed import all_reduce_sum


def label_by_share(label_NHW: Tensor, size: tuple[int, int], min_share: float) -> Tensor:
    """Return a small label (N,h,w) uint8: the class of at least ``min_share`` of each block's pixels, else IGNORE.

    Where ``size`` does not divide the label's, blocks overlap by a pixel. Ignored pixels count in the share.
    """
    classes, class_NHW = _with_ignored_as_a_class(label_NHW)
    one_hot_NHWC = functional.one_hot(class_NHW, classes + 1)
    share_NChw = functional.adaptive_avg_pool2d(one_hot_NHWC.permute(0, 3, 1, 2).float(), size)
    share_Nhw, small_Nhw = share_NChw.max(dim=1)
    small_Nhw[(share_Nhw < min_share) | (small_Nhw == classes)] = IGNORE
    return small_Nhw.to(torch.uint8)


def _with_ignored_as_a_class(label_NHW: Tensor) -> tuple[int, Tensor]:
    """Return the number of classes up to the greatest in the label, and the label with that number for IGNORE."""
    ignored_NHW = label_NHW == IGNORE
    class_NHW = label_NHW.long().masked_fill(ignored_NHW, 0)
    classes = int(class_NHW.max()) + 1
    return classes, class_NHW.masked_fill(ignored_NHW, classes)


def feature_distance(
    feature_NDhw: Tensor, reference_NDhw: Tensor, label_NHW: Tensor, things: Sequence[int], min_share: float = 0.75
) -> Tensor:
    """Return the mean length of the difference of two features where the small label is one of ``things``.

    The mean is taken over the places of all processes. Without any such place it is 0 with gradient 0; the released
    code then has NaN as the value and 0 as the gradient.

    Args:
        feature_NDhw: last features of the network in training.
        reference_NDhw: those of the network trained on ImageNet, without gradient.
        label_NHW: uint8, IGNORE where there is none.
        things: train ids of the classes that take part; 6, 7, 11 … 18 of Cityscapes' 19 in the paper.
        min_share: of a block's pixels that must have its class; r in the paper.
    """
    height, width = feature_NDhw.shape[-2:]
    small_Nhw = label_by_share(label_NHW, (height, width), min_share)
    thing_Nhw = torch.isin(small_Nhw, torch.tensor(list(things), dtype=torch.uint8, device=small_Nhw.device))
    distance_Nhw = torch.linalg.vector_norm(feature_NDhw.float() - reference_NDhw.detach().float(), dim=1)
    total = all_reduce_sum((distance_Nhw * thing_Nhw).sum())
    return total / all_reduce_sum(thing_Nhw.sum()).clamp(min=1)
