"""IntraDA: easy and hard images by their mean entropy (Pan et al., CVPR 2020, Eq. 4 and Sec. 3.2).

Selecting reads the cache's statistics only, no probability volume.

# N images, C class
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from pipeline.common.section import Discriminators, Fraction, Weight
from pipeline.methods.method import (
    NO_THRESHOLD,
    Explanation,
    Method,
    Option,
    PaperRounds,
    PixelView,
    RoundEntry,
    Share,
    WholeImages,
    whole_images,
)
from pipeline.methods.quantiles import selected_count
from pipeline.methods.selection_file import Compat, Details, Selection

if TYPE_CHECKING:
    from pipeline.cache.index import CacheIndex
    from pipeline.cache.reader import CacheReader, Pixels
    from pipeline.params import Params

RARE_CLASSES = (
    "wall", "fence", "pole", "traffic light", "traffic sign", "terrain", "rider", "bus", "train", "motorcycle",
    "truck",
)  # fmt: skip
"""The classes that the released code counts as rare: train ids 3 to 7, 9, 12 and 14 to 17."""


EASY = 0.67
"""λ for streets."""


class Intrada(WholeImages):
    """Intra-domain Adaptation (Pan et al., CVPR 2020): from the easy images of the target to the hard ones."""

    compat: Literal["paper", "author"]
    normalise: bool = Field(False, description="rank by the entropy over the number of rare classes predicted")
    begin: Literal["init", "fresh"] = Field(
        "init", description="fresh: train a new network as `model` says (ImageNet weights, as the paper), not init's"
    )
    lambda_main: Weight = Field(0.001, description="weight of the alignment of the predictions; 0 leaves it out")
    lambda_auxiliary: Weight = Field(0.0002, description="of the auxiliary head's, where model.heads is 2")
    discriminators: Discriminators = Field(Discriminators(), description="how the discriminators learn")


class IntradaRound(RoundEntry):
    """IntraDA's intra-domain step; its init is usually an initial model with an alignment."""

    method: Literal["intrada"]
    easy: Fraction = Field(EASY, description="λ: share of the images held for easy; 1 is self-training on all")


class Split(NamedTuple):
    """Positions of the images of both splits, each by rising score, and the scores."""

    easy: list[int]
    hard: list[int]
    score_N: np.ndarray


def split(entropy_mean_N: np.ndarray, rare_N: np.ndarray | None, classes: int, easy: float, compat: Compat) -> Split:
    """Return the ``easy`` (λ) share of the images with the smallest score, rounded down, and the others.

    The score is R(I), the mean of the entropy map (Eq. 4). ``rare_N``, the number of rare classes predicted in each
    image, normalises it where it is given, so that images are not hard for what they show: ``paper`` divides by it (an
    image without any keeps its score: the paper leaves 0 open), ``author`` multiplies by (11 - n)/11 + 0.5.

    ``paper``: entropy in nats, as in Eq. 4. ``author``: in units of ln C, and averaged over the C channels of the map
    too, which changes no order. Ties keep the order of the images (the released code shuffles them).
    λ = 0 makes every image hard, λ = 1 every image easy.
    """
    score_N = entropy_mean_N.astype(np.float64)
    if compat == "author":
        score_N = score_N / (math.log(classes) * classes)
    if rare_N is not None:
        score_N = score_N * _author_factor(rare_N) if compat == "author" else score_N / np.maximum(rare_N, 1)
    order = np.argsort(score_N, kind="stable").tolist()
    count = selected_count(len(order), easy, compat)
    return Split(order[:count], order[count:], score_N)


def _author_factor(rare_N: np.ndarray) -> np.ndarray:
    total = len(RARE_CLASSES)
    factor_N: np.ndarray = (total - rare_N) / total + 0.5
    return factor_N


