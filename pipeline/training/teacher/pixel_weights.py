"""How much each pixel's pseudo-label counts: by its class's quota, by the share of sure pixels, or by both."""

# N batch, H/W pixels

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.common.labels import IGNORE
from pipeline.training.teacher.quota import RunningQuantile
from pipeline.training.teacher.share_weights import inside_margins, share_weights

if TYPE_CHECKING:
    from pipeline.methods.teacher import Teacher


def pixel_weights(
    section: Teacher, portion: float, quota: RunningQuantile, label_NHW: Tensor, confidence_NHW: Tensor
) -> Tensor:
    """Return weights (N,H,W) float32 of the teacher's labels; 0 where a label is IGNORE, and within the margins.

    Confidences outside of the margins are added to ``quota`` first, where quotas are asked for.
    """
    height, width = label_NHW.shape[-2:]
    inside_1HW = inside_margins((height, width), section.margins, label_NHW.device)
    valid_NHW = inside_1HW & (label_NHW != IGNORE)
    weight_NHW = valid_NHW.float()
    if section.thresholds != "share":
        counted_NHW = torch.where(valid_NHW, label_NHW, IGNORE)
        quota.add(counted_NHW, confidence_NHW)
        threshold_C = quota.thresholds(portion, section.largest_threshold)
        least_NHW = threshold_C[torch.where(valid_NHW, label_NHW, 0).long()]
        weight_NHW = weight_NHW * (confidence_NHW >= least_NHW)
    if section.thresholds != "quota":
        author = section.compat == "author"
        share_NHW = share_weights(confidence_NHW, section.confidence, "batch" if author else "image")
        weight_NHW = weight_NHW * share_NHW
    return weight_NHW
