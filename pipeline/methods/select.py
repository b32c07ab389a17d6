"""From a cache to a selection and what there is to say about it: one function for each method."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.cache.index import CacheIndex
from pipeline.cache.reader import CacheReader
from pipeline.methods import cada
from pipeline.methods.cbst import exact_thresholds
from pipeline.methods.cbst_spatial_prior import prior_thresholds, read_prior
from pipeline.methods.intrada import rare_classes_predicted, split
from pipeline.methods.lse import ClassStatistics, select
from pipeline.methods.selection_file import Compat, Selection

Details = dict[str, object]


def select_lse(cache: Path, portion: float, compat: Compat) -> tuple[Selection, Details]:
    """LSE's class-based sorting and entropy thresholds. Reads statistics only."""
    index = CacheIndex(cache)
    statistics = ClassStatistics(
        index.statistic("pixel_count"),
        index.statistic("confidence_sum"),
        index.statistic("entropy_sum"),
        index.statistic("entropy_min"),
        index.statistic("entropy_max"),
    )
    answer = select(statistics, index.image_ids, portion, compat)
    names = list(index.spec.class_names)
    selection = Selection("lse", compat, names, [index.image_ids[image] for image in answer.images], answer.threshold_C)
    details: Details = {
        "cache": index.spec.fingerprint,
        "portion": portion,
        "selected_per_class": dict(zip(names, answer.selected_per_class, strict=True)),
        "threshold_from": {
            name: None if pivot is None else index.image_ids[pivot]
            for name, pivot in zip(names, answer.pivot, strict=True)
        },
        "scores": _mean_confidences(index),
    }
    return selection, details


def select_cbst(
    cache: Path, portion: float, compat: Compat, per_class: bool = True, prior: Path | None = None
) -> tuple[Selection, Details]:
    """CBST's thresholds on confidence, or one for all classes (ST); what of an image is trusted its label says.

    With the file of a spatial prior, thresholds are of probability times prior (CBST-SP, ST-SP).
    """
    reader = CacheReader(cache)
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
        "scores": _mean_confidences(reader.index),
    }
    return selection, details


def select_intrada(cache: Path, easy: float, compat: Compat, normalise: bool = False) -> tuple[Selection, Details]:
    """IntraDA's easy and hard images by mean entropy. Reads statistics only."""
    index = CacheIndex(cache)
    names = index.spec.class_names
    rare_N = rare_classes_predicted(index.statistic("pixel_count"), names) if normalise else None
    answer = split(index.statistic("entropy_mean"), rare_N, len(names), easy, compat)
    easy_ids, hard_ids = ([index.image_ids[image] for image in images] for images in (answer.easy, answer.hard))
    nothing_C = np.full(len(names), np.nan)
    selection = Selection("intrada", compat, list(names), easy_ids, nothing_C, tuple(hard_ids))
    details: Details = {
        "cache": index.spec.fingerprint,
        "portion": easy,
        "normalise": normalise,
        "easy": easy_ids,
        "hard": hard_ids,
        "scores": dict(zip(index.image_ids, answer.score_N.tolist(), strict=True)),
    }
    return selection, details


def select_cada(cache: Path, delta: float, centroid: cada.Centroid) -> tuple[Selection, Details]:
    """CADA's entropy thresholds from the centroids of the classes. Reads statistics only."""
    index = CacheIndex(cache)
    names = list(index.spec.class_names)
    threshold_C = cada.thresholds(
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


def _mean_confidences(index: CacheIndex) -> dict[str, float]:
    """Of every image by id, also of those that are not selected."""
    confidence_N = index.statistic("confidence_sum").sum(axis=1) / np.prod(index.spec.size)
    return dict(zip(index.image_ids, confidence_N.tolist(), strict=True))