def rare_classes_predicted(pixel_count_NC: np.ndarray, class_names: tuple[str, ...]) -> np.ndarray:
    """Return the number of rare classes predicted in each image, (N,). One pixel counts, as in the released code."""
    columns = [index for index, name in enumerate(class_names) if name in RARE_CLASSES]
    count_N: np.ndarray = (pixel_count_NC[:, columns] > 0).sum(axis=1)
    return count_N


def select_intrada(
    index: CacheIndex, easy: float, compat: Compat, normalise: bool = False
) -> tuple[Selection, Details]:
    """Return the easy images of ``split`` as the selection, with the hard ones, and what else selection.json says."""
    names = index.spec.class_names
    rare_N = rare_classes_predicted(index.statistic("pixel_count"), names) if normalise else None
    result = split(index.statistic("entropy_mean"), rare_N, len(names), easy, compat)
    easy_ids, hard_ids = ([index.image_ids[image] for image in images] for images in (result.easy, result.hard))
    nothing_C = np.full(len(names), np.nan)
    selection = Selection("intrada", compat, list(names), easy_ids, nothing_C, tuple(hard_ids))
    details: Details = {
        "cache": index.spec.fingerprint,
        "portion": easy,
        "normalise": normalise,
        "easy": easy_ids,
        "hard": hard_ids,
        "scores": dict(zip(index.image_ids, result.score_N.tolist(), strict=True)),
    }
    return selection, details


def _select(reader: CacheReader, section: Intrada, entry: IntradaRound, prior: Path) -> tuple[Selection, Details]:
    return select_intrada(reader.index, entry.easy, section.compat, section.normalise)


def _label(pixels: Pixels, selection: Selection) -> np.ndarray:
    """Return the plain arg-max: the easy images are trusted as they are."""
    return pixels.label_HW.numpy()


def _explain(pixel: PixelView) -> Explanation:
    words = (
        "the image is easy, and easy images are trusted as they are"
        if pixel.image_id in pixel.selection.images
        else "the image is hard: it has no pseudo-labels, and is aligned with the easy ones instead"
    )
    return Explanation("", None, None, words)


def _no_rare_class(class_names: tuple[str, ...]) -> str | None:
    """Return why rare classes cannot be counted where no class has the name of one: every image would have none."""
    if set(class_names) & set(RARE_CLASSES):
        return None
    return (
        f"counts Cityscapes' rare classes ({', '.join(RARE_CLASSES)}), and this cache has none of them: "
        f"{', '.join(class_names)}; `cache import --classes` names classes"
    )


def _problems(params: Params, name: str, section: Intrada, entry: IntradaRound) -> list[str]:
    size, shares = params.data.target.size or params.data.size, section.crop_size
    height, width = (round(side * share) for side, share in zip(size, shares, strict=True))
    cut = "" if shares == (1.0, 1.0) else f" cut to intrada.crop_size {list(shares)}"
    problem = section.discriminators.problem(height, width, f"data.target{cut}")
    return [] if problem is None else [f"rounds.{name}.method: intrada {problem}"]


def _from_options(options: dict[str, Any]) -> tuple[Intrada, IntradaRound]:
    section = Intrada.model_construct(compat=options["compat"], normalise=options["normalise"])
    return section, IntradaRound.model_construct(method="intrada", init="", easy=options["portion"])


INTRADA = Method(
    "intrada",
    section=Intrada,
    round=IntradaRound,
    select=_select,
    label=_label,
    cut=whole_images,
    threshold=lambda selection: NO_THRESHOLD,
    explain=_explain,
    about="IntraDA has no thresholds of classes: it trusts whole images, the easy ones.",
    when_empty="raise rounds.{round}.easy",
    paper=(PaperRounds("intrada", 1, "intrada: {compat: paper}", first=EASY, initial_alignment="advent"),),
    from_options=_from_options,
    share=Share("easy", "easy images", may_be_zero=True),
    options=(Option("normalise", bool, False, "by the number of rare classes predicted", _no_rare_class),),
    problems=_problems,
    splits=True,
)
