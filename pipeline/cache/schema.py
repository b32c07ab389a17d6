"""Schema, version 2, of a probability cache: a folder of HDF5 parts. docs/cache.md describes it for people."""

# N images of a part, C class, H/W pixels, h/w network resolution, B bins

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pipeline.common.errors import ReadableError

SCHEMA_VERSION = 2

Profile = Literal["logits", "probabilities", "float32"]
"""``logits``: float32 logits at the network's own resolution, exact. ``probabilities``: square-root uint8 volumes.
``float32``: volumes as they are, for imports that must stay exact; large."""

IMAGE_IDS = "image_ids"
LOGITS = "logits"
VOLUMES = "probabilities"
ROOTS = "probability_roots"
CONFIDENCE = "confidence_code"
LABEL = "label"
ENTROPY = "entropy"
STATISTICS = "statistics"
HISTOGRAMS = "histograms"

PER_CLASS_STATISTICS = ("pixel_count", "confidence_sum", "entropy_sum", "entropy_min", "entropy_max")
"""Each (N,C)."""
CENTROID_STATISTICS = ("probability_sum", "weighted_probability_sum")
"""Each (N,C,C): rows are the label, columns the class of the probability."""
PER_IMAGE_STATISTICS = ("entropy_mean",)
"""Each (N,)."""
ALL_STATISTICS = (*PER_CLASS_STATISTICS, *CENTROID_STATISTICS, *PER_IMAGE_STATISTICS)

CONFIDENCE_HISTOGRAM = "confidence"
ENTROPY_HISTOGRAM = "entropy"

ABOUT = {
    IMAGE_IDS: "ids of the images, in the order of all other datasets, UTF-8",
    LOGITS: "the network's answer for one view at its own resolution (N,C,h,w); probability = softmax over C of its "
    "up-sample to (H,W), flipped back where the view is flipped; several views are averaged after softmax",
    VOLUMES: "probabilities (N,C,H,W)",
    ROOTS: "round(255 * sqrt(p)) (N,C,H,W); p of the label is in confidence_code, the others share what is left in "
    "proportion to the square of this",
    CONFIDENCE: "largest probability (N,H,W): 0..65534 stand for ln(p/(1-p)) from -6 to 17 in equal steps, 65535 for 1",
    LABEL: "class with the largest probability (N,H,W)",
    ENTROPY: "5 * round(51 * entropy / ln C) of the probabilities (N,H,W), 0 to 255, for viewing",
    f"{STATISTICS}/pixel_count": "pixels labelled with the class (N,C)",
    f"{STATISTICS}/confidence_sum": "sum of the largest probability over the class's pixels (N,C)",
    f"{STATISTICS}/entropy_sum": "sum of the entropy in nats over the class's pixels (N,C)",
    f"{STATISTICS}/entropy_min": "smallest entropy in nats among the class's pixels, 0 where it has none (N,C)",
    f"{STATISTICS}/entropy_max": "largest entropy in nats among the class's pixels, 0 where it has none (N,C)",
    f"{STATISTICS}/probability_sum": "sum of the probability vectors of the pixels labelled with the class "
    "(N,C of the label,C)",
    f"{STATISTICS}/weighted_probability_sum": "the same, each pixel weighted by its largest probability "
    "(N,C of the label,C)",
    f"{STATISTICS}/entropy_mean": "mean entropy in nats over the image's pixels (N)",
    f"{HISTOGRAMS}/{CONFIDENCE_HISTOGRAM}": "pixels of all images of this part by label and largest probability p "
    "(C,B): bin = floor(65536 p) below 1 - 2^-9, from there one bin for every float32 up to 1",
    f"{HISTOGRAMS}/{ENTROPY_HISTOGRAM}": "pixels of all images of this part by label and entropy E (C,B): bin = "
    "min(B - 1, floor(B E / ln C))",
}


class View(NamedTuple):
    """One way to show each image to the network; the probabilities of all views are averaged."""

    scale: float = 1.0
    """The image was resized by this before the network saw it."""
    flip: bool = False
    """The image was mirrored left to right; reading mirrors the probabilities back."""

    @property
    def name(self) -> str:
        """Name of its logits dataset: ``1``, ``0.75``, ``1-flip``."""
        return f"{self.scale:g}" + ("-flip" if self.flip else "")


@dataclass(frozen=True)
class CacheSpec:
    """What all parts of one cache have in common."""

    fingerprint: str
    """Hash of model, data and parameters: parts of two models never mix."""
    class_names: tuple[str, ...]
    size: tuple[int, int]
    """Height and width of the probabilities."""
    profile: Profile
    images: int
    """Number of images in the whole cache, so that a missing last part is noticed."""
    part_images: int
    """Images of each part but the last."""
    align_corners: bool = False
    """Of the bilinear up-sampling of logits."""
    views: tuple[View, ...] = (View(),)
    origin: str = field(default="", compare=False)
    """Its source in words: the model's file, the data set."""

    def __post_init__(self) -> None:
        if not 2 <= self.classes <= 255:
            raise CacheError(
                f"a cache holds 2 to 255 classes (labels are bytes, 255 means ignored), not {self.classes}"
            )
        if self.images < 1 or self.part_images < 1 or min(self.size) < 1:
            raise CacheError(f"a cache of {self.images} images of {self.size[0]}x{self.size[1]} has nothing to hold")

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def parts(self) -> int:
        """Number of parts."""
        return -(-self.images // self.part_images)

    def positions(self, part: int) -> range:
        """Return the positions, among all images, of the part's images."""
        return range(part * self.part_images, min((part + 1) * self.part_images, self.images))

    def called(self) -> str:
        """Return the cache in words, for messages."""
        return f"{self.fingerprint} ({self.origin})" if self.origin else self.fingerprint


class CacheError(ReadableError, RuntimeError):
    """A cache cannot be read or continued; the message names the file and what to do."""


class DamagedPartError(CacheError):
    """A part is there, but not whole: a dump writes it again."""
