"""The JSON of the page, of runs that are named; nothing is written."""

from __future__ import annotations

import math
import threading
import time
from typing import Any

import numpy as np

from pipeline.common.errors import ReadableError
from pipeline.common.files import fingerprint
from pipeline.common.labels import IGNORE
from pipeline.evaluation.confusion import confusion_matrix, mean_iou
from pipeline.methods.registry import method_named
from pipeline.viewer.background import Measurements
from pipeline.viewer.class_table import Histograms, class_table, quantity_of
from pipeline.viewer.explain import explain_pixel
from pipeline.viewer.files import checked_run, run_names
from pipeline.viewer.inputs import Inputs
from pipeline.viewer.layers import LayerRequest
from pipeline.viewer.run_view import RunView
from pipeline.viewer.sorting import MEASURED, ORDERS, falls, sorted_positions, statistic_values

_REFRESH_SECONDS = 1.0
"""The listing of the files is read again after that time."""


class Inspector:
    """All runs, or those named, with values that are measured on request."""

    def __init__(self, only: list[str]) -> None:
        self._lock = threading.RLock()
        self._refreshed = -math.inf
        self._only = only
        self.inputs = Inputs()
        self._runs: dict[str, RunView] = {}
        self._histograms: dict[str, Histograms] = {}
        self._measured: dict[tuple[str, ...], Measurements[Any]] = {}
        for name in only:
            checked_run(name, self._run_names())

    def _run_names(self) -> list[str]:
        params = self.inputs.params
        return run_names(list(params.run_kinds()), params.translations) if params else run_names([])

    def refresh(self) -> None:
        """Read again the files that have changed, at most once a second."""
        with self._lock:
            if time.monotonic() - self._refreshed < _REFRESH_SECONDS:
                return
            self.inputs.refresh()
            params = self.inputs.params
            kinds = params.run_kinds() if params else {}
            inits = {name: entry.init for name, entry in params.rounds.items()} if params else {}
            names = [name for name in self._run_names() if not self._only or name in self._only]
            known = self._runs
            self._runs = {
                name: known.get(name) or RunView(name, kinds.get(name, ""), inits.get(name)) for name in names
            }
            for run in self._runs.values():
                run.kind, run.init = kinds.get(run.name, ""), inits.get(run.name)
                run.chosen_classes = self.inputs.classes
                run.refresh()
            self._refreshed = time.monotonic()

    def close(self) -> None:
        """Stop all measuring."""
        for measured in list(self._measured.values()):
            measured.stop()

    def run(self, name: str) -> RunView:
        """Return a run by its name.

        Raises:
            ReadableError: if there is no such run, or the name is a path.
        """
        self.refresh()
        return self._runs[checked_run(name, list(self._runs))]

    def previous(self, run: RunView) -> RunView | None:
        """Return the round of the run's initial network, if it has a cache."""
        before = self._runs.get(run.init or "")
        return before if before is not None and before.has_cache else None

    # -------------------------------------------------------------------------------------------- the page's requests

    def workspace(self) -> dict[str, Any]:
        """Return all runs, and the orders of the gallery."""
        self.refresh()
        runs = [self._described(run) for run in self._runs.values()]
        problem = "" if runs else "There is no run yet: runs/ is empty. `dvc repro` starts the first."
        return {
            "runs": runs,
            "problem": problem,
            "images_problem": self.inputs.problem,
            "orders": {name: order._asdict() for name, order in ORDERS.items()},
        }

    def _described(self, run: RunView) -> dict[str, Any]:
        previous = self.previous(run)
        selection = run.selection
        described: dict[str, Any] = {
            "name": run.name,
            "kind": run.kind,
            "init": run.init,
            "previous": previous.name if previous else None,
            "problems": run.problems,
            "stamp": self._stamp(run),
            "writing": bool(run.cache and run.cache.running),
            "has_cache": run.has_cache,
            "method": selection.method if selection else None,
            "shows": method_named(selection.method).sides if selection else [],
            "about": method_named(selection.method).about if selection else "",
            "compat": selection.compat if selection else None,
            "quantity": quantity_of(run) if run.has_cache else "none",
            "health": _health(run),
        }
        if run.has_cache:
            spec = run.index.spec
            described |= {
                "images": len(run.index),
                "images_of_all": spec.images,
                "size": spec.size,
                "profile": spec.profile,
                "network": run.network,
                "classes": [
                    {"name": name, "colour": colour}
                    for name, colour in zip(run.classes.names, run.classes.palette, strict=True)
                ],
                "layers": self._layers(run),
                "selected": len(selection.images) if selection else None,
                "hard": len(selection.hard) if selection else 0,
                "first": run.index.image_ids[0],
            }
        return described

    def _layers(self, run: RunView) -> list[str]:
        layers = {"prediction", "entropy"}
        if not self.inputs.problem:
            layers.add("input")
        if run.selection is not None:
            layers |= {"mask", "pseudo"}
        if run.has_patches:
            layers.add("patches")
        if not self.inputs.labels_problem(run.index.spec):
            layers |= {"label", "errors"}
        return sorted(layers)

    def _stamp(self, run: RunView) -> str:
        return fingerprint(run=run.stamp, inputs=self.inputs.stamp)[:10]

    def gallery(
        self, name: str, order: str, class_name: str | None, reverse: bool, show: str, against: str | None
    ) -> dict[str, Any]:
        """Return all images in an order: ids, values, and whether they are selected."""
        run = self.run(name)
        if order not in ORDERS:
            raise ReadableError(f"images cannot be sorted by {order!r}; choose one of {', '.join(ORDERS)}")
        class_index = self._class_index(run, class_name) if ORDERS[order].of_class else None
        value_N, words = self._values(run, order, class_index, against)
        ids, chosen = run.index.image_ids, [run.chosen(image_id) for image_id in run.index.image_ids]
        positions = [
            int(number)
            for number in sorted_positions(value_N, falls(run, order) != reverse)
            if show in ("", "all") or chosen[number] == show
        ]
        return {
            "images": [
                {
                    "id": ids[number],
                    "value": None if math.isnan(value_N[number]) else round(float(value_N[number]), 6),
                    "chosen": chosen[number],
                }
                for number in positions
            ],
            "known": int((~np.isnan(value_N)).sum()),
            "words": words,
            "stamp": self._stamp(run),
        }

    def _class_index(self, run: RunView, class_name: str | None) -> int | None:
        if not class_name:
            return None
        if class_name not in run.classes.names:
            raise ReadableError(f"{run.name} has no class {class_name!r}; there are {', '.join(run.classes.names)}")
        return run.classes.names.index(class_name)

    def _values(self, run: RunView, order: str, class_index: int | None, against: str | None) -> tuple[np.ndarray, str]:
        """Return values (N,), and a message about them, which may be empty."""
        if order in MEASURED:
            return self._measured_values(run, order, class_index, against)
        value_N = statistic_values(run, order, class_index)
        if order in ("selected", "score") and run.selection is None:
            return value_N, f"{run.name}: nothing has been selected yet."
        return value_N, ""

    def _measured_values(
        self, run: RunView, order: str, class_index: int | None, against: str | None
    ) -> tuple[np.ndarray, str]:
        value_N = np.full(len(run.index), np.nan)
        other = self.run(against) if against else self.previous(run)
        missing = {
            "kept": f"{run.name}: nothing has been selected yet." if run.selection is None else "",
            "iou": self.inputs.labels_problem(run.index.spec),
            "change": self._without_previous(run) if other is None else run.classes_differ(other),
        }[order]
        if missing:
            return value_N, missing
        measured = self._measure(order, run, other)
        ids = run.index.image_ids
        in_both = set(other.index.image_ids) if other is not None and order == "change" else set(ids)
        measurable = [image_id for image_id in ids if image_id in in_both]  # the other may still be growing
        known = measured.of(measurable)
        pixels = int(np.prod(run.index.spec.size))
        for number, image_id in enumerate(ids):
            value = known.get(image_id)
            if value is not None and order == "kept":
                value = (value.sum() if class_index is None else value[class_index]) / pixels
            if value is not None:
                value_N[number] = value
        count, total = sum(image_id in known for image_id in measurable), len(measurable)
        return value_N, "" if count == total else f"Measuring: {count:,} of {total:,} images so far."

    def _without_previous(self, run: RunView) -> str:
        if run.init and run.init not in self._runs and run.init in self._run_names():
            both = f"`roundabout inspect {run.init} {run.name}`"
            return f"{run.name}: its previous round, {run.init}, is not shown here; name it, too: {both}"
        return f"{run.name} has no previous round with a cache to compare with."

    def _measure(self, order: str, run: RunView, other: RunView | None) -> Measurements[Any]:
        """Return the measuring of an order's values, a new one if the run, or the other, has changed."""
        depends_on = (
            fingerprint(selection=run.details) if order == "kept" else self.inputs.stamp if order == "iou" else ""
        )
        key: tuple[str, ...] = (order, run.name, run.index.spec.fingerprint, depends_on)
        if other is not None and order == "change":
            key = (*key, other.name, other.index.spec.fingerprint)
        with self._lock:
            if key not in self._measured:
                for old in [old for old in self._measured if old[:2] == key[:2] and old[4:5] == key[4:5]]:
                    self._measured.pop(old).stop()
                measures = {
                    "kept": lambda image_id: _kept_pixels(run, image_id),
                    "iou": lambda image_id: _image_iou(run, self.inputs, image_id),
                    "change": lambda image_id: _changed_share(run, other, image_id),
                }
                self._measured[key] = Measurements(measures[order])
            return self._measured[key]

    def classes(self, name: str) -> dict[str, Any]:
        """Return the table of class_table.py, and the numbers by which the run selects."""
        run = self.run(name)
        histograms = self._histograms.setdefault(name, Histograms()).of(run)
        return class_table(run, histograms) | {
            "details": {
                key: run.details[key]
                for key in ("portion", "delta", "centroid", "thresholds_are")
                if key in run.details
            },
            "scores": self._score_histogram(run),
            "stamp": self._stamp(run),
        }

    def _score_histogram(self, run: RunView) -> dict[str, Any] | None:
        """Return the scores on both sides of the border, for a method that splits the images."""
        if run.selection is None or not run.selection.hard:
            return None
        scores = run.details.get("scores", {})
        easy = [scores[image_id] for image_id in run.selection.images if image_id in scores]
        hard = [scores[image_id] for image_id in run.selection.hard if image_id in scores]
        edges = np.histogram_bin_edges(easy + hard, bins=40)
        return {
            "low": float(edges[0]),
            "high": float(edges[-1]),
            "border": (max(easy) + min(hard)) / 2 if easy and hard else None,
            "easy": np.histogram(easy, edges)[0].tolist(),
            "hard": np.histogram(hard, edges)[0].tolist(),
        }

    def image(self, name: str, image_id: str) -> dict[str, Any]:
        """Return one image: whether it is selected, its classes, its patches."""
        run = self.run(name)
        number = run.index.number(image_id)
        pixels = int(np.prod(run.index.spec.size))
        count_C = run.index.statistic("pixel_count")[number]
        confidence_C = run.index.statistic("confidence_sum")[number]
        answer: dict[str, Any] = {
            "id": image_id,
            "entropy": float(run.index.statistic("entropy_mean")[number]) / math.log(run.index.spec.classes),
            "chosen": run.chosen(image_id),
            "chosen_words": self._chosen_words(run, image_id),
            "patches": [box._asdict() for box in run.patches(image_id)],
            "labelled": self.inputs.label(image_id, run.index.spec) is not None,
        }
        kept_C = np.zeros_like(count_C)
        if run.selection is not None:
            kept_C = _count(run.pseudo_label(image_id), len(count_C))
            answer["kept"] = int(kept_C.sum()) / pixels
        answer["classes"] = [
            {
                "name": class_name,
                "share": int(count_C[index]) / pixels,
                "confidence": float(confidence_C[index] / count_C[index]) if count_C[index] else None,
                "kept": int(kept_C[index]) / pixels,
            }
            for index, class_name in enumerate(run.classes.names)
            if count_C[index] or kept_C[index]
        ]
        return answer

    def _chosen_words(self, run: RunView, image_id: str) -> str:
        selection = run.selection
        if selection is None:
            return "Nothing has been selected yet."
        chosen, total = run.chosen(image_id), len(run.index)
        if method_named(selection.method).splits:
            side = selection.images if chosen == "easy" else list(selection.hard)
            rank = side.index(image_id) + 1 if image_id in side else 0
            score = run.details.get("scores", {}).get(image_id)
            if score is None:
                return "This image is not in the selection."
            return f"{chosen.capitalize()}: number {rank} of {len(side)} {chosen} images, score {score:.4g}."
        if chosen == "not selected":
            words = f"Not selected: {len(selection.images)} of {total} images are."
            return f"{words} The mask shows what the thresholds would keep."
        if len(selection.images) == total:
            return f"Selected, as all {total} images are: {selection.method.upper()} chooses pixels, not images."
        rank = selection.images.index(image_id) + 1
        pivot_of = [name for name, pivot in run.details.get("threshold_from", {}).items() if pivot == image_id]
        tail = f" It gave the threshold of {', '.join(pivot_of)}." if pivot_of else ""
        return f"Selected: number {rank} of {len(selection.images)} selected images ({total} in all).{tail}"

    def pixel(self, name: str, image_id: str, column: int, row: int) -> dict[str, Any]:
        """Return a pixel: distribution, entropy, threshold, and why it was kept or dropped."""
        run = self.run(name)
        prob_C = run.probabilities(image_id, row, column)
        maps, names = run.maps(image_id), run.classes.names
        entropy = float(maps.entropy_HW[row, column])
        truth_HW = self.inputs.label(image_id, run.index.spec)
        answer: dict[str, Any] = {
            "x": column,
            "y": row,
            "class": int(maps.label_HW[row, column]),
            "probabilities": [float(value) for value in prob_C],
            "entropy": entropy,
            "entropy_share": entropy / math.log(len(names)),
            "truth": None if truth_HW is None else int(truth_HW[row, column]),
            "reason": None,
        }
        if run.selection is not None:
            answer["reason"] = explain_pixel(run.selection, image_id, maps, prob_C, row, column, names)._asdict()
        return answer

    def layer_request(self, name: str, image_id: str, against: str | None, only: str | None) -> LayerRequest:
        """Return the run, image and class of a layer, by their names."""
        run = self.run(name)
        run.index.number(image_id)  # raises if the cache does not have it
        other = self.run(against) if against else self.previous(run)
        return LayerRequest(run, image_id, self.inputs, other, self._class_index(run, only))


def _health(run: RunView) -> dict[str, str] | None:
    if run.health is None:
        return None
    return {"verdict": run.health.verdict, "reason": run.health.reason, "result": run.health.result}


def _count(label_HW: np.ndarray, classes: int) -> np.ndarray:
    return np.bincount(label_HW[label_HW != IGNORE], minlength=classes)[:classes]


def _kept_pixels(run: RunView, image_id: str) -> np.ndarray:
    return _count(run.computed_pseudo_label(image_id), run.index.spec.classes)


def _image_iou(run: RunView, inputs: Inputs, image_id: str) -> float | None:
    truth_HW = inputs.label(image_id, run.index.spec)
    if truth_HW is None:
        return None
    value = mean_iou(confusion_matrix(truth_HW, run.label(image_id), run.index.spec.classes))
    return None if math.isnan(value) else value


def _changed_share(run: RunView, other: RunView | None, image_id: str) -> float | None:
    assert other is not None
    here_HW, there_HW = run.label(image_id), other.label(image_id)
    return float((here_HW != there_HW).mean()) if here_HW.shape == there_HW.shape else None
