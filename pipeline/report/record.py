"""The record of one workspace as one JSON value: report/results.json. Equal runs give equal bytes."""

# C class

from __future__ import annotations

import csv
import hashlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.cache.index import CacheIndex
from pipeline.cache.schema import CacheError
from pipeline.common.labels import ClassSet
from pipeline.datasets.manifest import Manifest, manifest_path
from pipeline.evaluation.results import Result
from pipeline.methods.registry import method_named
from pipeline.methods.selection_file import read_selection
from pipeline.models.model_file import read_model_file
from pipeline.patches.file import PATCHES, PatchFile
from pipeline.report.charts.lines import read_curve
from pipeline.report.summary import summary_of

if TYPE_CHECKING:
    from pipeline.params import Params

FORMAT = 2
SPLITS = ("source", "target", "target-labelled", "evaluation")


def record_of(params: Params, runs: Path, results: list[Result], classes: ClassSet) -> dict[str, Any]:
    """Return everything but pictures, times and versions; ``results``: of the folder ``runs``."""
    summary = summary_of(params, runs, results, classes)
    facts = [row | run_facts(runs / row["name"], classes) for row in summary["runs"]]
    return {"format": FORMAT, **summary, "data": data_facts(params), "runs": facts}


def run_facts(folder: Path, classes: ClassSet) -> dict[str, Any]:
    """Return a run's confusion, curves, decay of an average; of a round, thresholds, frequencies, sizes."""
    facts: dict[str, Any] = {
        "confusion": read_confusion(folder / "confusion.csv"),
        "curves": {
            path.stem: [list(point) for point in read_curve(path)]
            for path in sorted((folder / "curves" / "loss").glob("*.tsv"))
        },
    }
    facts |= _weights_facts(folder / "model.pt")
    if (folder / "selection" / "selection.json").exists():
        selection = read_selection(folder / "selection" / "selection.json")
        thresholds = [None if math.isnan(value) else float(value) for value in selection.threshold_C]
        facts["selection"] = {
            "images": len(selection.images),
            "hard": len(selection.hard),
            "thresholds": dict(zip(classes.names, thresholds, strict=True)),
            "unit": method_named(selection.method).threshold(selection).unit,
        }
    return facts | _cache_facts(folder / "cache", classes) | _patch_facts(folder / "patches" / PATCHES, classes)


def read_confusion(path: Path) -> list[list[int]] | None:
    """Return the pixel counts (C,C), rows are the truth; None without the file."""
    if not path.exists():
        return None
    with path.open(newline="", encoding="utf-8") as file:
        _, *rows = csv.reader(file)
    return [[int(cell) for cell in row[1:]] for row in rows]


def _weights_facts(path: Path) -> dict[str, Any]:
    """Return the decay of a model whose weights are an exponential moving average; {} for any other."""
    decay = read_model_file(path, mapped=True)["spec"].get("ema") if path.exists() else None
    return {} if decay is None else {"ema": decay}


def _cache_facts(folder: Path, classes: ClassSet) -> dict[str, Any]:
    """Return the cache's size and how often its network predicts each class of the target; {} without a cache.

    A cache that cannot be read becomes a ``problem``, so that there is a report all the same.
    """
    if not folder.is_dir():
        return {}
    try:
        index = CacheIndex(folder)
        predicted_C = index.statistic("pixel_count").sum(axis=0)
    except CacheError as error:
        return {"cache": {"problem": str(error)}}
    size = sum(path.stat().st_size for path in index.paths)
    counts = dict(zip(classes.names, predicted_C.tolist(), strict=True))
    return {"cache": {"images": len(index), "bytes": size, "predicted_pixels": counts}}


def _patch_facts(path: Path, classes: ClassSet) -> dict[str, Any]:
    """Return how often each class occurs in the pseudo-labels of the round. Reads one patch at a time."""
    if not path.exists():
        return {}
    patches, count_256 = PatchFile(path), np.zeros(256, dtype=np.int64)
    for number in range(len(patches)):
        count_256 += np.bincount(patches.label(number).ravel(), minlength=256)
    labelled = dict(zip(classes.names, count_256[: len(classes)].tolist(), strict=True))
    return {"patches": {"count": len(patches), "pixels": int(count_256.sum()), "labelled_pixels": labelled}}


def data_facts(params: Params) -> dict[str, Any]:
    """Return each prepared split's layout, number of images, and one hash of all its files' bytes (not their names)."""
    layouts = {
        "source": params.data.source.layout,
        "target": params.data.target.layout,
        "target-labelled": params.data.target.layout,
        "evaluation": params.data.evaluation.layout,
    }
    return {
        name: {"layout": layouts[name], **_manifest_facts(manifest_path(name))}
        for name in SPLITS
        if manifest_path(name).exists()
    }


def _manifest_facts(path: Path) -> dict[str, Any]:
    total, manifest = hashlib.blake2b(digest_size=16), Manifest(path)
    for row in manifest:
        total.update(f"{row.image_hash} {row.label_hash or ''}\n".encode())
    return {"images": len(manifest), "hash": total.hexdigest()}


def differences(here: dict[str, Any], there: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """Return (key, value here, value there) where two flat dicts differ; None for a key that one does not have."""
    keys = [*here, *(key for key in there if key not in here)]
    return [(key, here.get(key), there.get(key)) for key in keys if here.get(key) != there.get(key)]


def nearest_preset(params: dict[str, Any], presets: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """Return the preset with the fewest different values, and these; seeds do not count. None without presets."""
    compared = {
        name: [row for row in differences(params, preset) if row[0] != "seed"] for name, preset in presets.items()
    }
    if not compared:
        return None
    name = min(compared, key=lambda preset: len(compared[preset]))
    return {"name": name, "differences": [list(row) for row in compared[name]]}
