"""Per class: the threshold, its position in the histogram of what it is compared with, coverage and precision."""

# C class, B bins

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.cache.bins import ENTROPY_BINS, confidence_edges
from pipeline.cache.index import read_values
from pipeline.cache.parts import open_part
from pipeline.cache.schema import CONFIDENCE_HISTOGRAM, ENTROPY_HISTOGRAM, HISTOGRAMS
from pipeline.methods.method import NO_THRESHOLD
from pipeline.methods.registry import method_named
from pipeline.viewer.run_view import RunView

BINS = 64
LARGEST_NINES = 7.0
"""The confidence axis counts nines, -log10(1 - p): 0.9 is 1, 0.99 is 2. Floats end at 1 - 2^-24, about 7.2."""


class Histograms:
    """The sums of a cache's histograms, continued when parts appear and begun again when one changes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._added: dict[Path, object] = {}
        self._total: dict[str, np.ndarray] = {}

    def of(self, run: RunView) -> dict[str, np.ndarray]:
        """Return ``confidence`` and ``entropy``, (C,B) int64 each, as in docs/cache.md."""
        with self._lock:
            parts = dict(run.part_stamps())
            if any(parts.get(path) != stamp for path, stamp in self._added.items()):
                self._added, self._total = {}, {}
            for path in [path for path in parts if path not in self._added]:
                with open_part(path) as file:
                    for name in (CONFIDENCE_HISTOGRAM, ENTROPY_HISTOGRAM):
                        counts_CB = read_values(file, f"{HISTOGRAMS}/{name}")
                        self._total[name] = self._total.get(name, 0) + counts_CB.astype(np.int64)
                self._added[path] = parts[path]
            return dict(self._total)


def class_table(run: RunView, histograms: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return what the page shows of every class; see ``quantity_of`` for the scale of thresholds."""
    count_C, confidence_C, entropy_C = (
        run.index.statistic(name).sum(axis=0) for name in ("pixel_count", "confidence_sum", "entropy_sum")
    )
    images_C = (run.index.statistic("pixel_count") > 0).sum(axis=0)
    shown = {
        "confidence": _binned(_nines(), histograms[CONFIDENCE_HISTOGRAM], LARGEST_NINES),
        "entropy": _binned(_entropy_shares(), histograms[ENTROPY_HISTOGRAM], 1.0),
    }
    quality = run.result.class_pseudo_labels if run.result else {}
    scale, selection = quantity_of(run), run.selection
    rows = []
    for index, (name, colour) in enumerate(zip(run.classes.names, run.classes.palette, strict=True)):
        pixels, threshold = int(count_C[index]), None
        if selection is not None and not math.isnan(selection.threshold_C[index]):
            threshold = float(selection.threshold_C[index])
        rows.append(
            {
                "name": name,
                "colour": colour,
                "pixels": pixels,
                "share": pixels / max(1, int(count_C.sum())),
                "images": int(images_C[index]),
                "confidence": confidence_C[index] / pixels if pixels else None,
                "entropy": entropy_C[index] / pixels / math.log(run.index.spec.classes) if pixels else None,
                "threshold": threshold,
                "passing": None if threshold is None else _passing(scale, threshold, index, histograms),
                "histograms": {what: counts_CB[index].tolist() for what, counts_CB in shown.items()},
                "coverage": quality.get(name, {}).get("coverage"),
                "precision": quality.get(name, {}).get("precision"),
            }
        )
    return {"quantity": scale, "bins": BINS, "largest_nines": LARGEST_NINES, "classes": rows}


def quantity_of(run: RunView) -> str:
    """Return what the run's thresholds are compared with, as ``methods.method.Threshold`` lists it."""
    selection = run.selection
    threshold = NO_THRESHOLD if selection is None else method_named(selection.method).threshold(selection)
    return threshold.quantity


def _passing(scale: str, threshold: float, index: int, histograms: dict[str, np.ndarray]) -> float | None:
    """Return the share of the class's predicted pixels, of all images, on the kept side; to a bin's width."""
    if scale == "confidence":
        counts_B, inside_B = histograms[CONFIDENCE_HISTOGRAM][index], confidence_edges() >= threshold
    elif scale in ("entropy-share", "entropy-nats"):
        counts_B = histograms[ENTROPY_HISTOGRAM][index]
        largest = math.log(len(histograms[ENTROPY_HISTOGRAM])) if scale == "entropy-nats" else 1.0
        inside_B = _entropy_shares() * largest < threshold
    else:
        return None
    total = int(counts_B.sum())
    return int(counts_B[inside_B].sum()) / total if total else None


def _nines() -> np.ndarray:
    with np.errstate(divide="ignore"):
        nines_B: np.ndarray = -np.log10(1 - confidence_edges())
    return nines_B


def _entropy_shares() -> np.ndarray:
    """Return the middle of each entropy bin, in units of ln C."""
    return (np.arange(ENTROPY_BINS) + 0.5) / ENTROPY_BINS


def _binned(value_B: np.ndarray, counts_CB: np.ndarray, largest: float) -> np.ndarray:
    """Return counts (C,BINS) over equal steps from 0 to ``largest``; the last holds what is beyond."""
    bin_B = np.clip(value_B / largest * BINS, 0, BINS - 1).astype(np.int64)
    binned_CB = np.zeros((len(counts_CB), BINS), np.int64)
    for counts_B, row in zip(counts_CB, binned_CB, strict=True):
        np.add.at(row, bin_B, counts_B)
    return binned_CB
