"""The part of the record that is read in a moment: results, gains with their intervals, verdicts, params."""

# R resample

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.common.errors import ReadableError
from pipeline.common.flat import flat
from pipeline.common.labels import ClassSet
from pipeline.evaluation.bootstrap import interval, resampled
from pipeline.evaluation.images import PER_IMAGE, read_class_pixels
from pipeline.evaluation.results import Result, baseline, gap_closed
from pipeline.health.record import read_health
from pipeline.report.chains import depth
from pipeline.report.control import control_of, control_to_add

if TYPE_CHECKING:
    from pipeline.params import Params

Subsets = dict[str, tuple[str, ...]]
Resampled = dict[str, tuple[list[str], np.ndarray]]
"""By run: the images' ids, and the headline metric (R,) of resampled images."""


def summary_of(params: Params, runs: Path, results: list[Result], classes: ClassSet) -> dict[str, Any]:
    """Return headline, classes, params, and of each run what its evaluation and its verdict say."""
    headline = params.evaluate.headline
    return {
        "headline": headline,
        "seed": params.seed,
        "classes": {
            "set": classes.name,
            "names": list(classes.names),
            "palette": [list(colour) for colour in classes.palette],
            # where evaluate.merge counts some classes as others, there are fewer
            "evaluated": list(results[0].class_iou) if results else list(classes.names),
        },
        "metrics": list(results[0].metrics) if results else [],
        "params": flat(params.model_dump(mode="json", exclude={"runtime"})),
        "runs": _runs(params, runs, results, _subsets(params, classes)),
    }


def _runs(params: Params, runs: Path, results: list[Result], subsets: Subsets) -> list[dict[str, Any]]:
    headline = params.evaluate.headline
    inits = {name: entry.init for name, entry in params.rounds.items()}
    kinds = {result.name: result.kind for result in results}
    source, oracle = baseline(results, "initial", headline), baseline(results, "oracle", headline)
    first = next((result.name for result in results if result.kind == "initial"), None)
    over_images = _resampled(params, runs, results, subsets)
    rows = []
    for result in results:
        control = control_of(params, result.name) if result.name in inits else None
        rows.append(
            {
                "name": result.name,
                "kind": result.kind,
                "init": inits.get(result.name),
                "round": depth(result.name, kinds, inits),
                "control": control,
                "control_to_add": control_to_add(params, result.name) if result.name in inits else None,
                **result.metrics,
                "gap_closed": gap_closed(result.metrics.get(headline), source, oracle),
                "gain_interval": _interval(over_images, result.name, first),
                "control_interval": _interval(over_images, result.name, control),
                "init_interval": _interval(over_images, result.name, inits.get(result.name)),
                "IoU": result.class_iou,
                "pseudo_labels": result.pseudo_labels,
                "class_pseudo_labels": result.class_pseudo_labels,
                **health_facts(runs / result.name),
            }
        )
    return rows


def _subsets(params: Params, classes: ClassSet) -> Subsets:
    """Return the named subsets of classes, the foreground among them."""
    name, metric = classes.foreground, classes.foreground_metric
    return {**({} if name is None or metric is None else {metric: (name,)}), **params.evaluate.subsets}


def _resampled(params: Params, runs: Path, results: list[Result], subsets: Subsets) -> Resampled:
    scores = {}
    for result in results:
        pixels = read_class_pixels(runs / result.name / PER_IMAGE)
        if pixels is not None:
            score_R = resampled(pixels, params.evaluate.headline, subsets, params.seed)
            if score_R is not None:
                scores[result.name] = (pixels.images, score_R)
    return scores


def _interval(over_images: Resampled, name: str, other: str | None) -> list[float] | None:
    """Return the interval of a run's difference to another; None where their images are not known to be the same."""
    if other is None or name == other or name not in over_images or other not in over_images:
        return None
    (images, score_R), (others, other_R) = over_images[name], over_images[other]
    ends = interval(score_R, other_R) if images == others else None
    return None if ends is None else list(ends)


def health_facts(folder: Path) -> dict[str, Any]:
    """Return the content of health.json; {} without it. One that cannot be read becomes a ``problem``."""
    try:
        record = read_health(folder)
    except ReadableError as error:
        return {"health": {"problem": str(error)}}
    return {} if record is None else {"health": record.as_json()}
