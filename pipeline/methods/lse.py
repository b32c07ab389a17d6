"""LSE: class-based sorting and per-class entropy thresholds (Subhani and Ali, ECCV 2020, Algorithm 1 and Eq. 3).

Selecting reads the cache's statistics only, no probability volume.

# N images, C class, H/W pixels
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from pipeline.common.labels import IGNORE
from pipeline.common.section import Fraction, Positive, Section
from pipeline.methods.method import (
    Explanation,
    Method,
    PaperRounds,
    PixelView,
    RoundEntry,
    Share,
    Threshold,
    ZoomedPatches,
)
from pipeline.methods.selection_file import Compat, Details, Selection, mean_confidences

if TYPE_CHECKING:
    from pipeline.cache.index import CacheIndex
    from pipeline.cache.reader import CacheReader, Pixels

# The released code divides the portion by 19 also where there are fewer classes (LSE.py, class_wise_sort).
_AUTHOR_CLASSES = 19


class Lse(Section):
    """Learning from Scale-Invariant Examples (Subhani and Ali, ECCV 2020)."""

    compat: Literal["paper", "author"]
    patches: Positive = Field(4, description="k random patches of each selected image")
    patch_size: tuple[Fraction, Fraction] = Field((0.5, 0.5), description="height, width as fractions of the image")
    focal_beta: Annotated[float, Field(ge=0)] = Field(0.1, description="weight of the focal term; 0 switches it off")
    focal_gamma: Annotated[float, Field(ge=0)] = 3.0
    focal_of: Literal["pixel", "mean"] = Field("pixel", description="mean: what the released code does with DeepLab")


class LseRound(RoundEntry):
    """One round of LSE."""

    method: Literal["lse"]
    portion: Fraction = Field(description="share of the images in which a class is predicted")


class ClassStatistics(NamedTuple):
    """The cache's sums over the pixels labelled with each class, by image: all (N,C); entropies in nats."""

    pixel_count_NC: np.ndarray
    confidence_sum_NC: np.ndarray
    entropy_sum_NC: np.ndarray
    entropy_min_NC: np.ndarray
    entropy_max_NC: np.ndarray


class LseSelection(NamedTuple):
    """Which images are confident, and how large a class's entropy may be."""

    images: list[int]
    """Selected images, each once, class by class and in a class by falling confidence."""
    threshold_C: np.ndarray
    """h_c in [0,1], on the scale of ``normalised_entropy``."""
    pivot: list[int | None]
    """The image that gave h_c; None for a class that is predicted nowhere."""
    selected_per_class: list[int]
    """How many images the class contributed, before repeated ones are removed."""


def select(statistics: ClassStatistics, image_ids: list[str], portion: float, compat: Compat = "paper") -> LseSelection:
    """Sort images class by class and select (Algorithm 1).

    For each class, the images in which it is predicted are sorted by its mean confidence U_c, and the first
    n_c · portion / C are selected; h_c is the mean normalised entropy of the class in one image at that border.

    ``paper``: the border is the last selected image (line 17); at least one image is selected for every class that is
    predicted anywhere (the paper leaves n_c · portion / C < 1 open; none at all would drop exactly the rare classes
    that the sorting exists for). A class predicted nowhere has h_c = 0. No threshold is NaN.

    ``author``: as released: the border is the first image *not* selected, the portion is divided by 19 whatever the
    number of classes, a count below one selects nothing, ties go to the id that sorts last, and h_c may be NaN (a class
    of one pixel in its border image, or of constant entropy).
    """
    classes = statistics.pixel_count_NC.shape[1]
    images: dict[int, None] = {}
    threshold_C = np.zeros(classes) if compat == "paper" else np.full(classes, np.nan)
    pivots: list[int | None] = []
    counts = []
    for class_index in range(classes):
        order = by_falling_confidence(
            statistics.pixel_count_NC[:, class_index], statistics.confidence_sum_NC[:, class_index], image_ids, compat
        )
        count = _selected_count(len(order), portion, classes, compat)
        images.update(dict.fromkeys(order[:count]))
        pivot = None
        if order:
            pivot = order[count - 1] if compat == "paper" else order[min(count, len(order) - 1)]
            threshold_C[class_index] = _mean_normalised_entropy(statistics, pivot, class_index, compat)
        pivots.append(pivot)
        counts.append(count)
    return LseSelection(list(images), threshold_C, pivots, counts)


