"""The mean teacher: a round in which a moving average of the network labels the target while the network learns.

DACS (Tranheden et al., WACV 2021), DAFormer and MIC (Hoyer et al., CVPR 2022 and 2023) trust a pixel by one threshold
for all classes. Here the default is a quota for each class, as CBST has offline: the same share of the pixels of every
class. A round begins with what its cache knows: the confidences of every class, and which images show which classes.

# C class, H/W pixels
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator

from pipeline.common.errors import did_you_mean
from pipeline.common.labels import IGNORE, class_set
from pipeline.common.section import Fraction, NotNegative, Positive, Rate, Section, Weight
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
from pipeline.methods.selection_file import Details, Selection, mean_confidences

if TYPE_CHECKING:
    from pipeline.cache.reader import CacheReader, Pixels
    from pipeline.params import Params


THINGS = (
    "traffic light", "traffic sign", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip
"""Classes of DAFormer's feature distance: 6, 7 and 11 … 18 of Cityscapes' 19."""


class Mask(Section):
    """Blocks of the image that the network does not see (MIC)."""

    block: Positive = Field(16, description="side of a block, pixels")
    ratio: Fraction = Field(0.5, description="share of the blocks that is masked")
    of: Literal["mixed", "target"] = Field(
        "mixed",
        description="mixed: every second mixed image, without a pass of its own; target: the target's images, in a "
        "pass and a loss of their own (MIC)",
    )
    weight: Weight = Field(1.0, description="of the loss on masked target images")


class FeatureDistance(Section):
    """What keeps the encoder's features of some classes near those of ImageNet's network (DAFormer)."""

    weight: Weight = Field(0.005, description="of the distance in the loss on the source")
    classes: tuple[str, ...] = Field(THINGS, description="classes that count; those that the class set lacks do not")
    least_share: Fraction = Field(0.75, description="share of a feature's pixels that must have its class")


class Draws(Section):
    """Images drawn by a class that they hold, rare classes more often (DAFormer's rare class sampling)."""

    source_temperature: Rate | None = Field(
        0.01,
        description="T of softmax((1 - f) / T), the chance of a class that has the share f of the labelled pixels; "
        "null: each image of the source once in each pass",
    )
    target_temperature: Rate | None = Field(
        None,
        description="the same of the target, by the cache's predictions; null: each image of it once in each pass",
    )
    smallest_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.00149, description="share of an image's pixels that must have the class for which it is drawn"
    )
    crop_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5,
        description="times smallest_share: the share of a zoomed source image's pixels that must have the class still; "
        "else it is zoomed anew, ten times at most",
    )

    @model_validator(mode="after")
    def _one_is_drawn(self) -> Draws:
        if self.source_temperature is None and self.target_temperature is None:
            raise ValueError("both temperatures are null, so that nothing is drawn by class; leave draws out")
        return self


