"""The JSON of the page, of runs that are named and one of two splits; nothing is written."""

from __future__ import annotations

import math
import threading
import time
from typing import Any, NamedTuple

from pipeline.common.errors import ReadableError
from pipeline.common.files import fingerprint
from pipeline.viewer.background import MeasurementSets
from pipeline.viewer.evaluation_questions import EvaluationQuestions
from pipeline.viewer.evaluation_view import EvaluationView
from pipeline.viewer.files import checked_run, run_names
from pipeline.viewer.inputs import Inputs
from pipeline.viewer.layers import LayerRequest
from pipeline.viewer.run_view import RunView
from pipeline.viewer.sorting import class_index, sorted_positions
from pipeline.viewer.source import SPLITS
from pipeline.viewer.target_questions import TargetQuestions

_REFRESH_SECONDS = 1.0
"""The listing of the files is read again after that time."""


class GalleryQuery(NamedTuple):
    """Which images of a run, in which order."""

    run: str
    split: str = "target"
    sort: str = ""
    """One of the split's orders; empty for its first."""
    of: str | None = None
    """The class by which to sort; of a confusion, the labelled one."""
    taken_for: str | None = None
    """Of a confusion, the predicted class."""
    reverse: bool = False
    show: str = ""
    """A side: ``selected``, ``hard``, ``worse``, …; empty for all images."""
    against: str | None = None
    """The run that is compared with; None for the run before."""