def by_falling_confidence(
    pixel_count_N: np.ndarray, confidence_sum_N: np.ndarray, image_ids: list[str], compat: Compat
) -> list[int]:
    """Return the images in which a class is predicted by its falling mean confidence U_c."""
    present = np.flatnonzero(pixel_count_N)
    confidence = confidence_sum_N[present] / pixel_count_N[present]
    if compat == "author":
        confidence = confidence.astype(np.float32)  # the released code averages float32, so it ties more often
        ranked = sorted(zip(confidence, [image_ids[image] for image in present], present, strict=True), reverse=True)
        return [int(image) for _, _, image in ranked]
    return [int(image) for image in present[np.argsort(-confidence, kind="stable")]]


def _selected_count(predicted_in: int, portion: float, classes: int, compat: Compat) -> int:
    if compat == "author":
        return int(predicted_in * portion / _AUTHOR_CLASSES)
    # rounded first: 180 * 0.35 / 9 is 6.999999999999999 in floating point
    return max(1, math.floor(round(predicted_in * portion / classes, 9))) if predicted_in else 0


def _mean_normalised_entropy(statistics: ClassStatistics, image: int, class_index: int, compat: Compat) -> float:
    mean = statistics.entropy_sum_NC[image, class_index] / statistics.pixel_count_NC[image, class_index]
    if compat == "paper":
        return float(mean / math.log(statistics.pixel_count_NC.shape[1]))
    smallest = statistics.entropy_min_NC[image, class_index]
    largest = statistics.entropy_max_NC[image, class_index]
    with np.errstate(invalid="ignore", divide="ignore"):
        return float((mean - smallest) / (largest - smallest))


def keep_filter(label_HW: np.ndarray, entropy_HW: np.ndarray, threshold_C: np.ndarray, compat: Compat) -> np.ndarray:
    """Return the binary filter F (Eq. 3): (H,W) bool, True where the pseudo-label is trusted.

    ``paper``: E / ln C ≤ h_c, with c the pixel's label. ``author``: E is normalised to [0,1] over the pixels of each
    class in this image, and kept below h_c, strictly; a NaN on either side keeps the pixel, as comparing with it does
    in the released code. ``entropy_HW`` is in nats.
    """
    threshold_HW = threshold_C[label_HW]
    if compat == "paper":
        # in float64, as the threshold is: in float32 a pixel that is exactly at it could fall on either side
        kept_HW: np.ndarray = entropy_HW.astype(np.float64) / math.log(len(threshold_C)) <= threshold_HW
        return kept_HW
    normalised_HW = normalised_within_class(label_HW, entropy_HW, len(threshold_C))
    with np.errstate(invalid="ignore"):
        dropped_HW: np.ndarray = normalised_HW >= threshold_HW
    return ~dropped_HW


def normalised_within_class(label_HW: np.ndarray, entropy_HW: np.ndarray, classes: int) -> np.ndarray:
    """Return ``author``'s quantity (H,W): the entropy from the smallest (0) to the largest (1) of its class here.

    NaN where all pixels of the class have the same entropy.
    """
    smallest_C, largest_C = np.full(classes, np.inf), np.full(classes, -np.inf)
    np.minimum.at(smallest_C, label_HW, entropy_HW)
    np.maximum.at(largest_C, label_HW, entropy_HW)
    with np.errstate(invalid="ignore", divide="ignore"):
        normalised_HW: np.ndarray = (entropy_HW - smallest_C[label_HW]) / (largest_C - smallest_C)[label_HW]
    return normalised_HW


