"""CADA (Category-Adaptive Domain Adaptation): an entropy threshold for each class, from its centroid.

Eq. 1 defines a centroid f^l of the pixels predicted as class l; a pixel is trusted where the entropy of its prediction
is below that of its class's centroid by more than Δ (Eq. 3). Computed from the cache's statistics.

# N images, C class, H/W pixels
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from pipeline.common.labels import IGNORE
from pipeline.methods.method import (
    Explanation,
    Method,
    Option,
    PaperRounds,
    PixelView,
    RoundEntry,
    Threshold,
    WholeImages,
    whole_images,
)
from pipeline.methods.selection_file import Details, Selection

if TYPE_CHECKING:
    from pipeline.cache.index import CacheIndex
    from pipeline.cache.reader import CacheReader, Pixels

# Of entropies in nats: they are sums of float32 products of probabilities that are rounded themselves.
_ROUNDING = 1e-6

Centroid = Literal["weighted", "mean", "literal"]
"""The readings of Eq. 1, whose sum over classes would collapse the vector f^l to a number.

``weighted``: Σ m·p / Σ m over the pixels of the class, with m the largest probability of a pixel. The default: it is a
distribution, as "the entropy of f^l" needs, and it is what "confidence-weighted centroid" says.
``mean``: Σ p / n; a distribution, without the weights.
``literal``: the one non-zero entry that Eq. 1 leaves when the arg-max indicator selects inside the sum: the mean of m;
its "entropy" is -m ln m, below 1/e for any class, which trusts very few pixels.
"""


class Cada(WholeImages):
    """Category-Adaptive Domain Adaptation."""

    compat: Literal["paper"]
    delta: Annotated[float, Field(ge=0)] = Field(0.0, description="Δ of Eq. 3, in nats; the paper gives no value")
    centroid: Centroid = Field("weighted", description="reading of Eq. 1")


class CadaRound(RoundEntry):
    """One round of CADA's self-training."""

    method: Literal["cada"]


def thresholds(
    pixel_count_C: np.ndarray,
    confidence_sum_C: np.ndarray,
    probability_sum_CC: np.ndarray,
    weighted_probability_sum_CC: np.ndarray,
    centroid: Centroid,
    delta: float,
) -> np.ndarray:
    """Return E(f^l) - Δ of every class (C,), in nats; 0 for a class that is predicted nowhere: no pixel is below it.

    The arguments are the cache's statistics, summed over the images. The entropy of a distribution is concave, so with
    ``mean`` and Δ = 0 the threshold is at least the mean entropy of the class's pixels: most of them are kept.
    """
    present_C = pixel_count_C > 0
    if centroid == "literal":
        mean_C = confidence_sum_C / np.maximum(pixel_count_C, 1)
        entropy_C = -_times_log(mean_C)
    else:
        sum_CC = weighted_probability_sum_CC if centroid == "weighted" else probability_sum_CC
        weight_C = confidence_sum_C if centroid == "weighted" else pixel_count_C
        centroid_CC = sum_CC / np.where(present_C, weight_C, 1)[:, None]
        entropy_C = -_times_log(centroid_CC).sum(axis=1)
    threshold_C: np.ndarray = np.where(present_C, np.maximum(entropy_C - delta, 0), 0)
    return threshold_C


def _times_log(p: np.ndarray) -> np.ndarray:
    """Return p ln p, 0 at 0."""
    product: np.ndarray = p * np.log(np.where(p > 0, p, 1))
    return product


def keep_filter(label_HW: np.ndarray, entropy_HW: np.ndarray, threshold_C: np.ndarray) -> np.ndarray:
    """Return m of Eq. 3: (H,W) bool, True where E(p) < E(f^l) - Δ, with l the pixel's label and E in nats.

    Equal within 1e-6 nats is not below: a class of one pixel is its own centroid, and keeps none.
    """
    below_C = (threshold_C - _ROUNDING).astype(np.float32)
    kept_HW: np.ndarray = entropy_HW < below_C[label_HW]
    return kept_HW


def select_cada(index: CacheIndex, delta: float, centroid: Centroid) -> tuple[Selection, Details]:
    """Return all images with the thresholds of ``thresholds``, and what else selection.json says."""
    names = list(index.spec.class_names)
    threshold_C = thresholds(
        index.total("pixel_count"),
        index.total("confidence_sum"),
        index.total("probability_sum"),
        index.total("weighted_probability_sum"),
        centroid,
        delta,
    )
    selection = Selection("cada", "paper", names, list(index.image_ids), threshold_C)
    details: Details = {
        "cache": index.spec.fingerprint,
        "delta": delta,
        "centroid": centroid,
        "scores": dict(zip(index.image_ids, index.statistic("entropy_mean").tolist(), strict=True)),
    }
    return selection, details


def _select(reader: CacheReader, section: Cada, entry: CadaRound, prior: Path) -> tuple[Selection, Details]:
    return select_cada(reader.index, section.delta, section.centroid)


def _label(pixels: Pixels, selection: Selection) -> np.ndarray:
    label_HW = pixels.label_HW.numpy()
    keep_HW = keep_filter(label_HW, pixels.entropy_HW.numpy(), selection.threshold_C)
    return np.where(keep_HW, label_HW, IGNORE).astype(np.uint8)


def _explain(pixel: PixelView) -> Explanation:
    label, value = int(pixel.label_HW[pixel.position]), float(pixel.entropy_HW[pixel.position])
    threshold = float(pixel.selection.threshold_C[label])
    below = "<" if value < np.float32(threshold) else "≥"
    words = f"entropy is {value:.4g} nats {below} {threshold:.4g} (E(f) - Δ of {pixel.class_names[label]})"
    return Explanation("entropy, nats", value, threshold, words)


def _from_options(options: dict[str, Any]) -> tuple[Cada, CadaRound]:
    return Cada.model_construct(**options), CadaRound.model_construct(method="cada", init="")


CADA = Method(
    "cada",
    section=Cada,
    round=CadaRound,
    select=_select,
    label=_label,
    cut=whole_images,
    threshold=lambda selection: Threshold("entropy-nats", "nats"),
    explain=_explain,
    about="CADA keeps a pixel whose entropy is below that of its class's centroid by more than Δ.",
    when_empty="lower cada.delta, or choose another cada.centroid",
    paper=(
        PaperRounds(
            "cada",
            2,
            "cada: {compat: paper, delta: 0.0}",
            initial_alignment="style",
            initial_hints=(
                "CADA's learns from what CycleGAN makes of the source: its `supervision:` is that translation.",
            ),
        ),
    ),
    from_options=_from_options,
    options=(
        Option("delta", float, 0.0, "Δ, in nats"),
        Option("centroid", Centroid, "weighted", "reading of Eq. 1"),
    ),
)
