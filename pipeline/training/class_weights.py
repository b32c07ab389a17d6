"""Weights of the classes in the loss of labelled images, as `class_weights` of a training section asks for them.

# C class
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pipeline.training.label_counts import source_counts

if TYPE_CHECKING:
    from pipeline.training.run import RunSettings


def class_weights(run: RunSettings, folder: Path) -> Tensor | None:
    """Return the weight of each class (C,) float32, or None where all count the same.

    For ``balanced`` the labels are read once, and their counts are kept in ``folder``.
    """
    setting = run.training.class_weights
    if setting == "none":
        return None
    if setting == "balanced":
        return torch.from_numpy(balanced(source_counts(run, folder).sum(axis=0)))
    return torch.tensor([setting.get(name, 1.0) for name in run.classes.names], dtype=torch.float32)


def balanced(count_C: np.ndarray) -> np.ndarray:
    """Return weights (C,) float32 in proportion to 1/√f, f the share of a class's pixels; their mean over pixels is 1.

    The square root lies between no weights and those that make all classes equal (1/f; Eigen and Fergus, ICCV 2015,
    with the median's f on top), with which a network answers a thin class far beyond its borders. A class without a
    pixel has the largest weight of the others: a zoom may still show it.
    """
    share_C = count_C / max(1, count_C.sum())
    present_C = share_C > 0
    weight_C = np.ones(len(share_C))
    weight_C[present_C] = share_C[present_C] ** -0.5
    weight_C[~present_C] = weight_C.max()
    mean = float((share_C * weight_C).sum()) or 1.0
    return (weight_C / mean).astype(np.float32)
