"""What the page asks of a run's cache, selection and patches: the split ``target``."""

# N images that are there, C class, H/W pixels

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pipeline.common.errors import counted
from pipeline.common.files import fingerprint
from pipeline.common.labels import IGNORE
from pipeline.evaluation.confusion import confusion_matrix, mean_iou
from pipeline.methods.registry import method_named
from pipeline.viewer.background import Measurements, MeasurementSets
from pipeline.viewer.class_table import Histograms, class_table, quantity_of
from pipeline.viewer.explain import explain_pixel
from pipeline.viewer.inputs import Inputs
from pipeline.viewer.run_view import RunView
from pipeline.viewer.sorting import MEASURED, ORDERS, Values, class_index, falls, measured_words, statistic_values
from pipeline.viewer.source import classes_differ


class TargetQuestions:
    """Reads what the page shows of a run's images of the target; writes nothing."""

    orders = ORDERS

    def __init__(self, inputs: Inputs, measured: MeasurementSets) -> None:
        self._inputs, self._measured = inputs, measured
        self._histograms: dict[str, Histograms] = {}

    def described(self, run: RunView) -> dict[str, Any]:
        """Return what the page must know of a run that has a cache."""
        spec, selection = run.index.spec, run.selection
        return {
            "images_of_all": spec.images,
            "selected": len(selection.images) if selection else None,
            "hard": len(selection.hard) if selection else 0,
            "layers": self._layers(run),
        }

    def method(self, run: RunView) -> dict[str, Any]:
        """Return what there is to know of a run's selection, also without a cache."""
        selection = run.selection
        return {
            "method": selection.method if selection else None,
            "shows": method_named(selection.method).sides if selection else [],
            "about": method_named(selection.method).about if selection else "",
            "compat": selection.compat if selection else None,
            "quantity": quantity_of(run) if run.has_images else "none",
        }

    def _layers(self, run: RunView) -> set[str]:
        layers = {"prediction", "entropy"}
        if run.selection is not None:
            layers |= {"mask", "pseudo"}
        if run.has_patches:
            layers.add("patches")
        if not run.no_truth(self._inputs):
            layers |= {"label", "errors"}
        return layers

    def falls(self, run: RunView, order: str) -> bool:
        """Return whether the largest value comes first."""
        return falls(run, order)

    def values(self, run: RunView, other: RunView | None, order: str, of: str | None, taken_for: str | None) -> Values:
        """Return the values (N,) of an order, with whether each image is selected."""
        side_N = [run.chosen(image_id) for image_id in run.image_ids]
        index = class_index(run, of) if ORDERS[order].of_class else None
        if order in MEASURED:
            return self._measured_values(run, other, order, index)._replace(side_N=side_N)
        value_N = statistic_values(run, order, index)
        if order in ("selected", "score") and run.selection is None:
            return Values(value_N, f"{run.name}: nothing has been selected yet.", side_N)
        return Values(value_N, "", side_N)

    def _measured_values(self, run: RunView, other: RunView | None, order: str, index: int | None) -> Values:
        value_N = np.full(len(run.index), np.nan)
        missing = {
            "kept": f"{run.name}: nothing has been selected yet." if run.selection is None else "",
            "iou": run.no_truth(self._inputs),
            "change": "" if other is None else classes_differ(run, other),
        }[order]
        if missing or (order == "change" and other is None):
            return Values(value_N, missing, [])
        ids = run.image_ids
        in_both = set(other.image_ids) if other is not None and order == "change" else set(ids)
        measurable = [image_id for image_id in ids if image_id in in_both]  # the other may still be growing
        known = self._measure(order, run, other).of(measurable)
        pixels = int(np.prod(run.size))
        for number, image_id in enumerate(ids):
            value = known.get(image_id)
            if value is not None and order == "kept":
                value = (value.sum() if index is None else value[index]) / pixels
            if value is not None:
                value_N[number] = value
        return Values(value_N, measured_words(known, measurable), [])

    def _measure(self, order: str, run: RunView, other: RunView | None) -> Measurements[Any]:
        """Return the measuring of an order's values, a new one if the run, or the other, has changed."""
        cache = run.index.spec.fingerprint
        if order == "kept":
            depends_on = fingerprint(cache=cache, selection=run.details)
            return self._measured.get((order, run.name), depends_on, lambda image_id: _kept_pixels(run, image_id))
        if order == "iou":
            return self._measured.get(
                (order, run.name),
                cache + self._inputs.stamp,
                lambda image_id: _image_iou(run, self._inputs, image_id),
            )
        assert other is not None
        depends_on = cache + other.index.spec.fingerprint
        return self._measured.get(
            (order, run.name, other.name), depends_on, lambda image_id: _changed_share(run, other, image_id)
        )

    def classes(self, run: RunView, other: RunView | None) -> dict[str, Any]:
        """Return the table of class_table.py, and the numbers by which the run selects."""
        histograms = self._histograms.setdefault(run.name, Histograms()).of(run)
        return class_table(run, histograms) | {
            "details": {
                key: run.details[key]
                for key in ("portion", "delta", "centroid", "thresholds_are")
                if key in run.details
            },
            "scores": self._score_histogram(run),
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

    def image(self, run: RunView, image_id: str) -> dict[str, Any]:
        """Return one image: whether it is selected, its classes, its patches."""
        number = run.number(image_id)
        pixels = int(np.prod(run.size))
        count_C = run.index.statistic("pixel_count")[number]
        confidence_C = run.index.statistic("confidence_sum")[number]
        answer: dict[str, Any] = {
            "id": image_id,
            "entropy": float(run.index.statistic("entropy_mean")[number]) / math.log(run.index.spec.classes),
            "chosen": run.chosen(image_id),
            "chosen_words": self._chosen_words(run, image_id),
            "patches": [box._asdict() for box in run.patches(image_id)],
            "labelled": run.truth(image_id, self._inputs) is not None,
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
            words = f"Not selected: {len(selection.images)} of {counted(total, 'image')} are."
            return f"{words} The mask shows what the thresholds would keep."
        if len(selection.images) == total:
            return f"Selected, as all {total} images are: {selection.method.upper()} chooses pixels, not images."
        rank = selection.images.index(image_id) + 1
        pivot_of = [name for name, pivot in run.details.get("threshold_from", {}).items() if pivot == image_id]
        tail = f" It gave the threshold of {', '.join(pivot_of)}." if pivot_of else ""
        return f"Selected: number {rank} of {len(selection.images)} selected images ({total} in all).{tail}"

    def pixel(self, run: RunView, image_id: str, column: int, row: int) -> dict[str, Any]:
        """Return a pixel: distribution, entropy, threshold, and why it was kept or dropped."""
        prob_C = run.probabilities(image_id, row, column)
        maps, names = run.maps(image_id), run.classes.names
        entropy = float(maps.entropy_HW[row, column])
        truth_HW = run.truth(image_id, self._inputs)
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


def _count(label_HW: np.ndarray, classes: int) -> np.ndarray:
    return np.bincount(label_HW[label_HW != IGNORE], minlength=classes)[:classes]


def _kept_pixels(run: RunView, image_id: str) -> np.ndarray:
    return _count(run.computed_pseudo_label(image_id), run.index.spec.classes)


def _image_iou(run: RunView, inputs: Inputs, image_id: str) -> float | None:
    truth_HW = run.truth(image_id, inputs)
    if truth_HW is None:
        return None
    value = mean_iou(confusion_matrix(truth_HW, run.label(image_id), run.index.spec.classes))
    return None if math.isnan(value) else value


def _changed_share(run: RunView, other: RunView, image_id: str) -> float | None:
    here_HW, there_HW = run.label(image_id), other.label(image_id)
    return float((here_HW != there_HW).mean()) if here_HW.shape == there_HW.shape else None