class Inspector:
    """All runs, or those named, with values that are measured on request."""

    def __init__(self, only: list[str]) -> None:
        self._lock = threading.RLock()
        self._refreshed = -math.inf
        self._only = only
        self.inputs = Inputs()
        self.measured = MeasurementSets()
        self._runs: dict[str, RunView] = {}
        self._evaluations: dict[str, EvaluationView] = {}
        # what of a split is asked with a view of that split: the types of the two do not mix
        self._questions: dict[str, Any] = {
            "target": TargetQuestions(self.inputs, self.measured),
            "evaluation": EvaluationQuestions(self.measured),
        }
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
                self._evaluations.setdefault(run.name, EvaluationView(run)).refresh()
            self._refreshed = time.monotonic()

    def close(self) -> None:
        """Stop all measuring."""
        self.measured.stop()

    def run(self, name: str) -> RunView:
        """Return a run by its name.

        Raises:
            ReadableError: if there is no such run, or the name is a path.
        """
        self.refresh()
        return self._runs[checked_run(name, list(self._runs))]

    def view(self, name: str, split: str) -> Any:
        """Return a run in one of the splits, as a ``source.Source``.

        Raises:
            ReadableError: the run or the split is unknown.
        """
        self._asked(split)
        run = self.run(name)
        return run if split == "target" else self._evaluations[run.name]

    def _asked(self, split: str) -> Any:
        """Return who answers about a split."""
        if split not in SPLITS:
            raise ReadableError(f"the split {split!r} is unknown; choose one of {', '.join(SPLITS)}")
        return self._questions[split]

    def previous(self, view: RunView | EvaluationView) -> Any:
        """Return the run of a round's initial network in the same split, if there is anything of it."""
        init = (view if isinstance(view, RunView) else view.run).init or ""
        before = self._runs.get(init) if view.split == "target" else self._evaluations.get(init)
        return before if before is not None and before.has_images and init in self._runs else None

    def _other(self, view: RunView | EvaluationView, against: str | None) -> Any:
        return self.view(against, view.split) if against else self.previous(view)

    # -------------------------------------------------------------------------------------------- the page's requests

    def workspace(self, split: str = "target") -> dict[str, Any]:
        """Return all runs as they are in a split, and the orders of its gallery."""
        self.refresh()
        orders = self._asked(split).orders
        views = [self.view(name, split) for name in self._runs]
        problem = "" if views else "runs/ is empty: `dvc repro` starts the first run."
        return {
            "runs": [self._described(view) for view in views],
            "problem": problem,
            "images_problem": self.inputs.problems.get(split, ""),
            "orders": {name: order._asdict() for name, order in orders.items()},
            "start": self._start(),
        }

    def _start(self) -> dict[str, str] | None:
        """Return what a bare address shows: a dump that is running, else the final network, else the last cache."""
        runs = list(self._runs.values())
        cached = [run for run in runs if run.has_images]
        begun = {run.init for run in runs}
        final = [run for run in runs if run.init and run.name not in begun]
        if writing := [run for run in cached if run.cache and run.cache.running]:
            return {"run": writing[-1].name, "split": "target"}
        if final and self._evaluations[final[0].name].has_images:
            return {"run": final[0].name, "split": "evaluation"}
        evaluated = [run for run in runs if self._evaluations[run.name].has_images]
        for split, there in (("target", cached), ("evaluation", evaluated), ("target", runs)):
            if there:
                return {"run": there[-1].name, "split": split}
        return None

    def _described(self, view: RunView | EvaluationView) -> dict[str, Any]:
        run, previous = self._runs[view.name], self.previous(view)
        questions = self._questions[view.split]
        described: dict[str, Any] = {
            "name": view.name,
            "split": view.split,
            "kind": run.kind,
            "init": run.init,
            "previous": previous.name if previous else None,
            "problems": view.problems,
            "stamp": self._stamp(view),
            "writing": bool(run.cache and run.cache.running) and view.split == "target",
            "has_images": view.has_images,
            "splits": [split for split in SPLITS if self.view(view.name, split).has_images],
            "begins": [other.name for other in self._runs.values() if other.init == view.name and other.has_images],
            "health": _health(run),
            **questions.method(view),
        }
        if view.has_images:
            more = questions.described(view)
            layers = more.pop("layers") | (set() if view.split in self.inputs.problems else {"input"})
            described |= more | {
                "images": len(view.image_ids),
                "size": view.size,
                "network": view.network,
                "classes": [
                    {"name": name, "colour": colour}
                    for name, colour in zip(view.classes.names, view.classes.palette, strict=True)
                ],
                "layers": sorted(layers),
                "first": view.image_ids[0],
            }
        return described

    def _stamp(self, view: RunView | EvaluationView) -> str:
        return fingerprint(run=view.stamp, inputs=self.inputs.stamp)[:10]

    def gallery(self, query: GalleryQuery) -> dict[str, Any]:
        """Return images in an order: ids, values, and whether they are selected, here and in the run compared with."""
        view = self.view(query.run, query.split)
        questions = self._questions[query.split]
        order = query.sort or next(iter(questions.orders))
        if order not in questions.orders:
            choice = ", ".join(questions.orders)
            raise ReadableError(f"images cannot be sorted by {order!r}; choose one of {choice}")
        other = self._other(view, query.against)
        values = questions.values(view, other, order, query.of, query.taken_for)
        words = values.words or (self._without_previous(view) if order == "change" and other is None else "")
        chosen_there = _chosen_there(other) if query.against else {}
        ids, value_N = view.image_ids, values.value_N
        positions = map(int, sorted_positions(value_N, questions.falls(view, order) != query.reverse))
        return {
            "images": [
                {
                    "id": ids[number],
                    "value": None if math.isnan(value_N[number]) else round(float(value_N[number]), 6),
                    "chosen": values.side_N[number],
                    "chosen_there": chosen_there.get(ids[number], ""),
                }
                for number in positions
                if query.show in ("", "all") or values.side_N[number] == query.show
            ],
            "known": sum(not math.isnan(value) for value in value_N),
            "words": words,
            "stamp": self._stamp(view),
        }

    def _without_previous(self, view: RunView | EvaluationView) -> str:
        init = self._runs[view.name].init
        if init and init not in self._runs and init in self._run_names():
            both = f"`roundabout inspect {init} {view.name}`"
            return f"{view.name}: its previous round, {init}, is not shown here; name it, too: {both}"
        what = "a cache" if view.split == "target" else "predictions"
        return f"{view.name} has no previous round with {what} to compare with."

    def classes(self, name: str, split: str = "target", against: str | None = None) -> dict[str, Any]:
        """Return the table of a run's classes."""
        view = self.view(name, split)
        answer: dict[str, Any] = self._questions[split].classes(view, self._other(view, against))
        return answer | {"stamp": self._stamp(view)}

    def image(self, name: str, image_id: str, split: str = "target") -> dict[str, Any]:
        """Return one image and its classes."""
        answer: dict[str, Any] = self._questions[split].image(self.view(name, split), image_id)
        return answer

    def pixel(self, name: str, image_id: str, column: int, row: int, split: str = "target") -> dict[str, Any]:
        """Return what is known of a pixel."""
        answer: dict[str, Any] = self._questions[split].pixel(self.view(name, split), image_id, column, row)
        return answer

    def layer_request(
        self, name: str, image_id: str, against: str | None, only: str | None, split: str = "target"
    ) -> LayerRequest:
        """Return the run, image and class of a layer, by their names."""
        view = self.view(name, split)
        view.number(image_id)  # raises if it is not there
        return LayerRequest(view, image_id, self.inputs, self._other(view, against), class_index(view, only))


def _chosen_there(other: RunView | EvaluationView) -> dict[str, str]:
    """Return whether another run has selected its images; empty where nothing is selected."""
    if not isinstance(other, RunView) or not other.has_images:
        return {}
    return {image_id: other.chosen(image_id) for image_id in other.image_ids}


def _health(run: RunView) -> dict[str, str] | None:
    if run.health is None:
        return None
    return {"verdict": run.health.verdict, "reason": run.health.reason, "result": run.health.result}
