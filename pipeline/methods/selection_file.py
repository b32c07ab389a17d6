"""selection.json: a method's selection, readable by people and by other programs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from pipeline.common.files import fingerprint, read_json, write_bytes, write_json

if TYPE_CHECKING:
    from pipeline.cache.index import CacheIndex

Details = dict[str, object]
"""What selection.json says besides the selection."""

Compat = Literal["paper", "author"]
"""Whether a method follows its paper, or its released code where that differs (docs/methods.md)."""


class Selection(NamedTuple):
    """The selected images and one threshold per class, as later stages use them."""

    method: str
    compat: Compat
    class_names: list[str]
    images: list[str]
    """Ids, in the order in which the method selected them; of a method that splits, the easy ones."""
    threshold_C: np.ndarray
    """NaN where the class has none."""
    hard: tuple[str, ...] = ()
    """Ids of the images that a method which splits holds for hard."""
    prior: Path | None = None
    """The spatial prior with which probabilities are multiplied first, where the method has one."""


def write_selection(path: Path, selection: Selection, details: dict[str, object]) -> None:
    """Write selection.json: ``images``, ``thresholds`` (one per class, null for NaN) and more."""
    thresholds = [None if math.isnan(value) else float(value) for value in selection.threshold_C]
    write_json(
        path,
        {
            "method": selection.method,
            "compat": selection.compat,
            "class_names": selection.class_names,
            "images": selection.images,
            "thresholds": thresholds,
            **({} if selection.prior is None else {"spatial_prior": _beside(path, selection.prior)}),
            **details,
        },
    )


def read_selection(path: Path) -> Selection:
    """Read selection.json."""
    raw = read_json(path)
    thresholds = [math.nan if value is None else float(value) for value in raw["thresholds"]]
    hard = tuple(raw.get("hard", ()))
    prior = path.parent / raw["spatial_prior"] if "spatial_prior" in raw else None
    return Selection(raw["method"], raw["compat"], raw["class_names"], raw["images"], np.array(thresholds), hard, prior)


def selection_fingerprint(selection: Selection, **more: str) -> str:
    """Return one hash of what was selected and how, and of ``more``: by it, files name their selection."""
    decided = selection._replace(threshold_C=selection.threshold_C.tolist(), prior=None)
    # not the prior's path, which says nothing; short, because `dvc metrics show` has a column of it
    return fingerprint(**decided._asdict(), has_prior=selection.prior is not None, **more)[:12]


def _beside(path: Path, prior: Path) -> str:
    """Copy the prior beside selection.json, so that a selection is whole by itself, and return its name."""
    copy = path.parent / prior.name
    if prior != copy:
        write_bytes(copy, prior.read_bytes())
    return copy.name


def mean_confidences(index: CacheIndex) -> dict[str, float]:
    """Return the mean confidence of every image by id, also of those that are not selected."""
    confidence_N = index.statistic("confidence_sum").sum(axis=1) / np.prod(index.spec.size)
    return dict(zip(index.image_ids, confidence_N.tolist(), strict=True))
