"""Schema, version 1, of a probability cache: a folder of HDF5 parts. docs/cache.md describes it for people.

# N images of a part, V views, C class, H/W pixels, h/w network resolution
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import ReadableError

SCHEMA_VERSION = 1

IMAGE_IDS = "image_ids"
LOGITS = "logits"
LABEL = "label"
ENTROPY = "entropy"
STATISTICS = "statistics"

PER_CLASS_STATISTICS = ("pixel_count", "confidence_sum", "entropy_sum", "entropy_min", "entropy_max")

ABOUT = {
    IMAGE_IDS: "ids of the images, in the order of all other datasets",
    LOGITS: "the network's answer at its own resolution (N,V,C,h,w); probability = softmax over C of its up-sample",
    LABEL: "class with the largest probability (N,H,W)",
    ENTROPY: "round(255 * entropy / ln C) of the probabilities (N,H,W), for viewing",
    f"{STATISTICS}/pixel_count": "pixels labelled with the class (N,C)",
    f"{STATISTICS}/confidence_sum": "sum of the largest probability over the class's pixels (N,C)",
    f"{STATISTICS}/entropy_sum": "sum of the entropy in nats over the class's pixels (N,C)",
    f"{STATISTICS}/entropy_min": "smallest entropy in nats among the class's pixels, 0 where it has none (N,C)",
    f"{STATISTICS}/entropy_max": "largest entropy in nats among the class's pixels, 0 where it has none (N,C)",
}


@dataclass(frozen=True)
class CacheSpec:
    """What all parts of one cache have in common."""

    fingerprint: str
    """Of the model, the data and the parameters that made it: parts of two models never mix."""
    class_names: tuple[str, ...]
    size: tuple[int, int]
    """Height and width of the probabilities."""
    upsample_mode: str
    """How logits become full size: ``bilinear``, or ``none`` where the network answers at full size."""
    align_corners: bool

    @property
    def classes(self) -> int:
        return len(self.class_names)


class CacheError(ReadableError, RuntimeError):
    """A cache cannot be read or continued; the message names the file and what to do."""