class Teacher(Section):
    """A mean teacher (DACS, DAFormer, MIC), with class quotas."""

    compat: Literal["paper", "author"] = Field(
        description="author: as the released code of DAFormer and MIC: shares and the classes to paste are of the "
        "whole batch, ignored pixels are a class to paste and count in the loss on the source, and the teacher "
        "normalises by the batch that it labels"
    )
    thresholds: Literal["quota", "share", "both"] = Field(
        "quota",
        description="quota: a pixel counts where its confidence is in the surest `portion` of its class; share: all "
        "pixels of an image count by the share of them that reach `confidence` (DACS); both: one times the other",
    )
    largest_threshold: Fraction = Field(0.95, description="quota: a pixel this sure counts whatever its class's quota")
    memory: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.98, description="quota: by what the counts of confidences shrink with each step"
    )
    confidence: Fraction = Field(0.968, description="share: from which confidence on a pixel is sure")
    mix: Literal["classmix", "none"] = Field(
        "classmix", description="classmix: half of the classes of a source image are pasted onto the target image"
    )
    flip: bool = Field(True, description="the teacher's answer is the mean over the image and its mirror image")
    ramp: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="share of the steps over which the weight of the target's loss rises from 0 to 1"
    )
    target_weight: Weight = Field(1.0, description="of the loss on mixed images")
    margins: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        (0.0, 0.0), description="top, bottom: shares of the image's height in which no pixel of the target counts"
    )
    photometric_on: Literal["all", "mixed"] = Field(
        "all",
        description="which images the photometric changes of adapt.augmentation are for; all: the source's too, with "
        "0.6 of the chances of blur and noise on mixed images; mixed: mixed and masked images only, with the chances "
        "as they are (DACS)",
    )
    feature_distance: FeatureDistance | None = Field(
        None,
        description="from the features of ImageNet's network: model.pretrained, or else model.weights; default: none",
    )
    regulariser: Weight = Field(
        0.0, description="of -1/C Σ ln p on the pixels with a pseudo-label (MRKLD of CRST, 0.1 there)"
    )
    draws: Draws | None = Field(None, description="of images by their classes; default: each once in each pass")
    patches: NotNegative = Field(
        0, description="zoomed patches of each image, with pseudo-labels from the cache, as LSE cuts them; 0: none"
    )
    patch_size: tuple[Fraction, Fraction] = Field((0.5, 0.5), description="height, width as fractions of the image")
    patches_weight: Weight = Field(1.0, description="of the loss on patches")


class TeacherRound(RoundEntry):
    """One round with a mean teacher."""

    method: Literal["teacher"]
    portion: Fraction = Field(0.66, description="quota: share of the pixels of each class that counts")
    mask: Mask | None = Field(None, description="what the network does not see; default: it sees all")


def select_teacher(reader: CacheReader, portion: float, largest: float) -> tuple[Selection, Details]:
    """Return all images with the quota's first thresholds: those that the initial network's confidences give."""
    from pipeline.methods.cbst_thresholds import thresholds_from_histogram

    index, names = reader.index, list(reader.spec.class_names)
    threshold_C = np.minimum(thresholds_from_histogram(index, portion, "paper"), largest)
    selection = Selection("teacher", "paper", names, list(index.image_ids), threshold_C)
    pixels_C = index.total("pixel_count")
    details: Details = {
        "cache": index.spec.fingerprint,
        "portion": portion,
        "pixels_per_class": {name: int(count) for name, count in zip(names, pixels_C, strict=True)},
        "scores": mean_confidences(index),
    }
    return selection, details


def _select(reader: CacheReader, section: Teacher, entry: TeacherRound, prior: Path) -> tuple[Selection, Details]:
    return select_teacher(reader, entry.portion, section.largest_threshold)


def _label(pixels: Pixels, selection: Selection) -> np.ndarray:
    label_HW = pixels.label_HW.numpy()
    sure_HW = pixels.confidence_HW.numpy() >= selection.threshold_C.astype(np.float32)[label_HW]
    return np.where(sure_HW, label_HW, IGNORE).astype(np.uint8)


def _explain(pixel: PixelView) -> Explanation:
    label, value = int(pixel.label_HW[pixel.position]), float(pixel.prob_C.max())
    threshold = float(pixel.selection.threshold_C[label])
    reaches = "reaches" if value >= np.float32(threshold) else "is below"
    words = (
        f"confidence {value:.5g} {reaches} {threshold:.5g}, with which the quota of {pixel.class_names[label]} begins"
    )
    return Explanation("confidence", value, threshold, words)


def _problems(params: Params, name: str, section: Teacher, entry: TeacherRound) -> list[str]:
    problems = _batch_problems(params, name)
    if section.feature_distance is not None:
        problems += _feature_problems(params, section.feature_distance)
    sizes = [split.size or params.data.size for split in (params.data.source, params.data.target)]
    if sizes[0] != sizes[1]:
        problems.append(
            f"rounds.{name}: source images of {list(sizes[0])} are pasted onto target images of {list(sizes[1])}; "
            "give data.source.size and data.target.size the same value"
        )
    return problems


