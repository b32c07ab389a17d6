"""CBST, its variants ST and CBST-SP: class-balanced thresholds on confidence (Zou et al., ECCV 2018).

The arithmetic is in ``cbst_thresholds`` and ``cbst_spatial_prior``.

# C class, H/W pixels
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from pipeline.common.labels import IGNORE
from pipeline.common.section import Fraction
from pipeline.methods.method import (
    Crops,
    Explanation,
    Method,
    Option,
    PaperRounds,
    PixelView,
    RoundEntry,
    Share,
    Threshold,
    WholeImages,
)
from pipeline.methods.selection_file import Compat, Details, Selection, mean_confidences

if TYPE_CHECKING:
    from pipeline.cache.reader import CacheReader, Pixels
    from pipeline.params import Params


class Cbst(WholeImages):
    """Class-Balanced Self-Training (Zou et al., ECCV 2018)."""

    compat: Literal["paper", "author"]
    mine_below: Annotated[float, Field(ge=0, le=1)] = Field(
        0.001, description="classes with a smaller share of the predicted pixels are mined: crops are centred on them"
    )
    mine_chance: Annotated[float, Field(ge=0, le=1)] = Field(0.8, description="of a crop to be centred on such a class")


class CbstRound(RoundEntry):
    """One round of CBST, or of ST with one threshold for all classes."""

    method: Literal["cbst"]
    portion: Fraction = Field(description="share of the pixels predicted as a class")
    thresholds: Literal["per-class", "global"] = "per-class"
    source_portion: Fraction = Field(1.0, description="share of the source images trained on; grows with the rounds")
    spatial_prior: bool = Field(False, description="multiply with the source's spatial prior first (CBST-SP)")


def select_cbst(
    reader: CacheReader, portion: float, compat: Compat, per_class: bool = True, prior: Path | None = None
) -> tuple[Selection, Details]:
    """Return all images with CBST's thresholds on confidence, or with one for all classes (ST).

    With the file of a spatial prior, thresholds are of probability times prior (CBST-SP, ST-SP). The second value is
    what else selection.json says.
    """
    from pipeline.methods.cbst_spatial_prior import prior_thresholds, read_prior
    from pipeline.methods.cbst_thresholds import exact_thresholds

    names = list(reader.spec.class_names)
    if prior is None:
        threshold_C = exact_thresholds(reader, portion, compat, per_class)
        pixels_C = reader.index.statistic("pixel_count").sum(axis=0)
    else:
        prior_CHW = read_prior(prior, names, reader.spec.size)
        threshold_C, pixels_C = prior_thresholds(reader, prior_CHW, portion, compat, per_class)
    selection = Selection("cbst", compat, names, list(reader.image_ids), threshold_C, prior=prior)
    details: Details = {
        "cache": reader.spec.fingerprint,
        "portion": portion,
        "thresholds_are": "per-class" if per_class else "global",
        "pixels_per_class": {name: int(count) for name, count in zip(names, pixels_C, strict=True)},
        "scores": mean_confidences(reader.index),
    }
    return selection, details


def _select(reader: CacheReader, section: Cbst, entry: CbstRound, prior: Path) -> tuple[Selection, Details]:
    per_class = entry.thresholds == "per-class"
    return select_cbst(reader, entry.portion, section.compat, per_class, prior if entry.spatial_prior else None)


def _label(pixels: Pixels, selection: Selection) -> np.ndarray:
    from pipeline.methods.cbst_spatial_prior import prior_at
    from pipeline.methods.cbst_thresholds import pseudo_label

    assert pixels.prob_CHW is not None
    prob_CHW = pixels.prob_CHW.numpy()
    if selection.prior is not None:
        prob_CHW = prob_CHW * prior_at(selection.prior, tuple(selection.class_names), prob_CHW.shape[1:])
    return pseudo_label(prob_CHW, selection.threshold_C, selection.compat)


def _threshold(selection: Selection) -> Threshold:
    return Threshold("confidence" if selection.prior is None else "confidence-and-prior", "probability")


def _explain(pixel: PixelView) -> Explanation:
    selection, names = pixel.selection, pixel.class_names
    prob_C, symbol = _weighted_by_prior(pixel)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio_C = prob_C / selection.threshold_C.astype(np.float32)
    best, label = int(np.nanargmax(ratio_C)), int(pixel.label_HW[pixel.position])
    value, threshold = float(prob_C[best]), float(selection.threshold_C[best])
    reaches = pixel.pseudo_HW[pixel.position] != IGNORE
    compared = f"{symbol} = {value:.5g} {'reaches' if reaches else 'does not reach'} its threshold {threshold:.5g}"
    tail = "" if best == label else f", weighed by thresholds before {names[label]}"
    quantity = "confidence" if selection.prior is None else "confidence times prior"
    words = f"{names[best]} has the largest {symbol} / threshold: {compared}{tail}"
    return Explanation(quantity, value, threshold, words)


def _weighted_by_prior(pixel: PixelView) -> tuple[np.ndarray, str]:
    """Return the distribution (C,) that thresholds are compared with, and its symbol."""
    from pipeline.methods.cbst_spatial_prior import prior_at

    if pixel.selection.prior is None:
        return pixel.prob_C, "p"
    height, width = pixel.label_HW.shape
    prior_CHW = prior_at(pixel.selection.prior, pixel.class_names, (height, width))
    row, column = pixel.position
    return pixel.prob_C * prior_CHW[:, row, column], "p · prior"


def _problems(params: Params, name: str, section: Cbst, entry: CbstRound) -> list[str]:
    if not entry.spatial_prior or params.data.spatial_prior:
        return []
    return [f"rounds.{name}.spatial_prior: needs `data.spatial_prior: true`, so that prepare estimates it"]


def _from_options(options: dict[str, Any]) -> tuple[Cbst, CbstRound]:
    entry = CbstRound.model_construct(
        method="cbst",
        init="",
        portion=options["portion"],
        thresholds="global" if options["one_threshold"] else "per-class",
        spatial_prior=options["prior"] is not None,
    )
    return Cbst.model_construct(compat=options["compat"]), entry


def _paper(name: str, besides: str = "", **fixed: Any) -> PaperRounds:
    return PaperRounds(
        name,
        3,
        "cbst: {compat: paper}",
        first=0.20,
        step=0.05,
        largest=0.50,
        fixed=fixed,
        besides=besides,
        hints=(
            "All of the source takes part. CBST's released code takes 3 % of GTA5, 0.25 % more with each round:",
            "`source_portion: 0.03`, 0.0325, …",
        ),
    )


CBST = Method(
    "cbst",
    section=Cbst,
    round=CbstRound,
    select=_select,
    label=_label,
    cut=lambda section: Crops(section.crops, section.crop_size, section.mine_below, section.mine_chance),
    threshold=_threshold,
    explain=_explain,
    about="CBST keeps a pixel where a class reaches its threshold on confidence, "
    "so that rare classes keep their share.",
    when_empty="raise rounds.{round}.portion",
    paper=(
        _paper("cbst"),
        _paper("st", thresholds="global"),
        _paper("cbst-sp", "data.spatial_prior: true", spatial_prior=True),
    ),
    from_options=_from_options,
    share=Share("portion", "pixels"),
    options=(
        Option("one_threshold", bool, False, "one for all classes (ST)"),
        Option(
            "prior",
            Path | None,
            None,
            "a spatial prior (CBST-SP), e.g. data/prepared/spatial-prior/spatial-prior.h5",
        ),
    ),
    problems=_problems,
    needs_volume=True,
    score_falls=True,
)