def select_lse(index: CacheIndex, portion: float, compat: Compat) -> tuple[Selection, Details]:
    """Return the selection of ``select`` from a cache, and what else selection.json says of it."""
    statistics = ClassStatistics(
        index.statistic("pixel_count"),
        index.statistic("confidence_sum"),
        index.statistic("entropy_sum"),
        index.statistic("entropy_min"),
        index.statistic("entropy_max"),
    )
    result = select(statistics, index.image_ids, portion, compat)
    names = list(index.spec.class_names)
    selection = Selection("lse", compat, names, [index.image_ids[image] for image in result.images], result.threshold_C)
    details: Details = {
        "cache": index.spec.fingerprint,
        "portion": portion,
        "selected_per_class": dict(zip(names, result.selected_per_class, strict=True)),
        "threshold_from": {
            name: None if pivot is None else index.image_ids[pivot]
            for name, pivot in zip(names, result.pivot, strict=True)
        },
        "scores": mean_confidences(index),
    }
    return selection, details


def _select(reader: CacheReader, section: Lse, entry: LseRound, prior: Path) -> tuple[Selection, Details]:
    return select_lse(reader.index, entry.portion, section.compat)


def _label(pixels: Pixels, selection: Selection) -> np.ndarray:
    label_HW = pixels.label_HW.numpy()
    keep_HW = keep_filter(label_HW, pixels.entropy_HW.numpy(), selection.threshold_C, selection.compat)
    return np.where(keep_HW, label_HW, IGNORE).astype(np.uint8)


def _threshold(selection: Selection) -> Threshold:
    if selection.compat == "author":
        return Threshold("entropy-in-image", "entropy within its class in the image")
    return Threshold("entropy-share", "share of ln C")


def _explain(pixel: PixelView) -> Explanation:
    label = int(pixel.label_HW[pixel.position])
    threshold, name = float(pixel.selection.threshold_C[label]), pixel.class_names[label]
    if pixel.selection.compat == "author":
        return _explain_as_released(pixel, threshold, name)
    value = float(pixel.entropy_HW[pixel.position]) / math.log(len(pixel.class_names))
    below = "≤" if value <= threshold else ">"
    words = f"entropy / ln C is {value:.4g} {below} {threshold:.4g} (h of {name})"
    return Explanation("entropy / ln C", value, threshold, words)


def _explain_as_released(pixel: PixelView, threshold: float, name: str) -> Explanation:
    normalised_HW = normalised_within_class(pixel.label_HW, pixel.entropy_HW, len(pixel.class_names))
    value, quantity = float(normalised_HW[pixel.position]), "entropy within its class in this image, 0 to 1"
    if math.isnan(threshold) or math.isnan(value):
        words = "a threshold or entropy that is not a number keeps all"
        return Explanation(quantity, _unless_nan(value), _unless_nan(threshold), words)
    below = "<" if value < threshold else "≥"
    return Explanation(quantity, value, threshold, f"its {quantity}, {value:.4g} {below} {threshold:.4g} (h of {name})")


def _unless_nan(value: float) -> float | None:
    return None if math.isnan(value) else value


def _from_options(options: dict[str, Any]) -> tuple[Lse, LseRound]:
    return Lse.model_construct(compat=options["compat"]), LseRound.model_construct(
        method="lse", init="", portion=options["portion"]
    )


LSE = Method(
    "lse",
    section=Lse,
    round=LseRound,
    select=_select,
    label=_label,
    cut=lambda section: ZoomedPatches(section.patches, section.patch_size),
    threshold=_threshold,
    explain=_explain,
    about="LSE keeps a pixel whose entropy is at most the threshold h of its class.",
    when_empty="raise rounds.{round}.portion",
    paper=(
        PaperRounds(
            "lse", 7, "lse: {compat: paper, patches: 4, patch_size: [0.5, 0.5]}", first=0.10, step=0.05, largest=0.40
        ),
    ),
    from_options=_from_options,
    share=Share("portion", "images"),
    score_falls=True,
)