def _batch_problems(params: Params, name: str) -> list[str]:
    try:
        adapt = params.adapt_of(name)
    except ValidationError:  # is reported where the round's own changes are checked
        return []
    if adapt.source_batch == adapt.batch:
        return []
    return [
        f"rounds.{name}: a teacher pairs each target image with a source image: adapt.source_batch is "
        f"{adapt.source_batch}, and adapt.batch {adapt.batch}; make them equal"
    ]


def _feature_problems(params: Params, distance: FeatureDistance) -> list[str]:
    problems = []
    names = class_set(params.classes).names
    absent = [name for name in distance.classes if name not in names]
    unknown = [name for name in absent if name not in THINGS]
    if len(absent) == len(distance.classes):
        problems.append(
            f"teacher.feature_distance.classes: {', '.join(distance.classes)}: none of these is a class here; choose "
            f"some of {', '.join(names)}, or leave feature_distance out"
        )
    elif unknown:
        problems.append(
            f"teacher.feature_distance.classes: {', '.join(unknown)}: not a class here ({', '.join(names)})"
            f"{did_you_mean(unknown[0], names)}"
        )
    if not params.model.pretrained and params.model.weights is None:
        problems.append(
            "teacher.feature_distance: it compares with ImageNet's features, and the network begins with random "
            "weights; set model.pretrained to true, model.weights to ImageNet's, or leave feature_distance out"
        )
    return problems


def _from_options(options: dict[str, Any]) -> tuple[Teacher, TeacherRound]:
    section = Teacher.model_construct(compat=options["compat"], largest_threshold=0.95)
    return section, TeacherRound.model_construct(method="teacher", init="", portion=options["portion"])


_PAIRS = "adapt.source_batch must equal adapt.batch: each target image is paired with a source image."
_SHARE = "teacher: {compat: paper, thresholds: share, flip: false, photometric_on: mixed"
_DAFORMER = f"{_SHARE}, margins: [0.0293, 0.2344], feature_distance: {{weight: 0.005}}}}"
_DAFORMER_HINTS = (
    _PAIRS,
    "adapt.ema is 0.999 in the paper; adapt.augmentation.photometric changes mixed images, as in presets/.",
    "margins: rows 15 and 120 of Cityscapes' 512. feature_distance needs model.pretrained or ImageNet's model.weights.",
)
_ROUNDS = (
    PaperRounds(
        "teacher", 1, "teacher: {compat: paper}", first=0.60, largest=0.60,
        hints=(
            _PAIRS,
            "adapt.ema is the teacher's decay, `auto` where it is left out; trials had",
            "adapt.augmentation: {scale: [0.75, 2.0], photometric: strong} (docs/results.md).",
        ),
    ),
    PaperRounds(
        "dacs", 1, f"{_SHARE}}}",
        hints=(_PAIRS, "adapt.ema is 0.99 in the paper; adapt.augmentation.photometric changes mixed images."),
    ),
    PaperRounds("daformer", 1, _DAFORMER, hints=_DAFORMER_HINTS),
    PaperRounds(
        "mic", 1, _DAFORMER,
        fixed={"mask": {"block": 32, "ratio": 0.7, "of": "target"}},
        hints=(*_DAFORMER_HINTS, "mask.block is in pixels: 32 of 512 rows, 64 of 1024."),
    ),
)  # fmt: skip


TEACHER = Method(
    "teacher",
    section=Teacher,
    round=TeacherRound,
    select=_select,
    label=_label,
    cut=lambda section: ZoomedPatches(section.patches, section.patch_size),
    threshold=lambda selection: Threshold("confidence", "probability"),
    explain=_explain,
    about="A teacher's round begins with the quotas of this cache: of every class, the surest pixels count.",
    when_empty="raise rounds.{round}.portion, or set teacher.patches to 0",
    paper=_ROUNDS,
    from_options=_from_options,
    problems=_problems,
    share=Share("portion", "pixels"),
    score_falls=True,
    teaches=True,
)
